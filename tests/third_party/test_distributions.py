"""What is shipped: contents, metadata and size of wheel and sdist; and the files around the code."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

from xfer import __version__

ROOT = Path(__file__).parents[2]
WHEEL_BYTES, SDIST_BYTES = 5_000_000, 8_000_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (path,) = built.glob("*.whl")
    assert path.name == f"xfer_stilts-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        metadata = message_from_bytes(archive.read(next(name for name in names if name.endswith("/METADATA"))))
        points = archive.read(next(name for name in names if name.endswith("/entry_points.txt"))).decode()
    assert {name.split("/")[0] for name in names} == {"xfer", f"xfer_stilts-{__version__}.dist-info"}
    tracked = subprocess.run(["git", "ls-files", "xfer"], cwd=ROOT, capture_output=True, text=True, check=True)
    shipped = {name for name in names if name.startswith("xfer/")}
    assert set(tracked.stdout.split()) <= shipped
    assert len(shipped) >= 200
    assert {
        "xfer/py.typed",
        "xfer/templates/task/module.py.txt",
        "xfer/plugins/mini/assets/model.safetensors",
    } <= shipped
    assert not [name for name in names if re.search(r"__pycache__|\.pyc$|(^|/)tests?/|\.tmp", name)]
    assert path.stat().st_size <= WHEEL_BYTES
    assert (metadata["Name"], metadata["Version"]) == ("xfer-stilts", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# xfer")
    assert {"test", "dev", "docs"} <= set(metadata.get_all("Provides-Extra"))
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert "xfer = xfer.cli:main" in points
    assert "[pytest11]\nxfer = xfer.testing.pytest_plugin" in points


@pytest.mark.slow
def test_the_sdist_builds_tests_and_documents_itself(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "mkdocs.yml",
        "constraints.txt", "noxfile.py", "xfer/py.typed", "tests/conftest.py", "docs/index.md", "docs/generate.py",
        "examples/plugins/mood.py", "examples/xfer-belebele/pyproject.toml",
    }  # fmt: skip
    assert wanted <= names
    assert not [name for name in names if re.search(r"__pycache__|\.pyc$|^runs/|^build/|\.hypothesis", name)]
    assert path.stat().st_size <= SDIST_BYTES


# ---------------------------------------------------------------- the files around


def test_the_changelog_tells_of_this_version_first() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    title, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    assert title == "# Changelog\n\n"
    heads = [section.partition("\n")[0] for section in sections]
    assert re.fullmatch(rf"{re.escape(__version__)} \((unreleased|\d{{4}}-\d\d-\d\d)\)", heads[0])
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", head) for head in heads[1:])
    lines = [line for section in sections for line in section.splitlines()[1:] if line]
    assert len(lines) >= 5
    assert all(line.startswith(("- ", "  ")) and len(line) <= 116 for line in lines)
    entries = re.findall(r"^- (.*(?:\n  .*)*)", text, flags=re.MULTILINE)
    assert len(set(entries)) == len(entries)
    assert all(" ".join(entry.split()).endswith((".", ")")) for entry in entries), "an entry is a sentence"


def test_the_citation_names_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["cff-version"], citation["version"], citation["license"]) == (
        "1.2.0",
        __version__,
        "Apache-2.0",
    )
    assert citation["references"][0]["url"] == "https://arxiv.org/abs/2005.13013"
    assert len(citation["references"][0]["authors"]) == 8


def test_forms_and_hooks_are_read_as_yaml() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert [path.stem for path in forms] == ["bug", "config", "number", "plugin"]
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert path.stem == "config" or {"name", "description", "body"} <= set(form)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [hook["id"] for hook in hooks["repos"][0]["hooks"]] == ["ruff", "ruff-format", "mypy", "contracts"]


def test_what_is_installed_is_pinned() -> None:
    """Extras of this repository's own checks are in constraints.txt by name; everything there has one version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    names = {re.split(r"==", line)[0].lower().replace("_", "-") for line in pins}
    assert len(names) == len(pins)
    wanted = [
        *project["dependencies"],
        *(one for extra in ("test", "dev", "docs") for one in project["optional-dependencies"][extra]),
    ]
    for requirement in wanted:
        name = re.split(r"[><=\[]", requirement)[0].lower()
        assert name in names | {"xfer-stilts"}, requirement
