"""The documentation: it builds without a warning, its generated pages are whole, and its commands are commands."""

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from xfer import bootstrap, cli
from xfer.core import hookspecs
from xfer.core.plans.start_points import chosen_targets, start_points
from xfer.core.settings import load_settings
from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples" / "plugins"
OTHERS = ("git", "pip", "pytest", "hf", "export", "cd")
"""First words of lines in sh blocks that are not xfer's."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[tuple[str, str]]:
    """Page and text of every fenced block in a language."""
    found = [
        (path.name, text)
        for path in sorted(DOCS.glob("*.md"))
        for kind, text in FENCE.findall(path.read_text(encoding="utf-8"))
        if kind == language
    ]
    assert len(found) >= 3
    return found


def commands() -> list[tuple[str, list[str]]]:
    """Page and words of every `xfer …` line in sh blocks; lines that end in a backslash go on."""
    found = []
    for page, text in blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for word in (words[:1], words[words.index("&&") + 1 :][:1] if "&&" in words else []):
                assert not word or word[0] in ("xfer", *OTHERS), (page, line)
            if words[:1] == ["xfer"]:
                found.append((page, words[1:]))
    return found


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(generate: ModuleType) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        patch.setenv("XFER_NO_PLUGINS", "1")
        return dict(generate.pages())


# ---------------------------------------------------------------- the site


def test_the_site_builds_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("material")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("XFER_NO_PLUGINS", "1")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.html")}
    assert {"index.html", "reference/cli.html", "reference/hooks.html", "concepts.html"} <= made
    assert len(made) >= len(list(DOCS.glob("*.md"))) + 6
    for name in made:
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert not re.search(r"""(\ssrc=|rel="stylesheet" href=)["']https?:""", page), f"{name} fetches from afar"
    assert "<svg" in (tmp_path / "concepts.html").read_text(encoding="utf-8")
    for page, name in shown_examples():
        code = re.findall(r"^ *def (\w+)", (EXAMPLES / f"{name}.py").read_text(encoding="utf-8"), re.MULTILINE)
        assert code[-1] in (tmp_path / f"{page}.html").read_text(encoding="utf-8"), (page, name)


def shown_examples() -> list[tuple[str, str]]:
    """Page and example of every line that puts an example's code into a page."""
    return [
        (path.stem, name)
        for path in sorted(DOCS.glob("*.md"))
        for name in re.findall(
            r'^--8<-- "examples/plugins/(\w+)\.py"$', path.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]


def test_every_example_plugin_is_shown_on_a_page() -> None:
    assert sorted(name for _, name in shown_examples()) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


def test_pages_that_are_not_listed_find_their_place(generate: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name, title in (("security.md", "# Safe"), ("odd.md", "# An odd page"), ("index.md", "# Home")):
        (tmp_path / "docs" / name).write_text(title + "\n")
    generate.ROOT, before = tmp_path, generate.ROOT
    try:
        config = type("Config", (), {"nav": [{"xfer": "index.md"}, {"Method": [{"Protocol": "protocol.md"}]}]})
        nav = generate.on_config(config).nav
    finally:
        generate.ROOT = before
    assert nav[1] == {"Method": [{"Protocol": "protocol.md"}, {"Security": "security.md"}]}
    assert nav[2] == {"More": [{"An odd page": "odd.md"}]}


def test_links_to_files_beside_the_site_become_their_names(generate: ModuleType) -> None:
    def shown(text: str) -> str:
        return str(generate.on_page_markdown(text, None, None, None))

    assert shown("see [how](../CONTRIBUTING.md#changelog)") == "see how (`CONTRIBUTING.md`)"
    assert shown("a [report](examples/compare.md)") == "a report (`docs/examples/compare.md`)"
    for text in ("[a](concepts.md)", "[a](../NOT-THERE.md)", "[a](https://arxiv.org/abs/2005.13013)", "[a](#b)"):
        assert shown(text) == text


# ---------------------------------------------------------------- generated pages


def test_every_hook_stands_with_its_signature_order_and_example(pages: dict[str, str]) -> None:
    text = pages["hooks.md"]
    hooks = [name for name in dir(hookspecs) if name.startswith("xfer_")]
    assert len(hooks) >= 15
    sections = dict(re.findall(r"^## `(xfer_\w+)`\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    assert set(sections) == set(hooks)
    for name, section in sections.items():
        specification = getattr(hookspecs, name)
        arguments = specification.__code__.co_varnames[: specification.__code__.co_argcount]
        (signature,) = re.findall(rf"^def {name}\((.*?)\) -> .*: \.\.\.$", section, re.MULTILINE)
        assert re.findall(r"(\w+): ", signature) == list(arguments), name
        assert re.search(r"\b(Collect|First result|Observe|Configure)\b", section), name
        assert "Called by `xfer/" in section, name
        assert "From `examples/plugins/" in section, name
        assert f"def {name}(" in section.split("From `examples")[1]
    assert (ROOT / "tests/plugins/golden/order.txt").read_text(encoding="utf-8").rstrip() in text


def test_every_task_stands_with_citation_licence_metric_and_traps(pages: dict[str, str]) -> None:
    text = pages["tasks.md"]
    toolkit = bootstrap.load()
    for name, task in toolkit.tasks.items():
        if toolkit.tasks.owner(task) != "xfer":
            continue
        section = text.split(f"## `{name}` ")[1].split("\n## ")[0]
        for part in (task.citation, task.licence, f"`{task.main_score}`", *task.traps):
            assert " ".join(part.split()).replace("|", "\\|") in section.replace("\\|", "|") or part in section, (
                name,
                part,
            )
    assert text.count("\n## `") >= 36


def test_the_commands_reference_is_what_the_commands_say(pages: dict[str, str], run_xfer: Run) -> None:
    def walk(command: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        return [path] + [p for n, one in getattr(command, "commands", {}).items() for p in walk(one, (*path, n))]

    found = walk(typer.main.get_command(cli.app), ())
    assert len(found) >= 38
    for path in found:
        assert f"## `{' '.join(('xfer', *path))}`\n" in pages["cli.md"], path
    assert "--yes-upload" in pages["cli.md"]
    assert "| 75 | STOPPED |" in pages["cli.md"]


def test_settings_results_and_python_are_whole(pages: dict[str, str]) -> None:
    import xfer.api
    from xfer.core.records import ResultRow, TrainSettings

    for name in TrainSettings.model_fields:
        assert f"| `{name}` |" in pages["settings.md"], name
    assert "### `paper` of suite `xtreme` (default)" in pages["settings.md"]
    for name in ResultRow.model_fields:
        assert f"| `{name}` |" in pages["results.md"], name
    lines = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", pages["api.md"], re.MULTILINE))
    for name in xfer.api.__all__:
        assert lines[name].strip(), name


# ---------------------------------------------------------------- examples


def test_every_command_in_the_pages_exists_with_its_options_and_names() -> None:
    found = commands()
    assert len(found) >= 45
    root: Any = typer.main.get_command(cli.app)
    for page, words in found:
        context = root.make_context("xfer", list(words))
        command, rest = root, list(words)
        while hasattr(command, "commands") and rest and rest[0] in command.commands:
            command, rest = command.commands[rest[0]], rest[1:]
        if command.params and not hasattr(command, "commands"):
            parsed = command.make_context(words[0], rest, parent=context)
            if words[0] == "run":
                check_names(page, parsed.params)


def check_names(page: str, params: dict[str, Any]) -> None:
    """Names of strategies, targets, languages, suites and presets of a `run` command."""

    def split(values: Any) -> tuple[str, ...]:
        return tuple(part for value in values or () for part in value.split(","))

    flags = {
        "strategy": tuple(params["strategy"] or ()) or None, "suite": params["suite"], "preset": params["preset"],
        "target": split(params["target"]) or None, "language": split(params["language"]) or None,
    }  # fmt: skip
    plugins = tuple(ROOT / path for path in params["plugin"] or ())
    settings, _ = load_settings({name: value for name, value in flags.items() if value})
    toolkit = bootstrap.load(None, plugins)
    suite = toolkit.suites.get(settings.suite)
    assert start_points(settings, toolkit, suite), page
    assert chosen_targets(settings, toolkit, suite), page
    assert (settings.preset or suite.default_preset) in suite.presets, page
    for name in split(params["intermediate"]):
        assert name == "all" or name in toolkit.tasks, (page, name)


def test_python_and_toml_blocks_are_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for page, text in blocks("python"):
        for name in re.findall(r'--8<-- "(.+?)"', text):
            assert (ROOT / name).is_file(), (page, name)
        if not text.startswith(("--8<--", "source=")):
            compile(text, page, "exec")
    for path in DOCS.glob("*.md"):
        for kind, text in FENCE.findall(path.read_text(encoding="utf-8")):
            if kind == "toml":
                tomllib.loads(text)


QUICK = ("--set", "train.max_steps=1", "--limit", "train=16,dev=8,test=6")
PLAYED = (
    "first-steps.md",
    "write-a-task.md",
    "write-a-strategy.md",
    "write-a-phase.md",
    "share.md",
    "performance.md",
)


@pytest.mark.slow
@pytest.mark.parametrize("page", PLAYED)
def test_a_page_is_played_from_top_to_bottom(
    run_xfer: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """Each command in its order, in one folder; training is cut to one step."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    lines = [words for name, words in commands() if name == page]
    assert lines
    for words in lines:
        if words[0] == "push":
            monkeypatch.setenv("HF_HUB_OFFLINE", "1")
            assert run_xfer(*words).status == 2
            continue
        extra = QUICK if words[0] == "run" and "--limit" not in words else ()
        done = run_xfer(*words, *extra)
        assert done.status == 0, (words, done.err)
    for name, text in blocks("python"):
        if name == page and text.startswith("import xfer"):
            exec(compile(text, name, "exec"), {})
    if page == "first-steps.md":
        assert (tmp_path / "report.html").stat().st_size > 10_000
