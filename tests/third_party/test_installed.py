"""Two packages built, installed by pip into an environment of their own, used, and removed. Offline."""

import json
import os
import subprocess
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ANSWERS = ("mc_answer1", "mc_answer2", "mc_answer3", "mc_answer4")
Python = Callable[..., subprocess.CompletedProcess[str]]
XFER = ("-c", "from xfer.cli import main; main()")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """Python of a clean environment that sees the packages of this one, but installs into its own."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    binary = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = subprocess.run(
        [binary, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    Path(site, "outer.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    blocked = ("PYTHONPATH", "XFER_NO_PLUGINS", "XFER_DISABLE_PLUGINS", "XFER_ALLOW_PLUGINS", "XFER_STRICT_PLUGINS")
    environment = {name: value for name, value in os.environ.items() if name not in blocked}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1"}

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(binary), *map(str, arguments)],
            cwd=cwd or folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handful of rows in the layouts of the two data sets."""
    root = tmp_path_factory.mktemp("data")
    for code in ("eng_Latn", "deu_Latn"):
        rows = [
            {
                "link": "https://example.org/a", "question_number": place, "flores_passage": "The dog sleeps.",
                "question": "Who sleeps?", "correct_answer_num": str(place % 4 + 1),
                **{name: f"answer {number}" for number, name in enumerate(ANSWERS)},
            }
            for place in range(8)
        ]  # fmt: skip
        write(root / "facebook" / "belebele" / "data" / f"{code}.jsonl", rows)
    for split in ("train", "validation"):
        rows = [
            {
                "id": f"{split}-{place}", "context": "A cat sat here.", "question": "Who sat?", "label": place % 4,
                **{f"answer{number}": f"choice {number}" for number in range(4)},
            }
            for place in range(8)
        ]  # fmt: skip
        write(root / "allenai" / "cosmos_qa" / "data" / f"{split}-00000.jsonl", rows)
    return root


def test_install_use_and_remove(python: Python, data: Path, tiny_encoder: Callable[[str], Path]) -> None:
    install = ("-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index")
    done = python(*install, EXAMPLES / "xfer-belebele", EXAMPLES / "xfer-broken")
    assert done.returncode == 0, done.stderr

    tasks = python(*XFER, "tasks", "--json")
    assert tasks.returncode == 0, tasks.stderr
    assert "belebele" in [row["name"] for row in json.loads(tasks.stdout)]
    plugins = python(*XFER, "plugins")
    assert "belebele  xfer-belebele 0.1.0" in plugins.stdout
    assert "broken" in plugins.stdout
    assert "this plugin is broken on purpose (xfer-broken 0.0.1)" in plugins.stdout

    run = python(
        *XFER, "run", "--strategy", "none", "--strategy", "reading-stilts[steps=mini-squad-v1,mini-hellaswag]",
        "--target", "belebele", "--language", "en,de", "--model", tiny_encoder("xlm-roberta"), "--data-root", data,
        "--limit", "train=8,dev=4,test=8", "--set", "train.epochs=1", "--set", "train.max_length=64",
        "--set", "belebele.max_length=64", "--store", data / "store", "--json", "--quiet",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)["results"]
    assert {(row["strategy"], row["language"]) for row in rows} == {
        (name, code) for name in ("none", "reading-stilts") for code in ("en", "de")
    }
    assert rows[0]["plugin_versions"] == {"belebele": "xfer-belebele 0.1.0"}
    problems = json.loads(run.stdout)["problems"]
    assert [problem["distribution"] for problem in problems if problem["plugin"]] == ["xfer-broken"]

    removed = python("-m", "pip", "uninstall", "-q", "-y", "xfer-belebele", "xfer-broken")
    assert removed.returncode == 0, removed.stderr
    after = python(*XFER, "plugins", "--json")
    assert json.loads(after.stdout) == []
    gone = python(*XFER, "tasks", "show", "belebele")
    assert gone.returncode == 2
    assert "no task named 'belebele'" in gone.stderr
