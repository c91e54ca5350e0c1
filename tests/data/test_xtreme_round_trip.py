"""All nine targets: trained on a few rows, scored, exported as a submission, and the submission scored."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xfer.bootstrap import load

from . import tiny_xtreme

TARGETS = ("xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc", "tatoeba")


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[..., Path]
) -> tuple[Path, Path, list[Any]]:
    """Data root, store and result rows of one run."""
    from xfer import commands

    root = tiny_xtreme.write(tmp_path_factory.mktemp("data"))
    store = tmp_path_factory.mktemp("runs")
    result = commands.run(
        "none", suite="xtreme", preset="small", model=str(tiny_encoder("xlm-roberta")), target=TARGETS,
        set={"target": {"max_steps": 2}, "retrieval.layer": 1, "tagging.max_length": 20, "span.max_length": 96},
        data_root=root, store=store, name="tiny",
    )  # fmt: skip
    assert result.status == 0
    rows = [json.loads(line) for line in (store / "runs/tiny/results.jsonl").read_text().splitlines()]
    return root, store, rows


def test_a_submission_scores_as_the_run_did(
    made: tuple[Path, Path, list[Any]], tmp_path: Path, run_xfer: Callable[..., Any]
) -> None:
    root, store, rows = made
    output = tmp_path / "submission"
    done = run_xfer("export", "tiny", "--output", output, "--store", store)
    assert done.status == 0, done.err
    found = {}
    for targets, languages in (([name for name in TARGETS if name != "tydiqa"], "de,zh"), (["tydiqa"], "sw")):
        chosen = ("--target", ",".join(targets), "--language", languages, "--data-root", root, "--json")
        scored = run_xfer("score", "--predictions", output, *chosen)
        assert scored.status == 0, scored.err
        for one in json.loads(scored.out)["scores"]:
            found[one["task"], one["language"], one["metric"]] = one["value"]
    want = {(row["task"], row["language"], row["metric"]): row["value"] for row in rows if row["language"] != "en"}
    oracle = {key for key in want if key[2] == "oracle_f1"}
    assert oracle == {("bucc", "de", "oracle_f1"), ("bucc", "zh", "oracle_f1")}
    assert found == {key: value for key, value in want.items() if key not in oracle}
    assert {name for name, _, _ in found} == set(TARGETS)
    assert len(found) == 2 * (1 + 1 + 2 + 3 + 3 + 3 + 3 + 1) + 3
    # Not a test of nothing: mining finds some pairs, and leaves some.
    assert 0 < want["bucc", "de", "f1"] <= want["bucc", "de", "oracle_f1"]
    assert (output / "bucc2018/test-de.tsv").read_text().startswith("de-")


def test_the_protocol_stands_in_every_signature(made: tuple[Path, Path, list[Any]]) -> None:
    _, _, rows = made
    told = {row["task"]: dict(field.split("=", 1) for field in row["signature"].split(";")) for row in rows}
    assert set(told) == set(TARGETS)
    for name, fields in told.items():
        task = load().tasks.get(name)
        options = load().formats.get(task.format).options
        extra = {"layer"} if task.format == "retrieval" else set()
        assert set(fields) == {"task", "split", "via", "limit", *options.model_fields} | extra
        assert fields["task"] == f"{name}-v{task.version}"
    span = {"step": "128", "max_question": "64", "max_answer": "30", "best": "20", "null_threshold": "0.0"}
    assert span.items() <= told["xquad"].items()
    assert told["panx"]["label_piece"] == "first"
    retrieval = {"layer": "1", "pooling": "mean", "special_tokens": "True", "direction": "english-to-other"}
    assert (retrieval | {"neighbours": "4"}).items() <= told["bucc"].items()


def test_the_record_of_a_phase_tells_where_its_rows_come_from(made: tuple[Path, Path, list[Any]]) -> None:
    _, store, rows = made
    phases = {row["task"]: store / "phases" / row["phase"] / "phase.json" for row in rows}
    origins = {name: json.loads(path.read_text())["origins"] for name, path in phases.items()}
    assert origins["xnli"] == {
        "xnli": {"test": {code: [{"source": "XNLI-1.0", "revision": ""}] for code in ("de", "zh")}}
    }
    assert origins["tatoeba"]["tatoeba"]["test"]["de"] == [{"source": "LASER/data/tatoeba/v1", "revision": ""}]
    assert set(origins["bucc"]["bucc"]) == {"dev", "test"}
    trained = [json.loads(path.read_text()) for path in (store / "phases").glob("*/phase.json")]
    used = {name for phase in trained if phase["does"] == "train" for name in phase["origins"]}
    assert used == {"mnli", "pawsx", "udpos", "panx", "squad-v1", "tydiqa"}
    assert sum(phase["does"] == "train" for phase in trained) == len(used)
