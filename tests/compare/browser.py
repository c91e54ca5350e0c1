"""A headless Chromium by the DevTools protocol over pipes: what a page fetches, shows and does."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page:
    """One tab. `events` holds what the browser told, in order."""

    def __init__(self, read, write):
        self._read, self._write, self._numbers, self._session = read, write, count(1), None
        self._rest, self.events = b"", []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        """Send a command and wait for its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self):
        while b"\0" not in self._rest:
            chunk = os.read(self._read, 1 << 20)
            assert chunk, "the browser went away"
            self._rest += chunk
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, url, width, height, dark=False):
        """Open a page at a size, and wait until it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)
        self.ask("Page.navigate", url=url)
        while self.run("document.readyState") != "complete":
            pass

    def run(self, script):
        """The value of a JavaScript expression."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def picture(self, path, of="document.documentElement"):
        """A picture of the whole page, or of an element."""
        box = self.run(
            f"(() => {{ const b = {of}.getBoundingClientRect(); return {{x: b.x + scrollX, y: b.y + scrollY, "
            "width: b.width, height: b.height, scale: 1}; })()"
        )
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=box)["data"]
        path.write_bytes(base64.b64decode(data))

    def fetched(self):
        """URLs that were asked for."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """What the page logged, violations of its policy among it."""
        return [e["params"] for e in self.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]


@contextmanager
def browser(folder):
    """A page in a fresh browser whose profile lies in `folder`."""
    here_in, there_out = os.pipe()
    there_in, here_out = os.pipe()
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    # The browser reads commands from its descriptor 3 and answers on 4.
    command = [BROWSER, *flags, "--remote-debugging-pipe", f"--user-data-dir={folder}"]
    shell = ["bash", "-c", f'exec "$@" 3<&{there_in} 4>&{there_out}', "bash", *command]
    process = subprocess.Popen(shell, pass_fds=(there_in, there_out), stderr=subprocess.DEVNULL)
    os.close(there_in)
    os.close(there_out)
    try:
        yield Page(here_in, here_out)
    finally:
        os.close(here_out)
        os.close(here_in)
        process.terminate()
        process.wait(20)


def pictures(report, folder):
    """Pictures of a report: desktop, phone in the dark scheme, and the first examples, opened, if it has any."""
    with tempfile.TemporaryDirectory() as profile, browser(profile) as page:
        page.open(report.as_uri(), 1280, 900)
        page.picture(folder / "compare-desktop.png")
        page.open(report.as_uri(), 390, 844, dark=True)
        page.picture(folder / "compare-phone.png")
        page.open(report.as_uri(), 1280, 900)
        examples = "document.querySelector('[id^=target-] details')"
        if page.run(f"{examples} !== null"):
            page.run(f"{examples}.open = true")
            page.picture(folder / "compare-losses.png", examples)


if __name__ == "__main__":
    if BROWSER is None:
        raise SystemExit("no pictures: Chromium is not installed")
    pictures(Path(sys.argv[1]).absolute(), Path(sys.argv[2]))
