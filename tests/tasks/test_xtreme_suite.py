"""Suite `xtreme`: names, presets and options fit together."""

import pytest

from xfer.bootstrap import load
from xfer.core.records import Suite, TrainSettings
from xfer.core.settings import resolve_training


def suite() -> Suite:
    return load().suites.get("xtreme")


def test_there_are_nine_targets_and_nine_intermediate_tasks() -> None:
    tasks = load().tasks
    assert len(suite().targets) == len(suite().intermediates) == 9
    for name in (*suite().targets, *suite().intermediates, suite().default_intermediate, suite().text_task):
        assert tasks.get(name)
    assert suite().default_intermediate in suite().intermediates
    assert all("en" in tasks.get(name).train_languages for name in suite().intermediates)


@pytest.mark.parametrize("preset", ["paper", "small"])
def test_presets_speak_of_known_tasks_and_valid_settings(preset: str) -> None:
    tasks = load().tasks
    table = suite().presets[preset]
    for path, values in table.items():
        role, _, name = path.partition(".")
        assert role in ("", "target", "intermediate")
        assert not name or tasks.get(name)
        TrainSettings.model_validate(dict(values))
    assert len(table) >= 10


def settings(preset: str, role: str, task: str) -> TrainSettings:
    return resolve_training(suite(), preset, {}, role, (task,) if task else (), {})


# task: epochs, batch, tokens; the authors' toolkit (jiant 2, guide to XTREME)
PAPER = {
    "mnli": (2, 32, 256),
    "pawsx": (5, 32, 256),
    "udpos": (10, 32, 256),
    "panx": (10, 32, 256),
    "squad-v1": (2, 16, 384),
    "tydiqa": (2, 16, 384),
}


@pytest.mark.parametrize("task", PAPER)
def test_target_settings_of_the_paper(task: str) -> None:
    found = settings("paper", "target", task)
    assert (found.epochs, found.batch_size, found.max_length) == PAPER[task]
    assert (found.learning_rate, found.warmup, found.decay, found.weight_decay) == (1e-5, 0.1, "linear", 0.01)
    assert (found.clip_norm, found.adam_epsilon) == (1.0, 1e-8)
    assert (found.keep, found.eval_every, found.dev_limit, found.patience) == ("best", 1000, 500, 30)


def test_intermediate_settings_of_the_paper() -> None:
    assert settings("paper", "intermediate", "hellaswag").epochs == 3
    assert settings("paper", "intermediate", "squad-v2").max_length == 384
    assert settings("paper", "intermediate", "").learning_rate == 1e-5


# task: learning rate, epochs, tokens
SMALL = {"mnli": (5e-5, 2, 128), "udpos": (1e-4, 5, 128), "squad-v1": (1e-4, 4, 384), "panx": (1e-4, 5, 128)}


@pytest.mark.parametrize("task", SMALL)
def test_settings_for_small_encoders(task: str) -> None:
    for role in ("target", "intermediate"):
        found = settings("small", role, task)
        assert (found.learning_rate, found.epochs, found.max_length) == SMALL[task]
        assert (found.batch_size, found.keep) == (32, "last")


def test_options_fit_their_formats() -> None:
    formats = load().formats
    for name, values in suite().options.items():
        formats.get(name).options.model_validate(dict(values))
    assert set(suite().options) == set(formats.names()) - {"masked-lm"}


def test_encoders_and_the_layers_that_retrieval_pools() -> None:
    models = load().models
    layers = {name: models.get(name).options["retrieval"] for name in ("xlm-r-large", "xlm-r-base", "mbert")}
    assert {name: options["layer"] for name, options in layers.items()} == {
        "xlm-r-large": 14,
        "xlm-r-base": 7,
        "mbert": 8,
    }
    assert all(options["pooling"] == "mean" for options in layers.values())
    assert suite().default_model in layers
