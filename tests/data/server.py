"""A server on loopback that gives files, knows ranges, and can cut connections half-way."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Mirror:
    """What is served and what was asked for. Each of the next `cuts` answers ends after half of its bytes."""

    files: dict[str, bytes]
    """By path, e.g. "/MLQA_V1.zip"."""
    cuts: int = 0
    cut_path: str = ""
    """End of the paths that are cut; all, if empty."""
    ranges: bool = True
    tags: bool = True
    lengths: bool = True
    refusals: dict[str, list[int]] = field(default_factory=dict)
    """Statuses that a path is answered with first; 0 stands for the file itself."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range header of every GET."""
    tokens: set[str] = field(default_factory=set)
    commit: str = "0" * 40
    """What the hub says that its files are of."""
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mirror: Mirror

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_POST(self) -> None:
        """What the hub is asked about paths by POST lies under the same address."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer(body=True)

    def do_GET(self) -> None:
        self.mirror.asked.append((self._path(), self.headers.get("Range", "")))
        self.mirror.tokens.add(self.headers.get("Authorization", ""))
        self._answer(body=True)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _answer(self, body: bool) -> None:
        mirror, path = self.mirror, self._path()
        if body and mirror.refusals.get(path) and (status := mirror.refusals[path].pop(0)):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if path not in mirror.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if "/resolve/" in path else "RevisionNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, tag = mirror.files[path], f'"{hashlib.sha256(mirror.files[path]).hexdigest()}"'
        start, end = self._span(tag, len(content)) if mirror.ranges else (0, len(content))
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        part = content[start:end]
        partial = len(part) < len(content)
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        if mirror.lengths:
            self.send_header("Content-Length", str(len(part)))
        if mirror.tags:
            self.send_header("ETag", tag)
        self.send_header("X-Repo-Commit", mirror.commit)
        self.send_header("Connection", "close")
        self.end_headers()
        if body:
            cut = mirror.cuts > 0 and path.endswith(mirror.cut_path)
            mirror.cuts -= cut
            self.wfile.write(part[: len(part) // 2] if cut else part)
        self.close_connection = True

    def _span(self, tag: str, size: int) -> tuple[int, int]:
        """First byte and the one after the last that are asked for."""
        asked = self.headers.get("Range", "")
        if not asked or self.headers.get("If-Range", tag) != tag:
            return 0, size
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return int(first), min(int(last) + 1, size) if last else size


@contextmanager
def serving(files: Mapping[str, bytes], **options: object) -> Iterator[Mirror]:
    mirror = Mirror(dict(files), **options)  # type: ignore[arg-type]
    handler = type("Bound", (Handler,), {"mirror": mirror})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        mirror.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield mirror
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def hub(name: str, files: Mapping[str, bytes], commit: str = "0" * 40, **options: object) -> Iterator[Mirror]:
    """A data set as the hub serves it: its description, and its files by commit and by "main"."""
    info = {
        "id": name,
        "sha": commit,
        "private": False,
        "siblings": [{"rfilename": path} for path in files],
    }
    described = json.dumps(info).encode()
    served = {f"/api/datasets/{name}/revision/{revision}": described for revision in ("main", commit)}
    tree = [
        {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha256(content).hexdigest()[:40]}
        for path, content in files.items()
    ]
    folders = {path.rpartition("/")[0] for path in files} - {""}
    tree += [{"type": "directory", "path": folder, "size": 0, "oid": "0" * 40} for folder in sorted(folders)]
    for about in ("tree", "paths-info"):
        served[f"/api/datasets/{name}/{about}/{commit}"] = json.dumps(tree).encode()
    for folder in folders:
        inside = [entry for entry in tree if str(entry["path"]).startswith(f"{folder}/")]
        served[f"/api/datasets/{name}/tree/{commit}/{folder}"] = json.dumps(inside).encode()
    for path, content in files.items():
        for revision in ("main", commit):
            served[f"/datasets/{name}/resolve/{revision}/{path}"] = content
    with serving(served, commit=commit, **options) as mirror:
        yield mirror
