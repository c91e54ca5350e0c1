"""Result rows for the tests: a grid of labels, seeds, targets and languages with scores made from a formula."""

import re

from xfer.core.records import ResultRow

TARGETS = {
    "mini-xnli": ("accuracy", ("en", "de", "zh"), 33.3, 40.0),
    "mini-udpos": ("f1", ("en", "de"), 20.0, 35.0),
    "mini-tatoeba": ("accuracy", ("de", "zh"), 1.0, 12.0),
}
LABELS = {
    "none": ("none", "", 0.0),
    "english-stilts": ("english-stilts", "mini-mnli", 6.0),
    "english-stilts[intermediate=mini-squad-v1]": ("english-stilts", "mini-squad-v1", -1.5),
}
TRAINING = {"mini-xnli": "mini-mnli"}


def phase_of(label, task, seed):
    """An id that a phase may have."""
    return "-".join(re.findall("[a-z0-9]+", f"{label} {task} {seed}".lower()))[:64].strip("-")


def row(label="none", task="mini-xnli", language="en", seed=0, value=50.0, **changes):
    strategy, intermediate, _ = LABELS.get(label, (label, "", 0.0))
    metric, _, chance, heuristic = TARGETS.get(task, ("accuracy", ("en",), 25.0, 30.0))
    fields = {
        "run": "first",
        "label": label,
        "strategy": strategy,
        "params": {"intermediate": intermediate} if intermediate else {},
        "intermediate": intermediate,
        "suite": "mini",
        "model": "mini",
        "model_fingerprint": "0123abcd",
        "seed": seed,
        "task": task,
        "task_version": 1,
        "language": language,
        "split": "test",
        "metric": metric,
        "value": value,
        "n": 200,
        "main": True,
        "standard_error": 2.0,
        "chance": chance,
        "heuristic": heuristic,
        "phase": phase_of(label, task, seed),
        "signature": f"task={task}-v1;split=test;via=original;limit=200",
        "data_fingerprint": f"data-{task}-{language}",
        "xfer_version": "0.1.0",
        "plugin_versions": {"xfer": "0.1.0"},
        "seconds": 1.0,
        "device": "cpu",
        "dtype": "float32",
    }
    return ResultRow(**{**fields, **changes})


def grid(seeds=(0, 1, 2), labels=tuple(LABELS), targets=tuple(TARGETS)):
    """A complete grid. Scores fall with the language's place and rise with the label's gain."""
    rows = []
    for label in labels:
        for seed in seeds:
            for number, task in enumerate(targets):
                for place, language in enumerate(TARGETS[task][1]):
                    value = (
                        62.0
                        - 9 * place
                        - 7 * number
                        + LABELS[label][2] * (1 + 0.25 * place)
                        + 0.5 * seed * (place + 1)
                    )
                    rows.append(row(label, task, language, seed, value))
                    extra = {"metric": "loss_free", "main": False, "value": value / 2, "signature": "other"}
                    rows.append(row(label, task, language, seed, **extra))
    return rows
