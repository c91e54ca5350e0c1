"""Hostile and wrong input of every kind: its exit status, and its message in a golden file."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.test_wrong_input import CASES as DATA
from tests.data.test_wrong_input import Case as Rows
from tests.reliability.wrong import KINDS, Case, arguments
from xfer.core.data.load import load_examples, load_rows
from xfer.core.errors import UserError, printable
from xfer.testing.pytest_plugin import Outcome

GOLDEN = Path(__file__).parent / "golden" / "wrong-input.txt"
ALL = {(kind, name): case for kind, cases in KINDS.items() for name, case in cases.items()}
_said: dict[str, str] = {}


def told(text: str, here: Path) -> str:
    """The message without what differs between machines and versions: paths, hashes, lists of what is known."""
    text = text.replace(str(here), "{here}")
    text = re.sub(r"(sha256:|xfer_file_odd_)[0-9a-f]+", r"\1…", text)
    text = re.sub(r"/etc \(holds .*\)", "/etc (holds …)", text)  # unlike from machine to machine
    text = re.sub(r"\S*/(xfer/\S+\.py):\d+", r"{source}/\1", text)
    text = re.sub(r"\S*/(site-packages|lib)/\S*", "{library}", text)
    lines = [line if len(line) <= 160 else f"{line[:160]}…" for line in text.strip().splitlines()[:6]]
    return "\n".join(f"    {line}".rstrip() for line in lines)


def meet(case: Case, here: Path, run_xfer: Callable[..., Outcome]) -> Outcome:
    case.make(here)
    return run_xfer(*arguments(case, here))


@pytest.mark.parametrize(("kind", "name"), ALL, ids=[f"{kind}: {name}" for kind, name in ALL])
def test_hostile_input_is_refused_with_a_message(
    kind: str,
    name: str,
    tmp_path: Path,
    tiny_encoder: Callable[[str], Path],
    run_xfer: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    shutil.copytree(tiny_encoder("xlm-roberta"), here / "model")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("XFER_TEST_MARK", str(tmp_path / "mark"))
    outside = {path for path in tmp_path.rglob("*") if here not in path.parents}
    case = ALL[kind, name]
    outcome = meet(case, here, run_xfer)
    assert outcome.status == case.status, outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    assert "\x1b" not in outcome.err + outcome.out
    assert {path for path in tmp_path.rglob("*") if here not in path.parents} == outside, (
        "code ran, or a path led out"
    )
    assert (outcome.err if case.status != 3 else outcome.out + outcome.err).strip()
    message = outcome.err if case.status != 3 else _problems(here)
    _said[f"{kind}: {name}"] = f"status {outcome.status}\n{told(message, here)}"


def _problems(here: Path) -> str:
    import json

    (path,) = (here / "store").glob("runs/*/problems.jsonl")
    return "\n".join(json.loads(line)["message"] for line in path.read_text().splitlines())


@pytest.mark.parametrize("case", DATA, ids=[case.name for case in DATA])
def test_wrong_rows_are_told(case: Rows, tmp_path: Path) -> None:
    root = tmp_path / "root"
    case.write(root)

    def load() -> None:
        rows = load_rows(case.task, case.split, case.language, data_root=root)
        load_examples(case.task, case.split, case.language, rows)

    with pytest.raises(UserError) as caught:
        load()
    assert caught.value.status == 2
    _said[f"rows: {case.name}"] = f"status 2\n{told(printable(str(caught.value)), root)}"


def test_every_message_is_as_it_was() -> None:
    """Last in this module: compares all that was said with the golden file, if all of it was."""
    if len(_said) < len(ALL) + len(DATA):
        pytest.skip("only a part of the table was met")
    assert len(_said) >= 180
    generic = [name for name, message in _said.items() if "mend:  see `" in message]
    assert generic == [], "every message says itself how to mend"
    text = "".join(f"{name}\n{_said[name]}\n\n" for name in sorted(_said))
    if os.environ.get("XFER_UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    expected = dict(part.split("\n", 1) for part in GOLDEN.read_text(encoding="utf-8").strip().split("\n\n"))
    found = dict(part.split("\n", 1) for part in text.strip().split("\n\n"))
    assert found.keys() == expected.keys()
    differing = [name for name in expected if found[name] != expected[name]]
    assert differing == []
