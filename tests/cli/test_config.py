"""`xfer config`, presets, completion, and how much is said."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from xfer import bootstrap, cli, completion, config_commands, progress
from xfer.core.field_docs import field_docs
from xfer.core.records import ResultRow, TrainSettings
from xfer.core.settings import RunSettings, load_settings, resolve_training
from xfer.testing.pytest_plugin import Outcome

Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("XFER_STORE", "XFER_DATA_ROOT", "XFER_DEVICE"):
        monkeypatch.delenv(name, raising=False)


# ---------------------------------------------------------------- init and validate


def test_the_initial_file_is_valid_and_changes_nothing(run_xfer: Run, tmp_path: Path) -> None:
    done = run_xfer("config", "init", "--output", "xfer.toml")
    assert (done.status, done.out) == (0, "")
    assert tomllib.loads(Path("xfer.toml").read_text()) == {}
    assert load_settings({}, Path("xfer.toml"))[0] == RunSettings()
    assert run_xfer("config", "validate", "xfer.toml").out == "xfer.toml: ok\n"
    again = run_xfer("config", "init", "--output", "xfer.toml")
    assert (again.status, "the file is there already" in again.err) == (2, True)


def test_every_line_of_the_initial_file_may_be_used(run_xfer: Run) -> None:
    text = config_commands.initial_text()
    for field in (*RunSettings.model_fields, *TrainSettings.model_fields):
        assert f"# {field} = " in text or f"# [{field}" in text, field
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        if bare.startswith("[") or (" = " in bare and bare.split(" = ")[0].isidentifier()):
            lines.append(bare)
    used = tomllib.loads("\n".join(line for line in lines if "plugin =" not in line))
    assert len(used) >= 12
    assert used["set"]["train"]["max_steps"] == 1000
    for sentence in ("# How things are computed.", "# How texts are translated by machine: the `translate.*` part"):
        assert sentence in text
    Path("all.toml").write_text("\n".join(line for line in lines if "plugin" not in line))
    done = run_xfer("config", "validate", "all.toml", "--json")
    assert done.status == 2, "the examples name things that do not go together"
    assert "sw" in done.err
    assert "no setting named" not in done.err


def test_all_faults_of_a_file_are_told_at_once(run_xfer: Run) -> None:
    Path("odd.toml").write_text(
        'strategy = ["nonne"]\ntarget = ["mini-xnil"]\npreset = "fats"\n[set.trian]\nlr = 1\n'
    )
    done = run_xfer("config", "validate", "odd.toml")
    assert done.status == 2
    for part in ("did you mean none", "did you mean mini-xnli", "did you mean fast", "did you mean train.learning"):
        assert part in done.err, part


# ---------------------------------------------------------------- show


def shown(run_xfer: Run, *arguments: str) -> dict[str, tuple[Any, str]]:
    done = run_xfer("config", "show", "--json", *arguments)
    assert done.status == 0, done.err
    return {row["setting"]: (row["value"], row["from"]) for row in json.loads(done.out)}


def test_every_value_says_where_it_comes_from(run_xfer: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("my.toml").write_text(
        'seeds = [1, 2]\nstore = "there"\n[set.engine]\nlog_seconds = 5\n[set.train]\nlr = 3e-5\n'
    )
    monkeypatch.setenv("XFER_STORE", "elsewhere")
    rows = shown(
        run_xfer, "--config", "my.toml", "--set", "engine.padding=max", "--set", "target.xnli.epochs=9",
        "--suite", "xtreme", "--task", "xnli", "--task", "mnli",
    )  # fmt: skip
    assert rows["seeds"] == ([1, 2], "my.toml")
    assert rows["store"] == ("elsewhere", "XFER_STORE")
    assert rows["suite"] == ("xtreme", "command line")
    assert rows["keep"] == ("intermediate", "default")
    assert rows["set.engine.log_seconds"] == (5, "my.toml")
    assert rows["set.engine.padding"] == ("max", "command line")
    assert rows["set.target.xnli.epochs"] == (9, "command line, set.target.xnli")
    assert rows["set.target.xnli.learning_rate"] == (3e-5, "my.toml, set.train")
    assert rows["set.target.xnli.patience"] == (30, "preset paper")
    assert rows["set.intermediate.mnli.epochs"] == (3, "preset paper intermediate")
    assert rows["set.intermediate.mnli.weight_decay"] == (0.01, "default")
    monkeypatch.delenv("XFER_STORE")
    text = run_xfer("config", "show").out
    assert "keep " in text
    assert all(line.endswith("default") for line in text.splitlines())


def test_shown_training_settings_are_those_of_a_run(run_xfer: Run) -> None:
    rows = shown(run_xfer, "--suite", "xtreme", "--preset", "small", "--task", "tydiqa")
    suite = bootstrap.load().suites.get("xtreme")
    expected = resolve_training(suite, "small", {}, "target", ["tydiqa"], {})
    found = {name: rows[f"set.target.tydiqa.{name}"][0] for name in TrainSettings.model_fields}
    assert TrainSettings.model_validate(found) == expected


def test_a_setting_that_nothing_reads_is_not_shown(run_xfer: Run) -> None:
    outcome = run_xfer("config", "show", "--set", "train.learnin_rate=1")
    assert (outcome.status, outcome.out) == (2, "")
    assert "no setting named 'train.learnin_rate'" in outcome.err
    assert run_xfer("config", "show", "--set", "data.revision.nyu-mll/glue=abc").status == 0


def test_presets_are_there_and_one_that_is_not_is_refused(run_xfer: Run) -> None:
    toolkit = bootstrap.load()
    assert set(toolkit.suites.get("xtreme").presets) == {"paper", "small", "fast", "debug"}
    assert set(toolkit.suites.get("mini").presets) == {"mini", "fast", "debug"}
    for suite in toolkit.suites:
        for preset in suite.presets:
            assert resolve_training(suite, preset, {}, "target", suite.targets[:1], {}).batch_size >= 1
    done = run_xfer("config", "show", "--preset", "papre", "--suite", "xtreme")
    assert (done.status, "did you mean paper" in done.err) == (2, True)


# ---------------------------------------------------------------- schema


def test_the_schema_knows_every_field_and_what_is_written_beneath_it(run_xfer: Run) -> None:
    done = run_xfer("config", "schema")
    schema = json.loads(done.out)
    assert set(schema["properties"]) == set(RunSettings.model_fields)
    assert schema["additionalProperties"] is False
    assert "english-stilts" in schema["properties"]["strategy"]["examples"]
    assert {"type": "array", "items": {"type": "string"}} in schema["properties"]["target"]["anyOf"]
    assert all(described["description"] for described in schema["properties"].values())
    tables = schema["properties"]["set"]["properties"]
    assert {"train", "target", "intermediate", "engine", "translate", "span", "retrieval"} <= set(tables)
    assert tables["train"]["properties"]["batch_size"]["description"].startswith("Examples in an optimizer step")


def test_field_docs_are_read_with_those_of_parents() -> None:
    class Child(ResultRow):
        more: int = 0
        """Added."""

    docs = field_docs(Child)
    assert docs["more"] == "Added."
    assert docs["training"].startswith("Hash of everything but the seed")
    assert docs["run"] == ""
    assert list(docs) == list(Child.model_fields)


# ---------------------------------------------------------------- completion


def test_names_are_completed_also_in_lists() -> None:
    assert [name for name, _ in completion.tasks("mini-x")] == ["mini-xnli", "mini-xquad"]
    assert [name for name, _ in completion.tasks("xnli,xq")] == ["xnli,xquad"]
    assert [name for name, _ in completion.strategies("english")] == ["english-stilts"]
    assert ("xlm-r-base", "XLM-R, 12 layers, 100 languages") in completion.models("")
    assert [name for name, _ in completion.suites("x")] == ["xtreme"]
    assert completion.languages("de,s") == [("de,es", "")] or ("de,sw", "Swahili") in completion.languages("de,s")
    assert ("fast", "mini, xtreme") in completion.presets("")


COMPLETE = """
import sys
from xfer import cli
status = cli.run_command([])
heavy = {"torch", "transformers", "numpy"}
print(sorted({name.partition(".")[0] for name in sys.modules} & heavy), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("xfer run --target mini-xn", "mini-xnli"),
        ("xfer run --strategy engl", "english-stilts"),
        ("xfer run --language s", "sw"),
        ("xfer tasks show mini-xn", "mini-xnli"),
    ],
)
def test_a_shell_completes_names_without_torch(line: str, wanted: str) -> None:
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XFER_NO_PLUGINS": "1", "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")), "_XFER_COMPLETE": "complete_bash",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", COMPLETE], env=environment, capture_output=True, text=True, check=False
    )
    assert wanted in done.stdout.split()
    assert done.stderr.strip() == "[]"


# ---------------------------------------------------------------- everywhere


def commands(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found = {} if hasattr(command, "commands") else {path: command}
    for name, one in getattr(command, "commands", {}).items():
        found |= commands(one, (*path, name))
    return found


def test_every_command_prints_json() -> None:
    found = commands(typer.main.get_command(cli.app))
    assert len(found) >= 28
    lacking = {
        path for path, command in found.items() if "--json" not in [o for p in command.params for o in p.opts]
    }
    # The first prints a TOML file, the second is JSON as it is, the third prints nothing, the fourth
    # what --to says.
    assert lacking == {("config", "init"), ("config", "schema"), ("grid", "job"), ("grid", "export")}


def test_quiet_and_verbose_go_before_any_command(run_xfer: Run, tmp_path: Path) -> None:
    assert run_xfer("plugins", "new", "task", "one", "--output", tmp_path).err.startswith("next: ")
    assert run_xfer("-q", "plugins", "new", "task", "two", "--output", tmp_path).err == ""
    loud = run_xfer("-v", "tasks", "show", "xnil")
    assert "Traceback" in loud.err
    assert loud.err.splitlines()[-3] == "error: no task named 'xnil'"
    assert "Traceback" not in run_xfer("tasks", "show", "xnil").err, "the last command's choice is forgotten"
    assert "error: " in run_xfer("-q", "tasks", "show", "xnil").err


def test_verbosity_chooses_the_reporter(monkeypatch: pytest.MonkeyPatch) -> None:
    from xfer import verbosity
    from xfer.core.run import Reporter

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for quiet, verbose, kind in (
        (True, False, Reporter), (False, True, progress.LineReporter), (False, False, progress.BarReporter),
    ):  # fmt: skip
        verbosity.choose(quiet, verbose)
        assert type(progress.reporter()) is kind
    assert type(progress.reporter(quiet=True)) is Reporter


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert progress.BarReporter()._progress.console.no_color
    monkeypatch.delenv("NO_COLOR")
    assert not progress.BarReporter()._progress.console.no_color
