"""Core's answer to `does="evaluate"`: predictions, scores and result lines of one target in all its languages.

Every score stands beside chance and a heuristic that uses no model, computed from the same examples.
"""

import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn  # noqa: TID253

from xfer.core.batches.batching import concatenate
from xfer.core.batches.features import Features
from xfer.core.compare.shown import shown
from xfer.core.encoders.encoder import Encoder
from xfer.core.encoders.weights import Pooling, load_encoder, load_head, origin, stored_heads
from xfer.core.engine.described import describe
from xfer.core.engine.inputs import format_code, load_examples, origins, tokeniser
from xfer.core.engine.predict import predict
from xfer.core.engine.sets import scored_examples, scored_set, scoring_code
from xfer.core.errors import PluginError, Stopped
from xfer.core.formats.base import FormatCode
from xfer.core.metrics.aggregate import standard_error
from xfer.core.records import PlannedPhase, Problem, TaskSpec, TaskUse
from xfer.core.run import Run
from xfer.core.storage import files
from xfer.core.streams import numpy_stream

_METRIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@ -]{0,63}")
HEURISTIC_EXAMPLES = 2000
"""Training examples that a heuristic baseline looks at."""


def run_evaluate_phase(planned: PlannedPhase, run: Run) -> None:
    """Score one target in every language and commit predictions and result lines to the store.

    Ranks that follow compute their share of the outputs; the leading one scores and writes.
    """
    started = time.monotonic()
    if not run.group.leads:
        for use in planned.phase.uses:
            _evaluate_use(planned, run, use, Path(), {})
        return
    with run.store.commit_phase(planned.id) as folder:
        lines: list[dict[str, Any]] = []
        info: dict[str, Any] = {"stream": True, "origins": origins(run, planned.phase.uses)}
        for use in planned.phase.uses:
            lines += _evaluate_use(planned, run, use, folder, info)
        seconds = time.monotonic() - started
        for line in lines:
            line["seconds"] = round(seconds / len(lines), 3)
        files.write_text(folder / "results.jsonl", "".join(files.json_line(line) for line in lines))
        describe(folder, planned, run, **({"processes": run.group.world} if run.group.world > 1 else {}), **info)


def _evaluate_use(
    planned: PlannedPhase, run: Run, use: TaskUse, folder: Path, info: dict[str, Any]
) -> list[dict[str, Any]]:
    task: TaskSpec = run.toolkit.tasks.get(use.task)
    examples = scored_examples(run, task, use, use.split)
    encoder = load_encoder(planned, run, with_lm_head=task.format == "masked-lm")
    code, head, pooling = head_of_task(task, origin(planned, run), planned.options[use.task], encoder, run)
    layer = _layer(code, encoder)
    for module in (encoder, head, pooling):
        if isinstance(module, nn.Module):
            module.to(run.device.torch_device)
    if run.settings.engine.padding == "max":
        encoder.pad_to = code.options.max_length
    info |= {"stream": encoder.stream, "layer": layer}
    values = _values(planned, run, code, encoder, head, examples, pooling, use.split)
    tuned: dict[str, Any] = {}
    if task.tune is not None:
        dev = scored_examples(run, task, use, task.dev_split)
        dev_values = _values(planned, run, code, encoder, head, dev, pooling, task.dev_split)
    if not run.group.leads:
        return []
    if task.tune is not None:
        tuned = {name: task.tune(dev_values[name], dev[name], name) for name in use.languages}
        info["tuned"] = tuned
    training = _heuristic_examples(run, task)
    lines = []
    for language, found in examples.items():
        lines += _language_lines(planned, run, task, code, use, language, found, values[language], tuned, training)
        _write_predictions(folder, task, language, found, values[language])
    return [{**line, "layer": layer} for line in lines]


def head_of_task(
    task: TaskSpec, folder: Path, options: Mapping[str, Any], encoder: Encoder, run: Run
) -> tuple[FormatCode, nn.Module | None, Pooling]:
    """A task's format code, with the head that a phase's folder holds for it and what that reads.

    The head may bear the name of the task's training task (XNLI: mnli). Masked LM uses the encoder's own head,
    retrieval none. Raises UserError where the folder has no head for the task.
    """
    heads = stored_heads(folder)
    code, owner = scoring_code(task, heads, options, run)
    if task.format == "masked-lm" or not code.trainable:
        return code, encoder.lm_head, _layer(code, encoder)
    trained = format_code(run, owner, code.labels, options)
    return code, *load_head(folder, trained, encoder)


def _layer(code: FormatCode, encoder: Encoder) -> int | None:
    """The hidden layer that retrieval pools: the option, or 7/12 of the depth (layer 14 of XLM-R Large's 24)."""
    if code.task.format != "retrieval":
        return None
    chosen = code.options.layer
    if chosen is None:
        return round(encoder.shape.layers * 7 / 12)
    return int(min(chosen, encoder.shape.layers))


def _values(
    planned: PlannedPhase,
    run: Run,
    code: FormatCode,
    encoder: Encoder,
    head: Any,
    examples: Mapping[str, Sequence[Any]],
    pooling: Pooling,
    split: str,
) -> dict[str, list[Any]]:
    """Prediction values by language, on the leading rank; all languages run as one stream, but texts that are
    mined one by one.

    Those have up to a million sentences a language, whose embeddings stay in memory until they are matched.
    """
    if code.task.tune is not None and len(examples) > 1:
        return {
            name: values
            for language, found in examples.items()
            for name, values in _values(
                planned, run, code, encoder, head, {language: found}, pooling, split
            ).items()
        }
    parts = [scored_set(code, found, split, name).features(run) for name, found in examples.items()]
    stream, _ = concatenate(parts)
    outputs = predict(
        code,
        encoder,
        head,
        stream,
        tokeniser(run),
        run.device,
        run.settings.engine.evaluation_tokens,
        pooling,
        lambda done, total: _progress(planned, run, done, total),
        lambda message: run.tell(Problem(stage="evaluate", message=message, where=f"phase {planned.id}")),
        group=run.group,
    )
    if not run.group.leads:
        return {}
    values = {}
    for number, (language, found) in enumerate(examples.items()):
        decoded = code.decode(found, parts[number], _cut(outputs, code, parts, number))
        values[language] = code.limited(decoded, found, run.settings.limit.test)
    return values


def _progress(planned: PlannedPhase, run: Run, done: int, total: int) -> None:
    run.reporter.evaluated(planned, done, total)
    if run.group.any(run.stop_requested())[0] and done < total:
        raise Stopped(
            f"stopped as asked after {done} of {total} tokens of an evaluation, which will start anew",
            where=f"phase {planned.id}",
            fix="issue the same command again to continue",
        )


def _cut(
    outputs: Mapping[str, np.ndarray], code: FormatCode, parts: Sequence[Features], number: int
) -> dict[str, np.ndarray]:
    """The rows of part `number` in outputs over the concatenated parts."""

    def size(part: Features, axis: str) -> int:
        return {"item": part.item_count, "sequence": len(part.offsets) - 1, "token": len(part.tokens)}[axis]

    cut = {}
    for name, values in outputs.items():
        axis = code.output_axes[name]
        start = sum(size(part, axis) for part in parts[:number])
        cut[name] = values[start : start + size(parts[number], axis)]
    return cut


def _heuristic_examples(run: Run, task: TaskSpec) -> list[Any]:
    training = run.toolkit.training_task(task)
    if "en" not in training.train_languages:
        return []
    return load_examples(run, training, "train", "en")[:HEURISTIC_EXAMPLES]


def _language_lines(
    planned: PlannedPhase,
    run: Run,
    task: TaskSpec,
    code: FormatCode,
    use: TaskUse,
    language: str,
    examples: Sequence[Any],
    values: Sequence[Any],
    tuned: Mapping[str, Any],
    training: Sequence[Any],
) -> list[dict[str, Any]]:
    extra = {"tuned": tuned[language]} if tuned else {}
    scores = task.score(values, examples, language, **extra)
    if task.main_score not in scores:
        raise PluginError(f"task {task.name} gives no {task.main_score}, its main score, in {language}")
    for metric, value in scores.items():
        if not _METRIC.fullmatch(metric):
            raise PluginError(f"task {task.name} names a score {metric[:80]!r}")
        if not math.isfinite(value):
            raise PluginError(f"task {task.name} scores {metric} as {value} in {language}")
    chance = _baseline(run, task, language, "chance", examples, training, code)
    heuristic = _baseline(run, task, language, "heuristic", examples, training, code)
    points = _points(task, values, examples, language)
    asked = len(examples) if points is None else sum(one is not None for one in points)
    error = _standard_error(points, float(scores[task.main_score])) if points and asked > 1 else None
    return [
        {
            "task": task.name,
            "task_version": task.version,
            "language": language,
            "split": use.split,
            "metric": metric,
            "value": float(value),
            "n": asked,
            "main": metric == task.main_score,
            "standard_error": error if metric == task.main_score else None,
            "chance": chance.get(metric),
            "heuristic": heuristic.get(metric),
            "data_fingerprint": planned.identity["uses"][0]["data"].get(language) or "",
            "device": run.device.kind,
            "dtype": run.device.dtype,
        }
        for metric, value in scores.items()
    ]


def _baseline(
    run: Run,
    task: TaskSpec,
    language: str,
    kind: str,
    examples: Sequence[Any],
    training: Sequence[Any],
    code: FormatCode,
) -> Mapping[str, float]:
    """Scores of chance or of the heuristic; computed once a process for the same examples.

    What a task tunes is tuned on the scored examples themselves here: an upper bound.
    """
    key = ("baseline", kind, id(task), language)
    if key not in run.memory:
        if kind == "chance":
            values = code.chance(examples, numpy_stream(0, "chance", task.name, language))
        elif task.heuristic is not None:
            values = list(task.heuristic(training, examples))
        else:
            values = code.heuristic(training, examples)
        values = code.limited(list(values), examples, run.settings.limit.test)
        extra = {"tuned": task.tune(values, examples, language)} if task.tune and values else {}
        run.memory[key] = task.score(values, examples, language, **extra) if values else {}
    found: Mapping[str, float] = run.memory[key]
    return found


def _points(
    task: TaskSpec, values: Sequence[Any], examples: Sequence[Any], language: str
) -> list[float | None] | None:
    """Points of every prediction, None for what was not asked; None for tasks that score sets only."""
    if task.score_one is None:
        return None
    return [
        None if value is None else task.score_one(value, example, language)
        for value, example in zip(values, examples, strict=True)
    ]


def _standard_error(points: Sequence[float | None], score: float) -> float | None:
    """Standard error of the main score where that is the mean of single predictions' points, else None."""
    asked = [one for one in points if one is not None]
    return standard_error(asked) if abs(sum(asked) / len(asked) - score) < 1e-6 else None


def _write_predictions(
    folder: Path, task: TaskSpec, language: str, examples: Sequence[Any], values: Sequence[Any]
) -> None:
    """predictions/<task>.<language>.parquet: id, prediction (JSON), text and gold (cut), points if known."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [shown(example) for example in examples]
    table: dict[str, list[Any]] = {
        "id": [example.id for example in examples],
        "prediction": [files.json_line(value).rstrip("\n") for value in values],
        "text": [text for text, _ in texts],
        "gold": [gold for _, gold in texts],
    }
    points = _points(task, values, examples, language)
    if points is not None:
        table["points"] = points
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(table), sink, compression="zstd")
    files.write_bytes(folder / "predictions" / f"{task.name}.{language}.parquet", sink.getvalue().to_pybytes())
