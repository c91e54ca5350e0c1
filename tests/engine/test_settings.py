"""What a run is asked to do: layers, names, and files that somebody wrote in a hurry or in malice."""

from pathlib import Path
from typing import Any

import pytest

from xfer import bootstrap
from xfer.core.errors import Problems, UnknownName, UserError
from xfer.core.formats import BUILTIN_FORMATS
from xfer.core.records import Suite, TrainSettings
from xfer.core.settings import (
    MAX_CONFIG_BYTES,
    check_overrides,
    load_settings,
    parse_assignments,
    parse_value,
    resolve_options,
    resolve_training,
)


def config(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "run.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XFER_STORE", "XFER_DATA_ROOT", "XFER_DEVICE"):
        monkeypatch.delenv(name, raising=False)


# ---------------------------------------------------------------- layers


def test_flags_win_over_environment_over_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path, 'suite = "xtreme"\nstore = "a"\ndevice = "cpu"\nseeds = [1, 2]\nname = "n"\n')
    monkeypatch.setenv("XFER_STORE", "b")
    monkeypatch.setenv("XFER_DEVICE", "mps")
    monkeypatch.setenv("XFER_DATA_ROOT", "")
    settings, origin = load_settings({"device": "cuda", "seeds": (3,)}, path)
    assert (settings.suite, settings.store, settings.device, settings.seeds) == ("xtreme", Path("b"), "cuda", (3,))
    assert (settings.keep, settings.data_root) == ("intermediate", None)
    assert origin["suite"] == origin["name"] == str(path)
    assert (origin["store"], origin["device"], origin["seeds"]) == ("XFER_STORE", "command line", "command line")
    assert (origin["keep"], origin["data_root"]) == ("default", "default")


def test_tables_are_merged_entry_by_entry(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        "[set]\ntrain.epochs = 2\n[set.target.mini-xnli]\nlr = 1e-4\nbatch_size = 4\n"
        "[limit]\ntrain = 9\ntest = 5\n",
    )
    flags = {"set": {"target.mini-xnli.learning_rate": 2e-4, "train.warmup": 0}, "limit": {"train": 3}}
    settings, _ = load_settings(flags, path)
    assert settings.set == {
        "train.epochs": 2,
        "target.mini-xnli.learning_rate": 2e-4,
        "target.mini-xnli.batch_size": 4,
        "train.warmup": 0,
    }
    assert (settings.limit.train, settings.limit.dev, settings.limit.test) == (3, None, 5)


def test_one_value_counts_as_several(tmp_path: Path) -> None:
    path = config(tmp_path, 'strategy = "none"\ntarget = "xnli"\nlanguage = "de"\nseeds = 4\nplugin = "p.py"\n')
    settings, _ = load_settings({"intermediate": "mnli"}, path)
    assert (settings.strategy, settings.target, settings.language) == (("none",), ("xnli",), ("de",))
    assert (settings.seeds, settings.plugin, settings.intermediate) == ((4,), (Path("p.py"),), ("mnli",))


def test_limits_belong_to_splits() -> None:
    limit = load_settings({"limit": {"train": 1, "dev": 2, "test": 3}})[0].limit
    assert [limit.of(split) for split in ("train", "dev", "test", "validation")] == [1, 2, 3, 3]


# ---------------------------------------------------------------- mistakes


def test_all_unknown_keys_are_told_in_one_go_with_near_names(tmp_path: Path) -> None:
    path = config(tmp_path, 'stratgy = "none"\ntargets = ["xnli"]\nzzz = 1\n')
    with pytest.raises(Problems) as caught:
        load_settings({"langage": ("de",)}, path)
    text = str(caught.value)
    assert text.count("no setting named") == 4
    assert "did you mean strategy" in text
    assert "did you mean target" in text
    assert "did you mean language" in text
    assert text.count(f"where: {path}") == 3
    assert "where: command line" in text
    assert caught.value.status == 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"seeds": ("x",)}, "seeds.0: Input should be a valid integer"),
        ({"seeds": ()}, "seeds: Tuple should have at least 1 item"),
        ({"strategy": ()}, "strategy: Tuple should have at least 1 item"),
        ({"keep": "some"}, "keep: Input should be 'intermediate', 'all' or 'none' (got 'some')"),
        ({"limit": {"train": 0}}, "limit.train: Input should be greater than or equal to 1"),
        ({"limit": {"trian": 3}}, "no setting named 'trian'"),
        ({"limit": 3}, "limit: Input should be a valid dictionary"),
        ({"set": 3}, "set: Input should be a valid dictionary"),
        ({"set": {"engine.padding": "maximum"}}, "padding: Input should be 'none' or 'max'"),
        ({"set": {"engine.paddin": "max"}}, "no setting named 'paddin'"),
        ({"set": {"engine.log_seconds": 0}}, "log_seconds: Input should be greater than 0"),
    ],
)
def test_wrong_values_name_the_setting(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as caught:
        load_settings(values)
    assert expected in str(caught.value)
    assert "where:" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"suite = \xff\xfe", "configuration file is not UTF-8"),
        ("suite = ", "configuration file is not TOML"),
        ("suite", "configuration file is not TOML"),
        ("a = 1\na = 2", "configuration file is not TOML"),
        ("x = " + "[" * 20_000, "nested too deeply"),
        (".".join(["a"] * 500) + " = 1", "nested too deeply"),
        ("x = " + "{a = " * 5_000 + "1" + "}" * 5_000, "configuration file is not TOML"),
        (b"#" * (MAX_CONFIG_BYTES + 1), "configuration file is too large"),
        ("seeds = [" + "1," * 200 + "'x']", "seeds.200: Input should be a valid integer"),
        ("seeds = " + "9" * 5000, "configuration file is not TOML"),
    ],
    ids=["not utf-8", "torn", "no value", "twice", "arrays", "dots", "tables", "large", "long list", "huge number"],
)
def test_hostile_files_are_refused(tmp_path: Path, text: str | bytes, expected: str) -> None:
    path = config(tmp_path, text)
    with pytest.raises(UserError, match=expected) as caught:
        load_settings({}, path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_files_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such configuration file"):
        load_settings({}, tmp_path / "absent.toml")
    with pytest.raises(UserError, match="configuration file cannot be read: Is a directory"):
        load_settings({}, tmp_path)


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    assert load_settings({}, config(tmp_path, b'\xef\xbb\xbfsuite = "x"\n'))[0].suite == "x"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("2e-5", 2e-5), ("true", True), ("null", None), ('"1"', "1"), ("[1, 2]", [1, 2]),
        ("last", "last"), ("query: ", "query: "), ("", ""), ("[" * 100_000, "[" * 100_000),
    ],
)  # fmt: skip
def test_values_are_json_or_text(text: str, value: Any) -> None:
    assert parse_value(text) == value


def test_assignments() -> None:
    assert parse_assignments(["a.b=1", "c = x=y"], "--set") == {"a.b": 1, "c": " x=y"}
    for text in ("a", "=1", " =1"):
        with pytest.raises(UserError, match=r"--set .* is not NAME=VALUE"):
            parse_assignments([text], "--set")


# ---------------------------------------------------------------- hyperparameters

SUITE = Suite(
    name="s",
    summary="",
    targets=("xnli",),
    intermediates=("mnli",),
    default_intermediate="mnli",
    default_model="m",
    presets={
        "p": {
            "": {"batch_size": 1, "epochs": 1, "max_length": 11, "learning_rate": 0.1},
            "target": {"batch_size": 2, "epochs": 2, "max_length": 12},
            "target.mnli": {"batch_size": 3, "epochs": 3},
            "target.xnli": {"batch_size": 4},
        }
    },
    default_preset="p",
)


def resolved(overrides: dict[str, Any], tasks: tuple[str, ...] = ("mnli", "xnli"), **fixed: Any) -> TrainSettings:
    return resolve_training(SUITE, "p", overrides, "target", tasks, fixed)


def test_special_wins_over_general_and_the_user_over_all() -> None:
    start = resolved({})
    assert (start.learning_rate, start.max_length, start.epochs, start.batch_size) == (0.1, 12, 3, 4)
    assert resolved({}, ()).batch_size == 2
    assert resolved({}, epochs=9).epochs == 9
    assert resolved({"train.epochs": 5}, epochs=9).epochs == 5
    assert resolved({"target.epochs": 6, "train.epochs": 5}).epochs == 6
    assert resolved({"target.mnli.epochs": 7, "target.epochs": 6}).epochs == 7
    assert resolved({"target.xnli.epochs": 8, "target.mnli.epochs": 7}).epochs == 8
    assert resolved({"target.xnli.lr": 0.5}).learning_rate == 0.5
    assert resolved({"target.xnli": {"lr": 0.5}}).learning_rate == 0.5
    assert resolved({"intermediate.mnli.epochs": 7, "target.anli.epochs": 7}) == start


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("train.lr", "fast", "learning_rate: Input should be a valid number"),
        ("train.lr", -1, "learning_rate: Input should be greater than 0"),
        ("train.lr", float("inf"), "learning_rate: Input should be a finite number"),
        ("train.lr", float("nan"), "learning_rate: Input should be"),
        ("train.batch_size", 2.5, "batch_size: Input should be a valid integer"),
        ("train.keep", "first", "keep: Input should be 'last' or 'best'"),
    ],
)
def test_wrong_hyperparameters(path: str, value: Any, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        resolved({path: value})


def test_options_go_from_format_to_suite_to_model_to_task_to_user() -> None:
    formats = {record.name: record for record in BUILTIN_FORMATS}
    tasks = bootstrap.load().tasks
    task = tasks.get("tatoeba")
    suite = SUITE.model_copy(update={"options": {"retrieval": {"max_length": 40, "layer": 1, "pooling": "cls"}}})

    def options(overrides: dict[str, Any]) -> Any:
        return resolve_options(formats["retrieval"], task, suite, {"retrieval": {"layer": 2}}, overrides)

    assert (options({}).neighbours, options({}).max_length, options({}).layer) == (4, 40, 2)
    assert options({"retrieval.layer": 3}).layer == 3
    assert options({"retrieval.layer": 3, "tatoeba.layer": 4}).layer == 4
    with pytest.raises(UnknownName, match="no setting named 'leyer'"):
        options({"retrieval.leyer": 3})


def test_paths_that_nothing_reads_are_refused_together() -> None:
    formats = {record.name: record for record in BUILTIN_FORMATS}
    good = {
        "train.lr": 1, "target.epochs": 1, "intermediate.mnli.max_steps": 1, "engine.padding": "max",
        "retrieval.layer": 1, "xnli.max_length": 8, "target.xnli": {"batch_size": 2},
    }  # fmt: skip
    check_overrides(good, ["xnli", "mnli"], formats)
    with pytest.raises(Problems) as caught:
        check_overrides({**good, "target.xnil.lr": 1, "trian.lr": 1, "lr": 1}, ["xnli", "mnli"], formats)
    text = str(caught.value)
    assert text.count("no setting named") == 3
    assert "target.xnli.learning_rate" in text
    assert "train.learning_rate" in text


# ---------------------------------------------------------------- the paper's settings

LONG = {"batch_size": 16, "max_length": 384}
PAPER_EPOCHS = {
    ("target", "mnli", "xnli"): {"epochs": 2},
    ("target", "pawsx"): {"epochs": 5},
    ("target", "udpos"): {"epochs": 10},
    ("target", "panx"): {"epochs": 10},
    ("target", "squad-v1", "xquad"): {"epochs": 2, **LONG},
    ("target", "squad-v1", "mlqa"): {"epochs": 2, **LONG},
    ("target", "tydiqa"): {"epochs": 2, **LONG},
    **{
        ("intermediate", task): {"epochs": 3}
        for task in ("anli-plus", "mnli", "snli", "qqp", "hellaswag", "ccg", "cosmosqa", "commonsenseqa")
    },
    **{("intermediate", task): {"epochs": 3, **LONG} for task in ("squad-v1", "squad-v2")},
}
"""The authors' toolkit (github.com/nyu-mll/jiant, guides/benchmarks/xtreme.md): what differs by task."""


@pytest.mark.parametrize("keys", PAPER_EPOCHS, ids=" ".join)
def test_the_papers_settings(keys: tuple[str, ...]) -> None:
    suite = bootstrap.load().suites.get("xtreme")
    assert suite.default_preset == "paper"
    settings = resolve_training(suite, "paper", {}, keys[0], keys[1:], {})
    expected = {
        "learning_rate": 1e-5,
        "batch_size": 32,
        "max_length": 256,
        "warmup": 0.1,
        "decay": "linear",
        "weight_decay": 0.01,
        "adam_epsilon": 1e-8,
        "clip_norm": 1.0,
        "keep": "best",
        "eval_every": 1000,
        "dev_limit": 500,
        "patience": 30,
        "frozen_layers": -1,
        "max_steps": None,
        **PAPER_EPOCHS[keys],
    }
    assert {name: getattr(settings, name) for name in expected} == expected


def test_the_papers_retrieval() -> None:
    toolkit = bootstrap.load()
    suite, model = toolkit.suites.get("xtreme"), toolkit.models.get("xlm-r-large")
    formats = dict(toolkit.formats.items())
    for name in ("bucc", "tatoeba"):
        options: Any = resolve_options(formats["retrieval"], toolkit.tasks.get(name), suite, model.options, {})
        assert (options.layer, options.pooling, options.max_length, options.neighbours) == (14, "mean", 512, 4)
        assert options.special_tokens
        assert options.direction == "english-to-other"
