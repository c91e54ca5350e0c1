"""Transforms: drawn anew each epoch, pure in (seed, epoch, example), brought by anyone; code-switching."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfer import commands
from xfer.api import Answer, DataError, SpanExample, TaggedExample, TextExample, UserError
from xfer.core.engine import execute as engine
from xfer.core.engine.train_phase import prepare
from xfer.core.errors import Stopped
from xfer.core.storage.checkpoints import load_weights
from xfer.core.storage.store import Store
from xfer.plugins.shared.dictionaries import read_dictionaries, replaced, switched

Planned = Callable[..., commands.Prepared]
Run = Callable[..., commands.RunResult]
PLUGIN = """
from dataclasses import replace

from xfer.api import Strategy, Transform, hookimpl, target_phases


def shuffled(example, rng, loaded):
    words = example.text.split()
    return replace(example, text=" ".join(words[place] for place in rng.permutation(len(words))))


def plan(context, params):
    changed = {"transform": "shuffle", "params": {"unused": 1}}
    phases = target_phases(context, after=None)
    return [phase.model_copy(update=changed) if phase.does == "train" else phase for phase in phases]


@hookimpl
def xfer_transforms():
    return [Transform(name="shuffle", summary="words in any order", apply=shuffled)]


@hookimpl
def xfer_strategies():
    return [Strategy(name="shuffled", summary="invented", plan=plan)]
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "shuffling.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return path


@pytest.fixture
def muse(tmp_path: Path) -> Path:
    folder = tmp_path / "muse"
    folder.mkdir()
    (folder / "en-de.txt").write_text("the der\nthe die\ncat\tKatze\nsaw sah\nno kein\nin in\n", encoding="utf-8")
    (folder / "en-tr.0-5000.txt").write_text("cat kedi\nand ve\n", encoding="utf-8")
    (folder / "de-en.txt").write_text("Katze cat\n", encoding="utf-8")
    return folder


def job_of(prepared: commands.Prepared) -> Any:
    phase = next(one for one in prepared.plan.phases if one.phase.does == "train")
    return prepare(phase, prepared.run)


def test_a_third_party_transform_changes_examples_every_epoch(planned: Planned, plugin: Path) -> None:
    job = job_of(planned("shuffled", plugin=(plugin,), set={"train.epochs": 3}))
    part, schedule = job.parts[0], job.schedule
    plain = job_of(planned("none")).parts[0]
    assert len(part.drawn_examples) == 16
    items = np.arange(16)
    epochs = [part.drawn(items, epoch)[0].tokens.tolist() for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert plain.features.tokens.tolist() not in epochs
    assert part.drawn(items, 1)[0].tokens.tolist() == epochs[1], "an epoch is a pure function of the seed"
    one = part.drawn(items[5:6], 2)[0].tokens.tolist()
    assert "".join(map(chr, one)) in "".join(map(chr, epochs[2])), "an example's draw does not need the others"
    assert [schedule.epoch(step) for step in range(schedule.total_steps)] == [0, 0, 1, 1, 2, 2]


def test_a_resumed_run_with_a_transform_equals_an_uninterrupted_one(
    planned: Planned, plugin: Path, tmp_path: Path
) -> None:
    found = []
    for place, asked in (("whole", []), ("broken", [False, False, False, True])):
        changes: dict[str, Any] = {
            "plugin": (plugin,), "store": tmp_path / place, "keep": "all",
            "set": {"train.epochs": 3, "engine.checkpoint_seconds": 0},
        }  # fmt: skip
        prepared = planned("shuffled", **changes)
        answers = iter(asked)
        prepared.run.stop_requested = lambda answers=answers: next(answers, False)
        if asked:
            with pytest.raises(Stopped):
                engine.execute(prepared.plan, prepared.run)
            prepared = planned("shuffled", **changes)
        engine.execute(prepared.plan, prepared.run)
        id = next(one.id for one in prepared.plan.phases if one.phase.does == "train")
        found.append(load_weights(Store(tmp_path / place).phase_folder(id) / "model.safetensors"))
    assert all((found[0][name] == found[1][name]).all() for name in found[0])


def test_a_transform_is_part_of_the_phase(planned: Planned, plugin: Path, tmp_path: Path) -> None:
    first = planned("shuffled", plugin=(plugin,)).plan.phases[0].identity["transform"]
    assert first[:2] == ["shuffling/shuffle", 1]
    assert first[2].startswith("shuffling.py sha256:")
    other = tmp_path / "wrong.py"
    other.write_text(PLUGIN.replace('"transform": "shuffle"', '"transform": "shufle"'), encoding="utf-8")
    with pytest.raises(UserError, match="no transform named"):
        planned("shuffled", plugin=(other,))


# ---------------------------------------------------------------- code-switching


def test_words_are_switched_and_marked(planned: Planned, muse: Path, tmp_path: Path) -> None:
    text = f"code-switch[dictionaries={muse},words=1]"
    prepared = planned(text)
    assert prepared.plan.cells[0].sees == ("words de", "words tr")
    assert planned(f"code-switch[dictionaries={muse},languages=de]").plan.cells[0].sees == ("words de",)
    moved = tmp_path / "moved"
    muse.rename(moved)
    same = planned(f"code-switch[dictionaries={moved},words=1]")
    assert same.plan.phases[0].id == prepared.plan.phases[0].id, "the folder's place does not matter"
    (moved / "en-de.txt").write_text("cat Kater\n", encoding="utf-8")
    other = planned(f"code-switch[dictionaries={moved},words=1]")
    assert other.plan.phases[0].id != prepared.plan.phases[0].id, "its contents do"


def test_code_switching_trains(run: Run, muse: Path) -> None:
    result = run(f"code-switch[dictionaries={muse}]")
    assert {row.sees for row in result.results} == {("words de", "words tr")}


@pytest.mark.parametrize(("languages", "told"), [("", "any language"), ("de,xx", "xx")])
def test_missing_dictionaries_are_told(
    planned: Planned, muse: Path, tmp_path: Path, languages: str, told: str
) -> None:
    folder = muse if languages else tmp_path
    with pytest.raises(UserError, match=f"no dictionary for {told}"):
        planned(f"code-switch[dictionaries={folder},languages={languages}]")


def test_a_malformed_dictionary_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text("cat Katze\none two three\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_dictionaries(str(tmp_path), ())
    assert caught.value.where.endswith("en-de.txt, line 2")


def test_every_kind_of_example_is_switched(muse: Path) -> None:
    read = read_dictionaries(str(muse), ("de",))
    rng = np.random.default_rng(0)
    text = switched(TextExample("1", "en", "The cat, the dog.", "No cat!", "same"), rng, read, 1.0)
    assert text.text in ("Der Katze, der dog.", "Die Katze, die dog.", "Der Katze, die dog.", "Die Katze, der dog.")
    assert (text.text_pair, text.label) == ("Kein Katze!", "same")
    tagged = switched(TaggedExample("1", "en", ("Cat", "dog"), ("A", "B")), rng, read, 1.0)
    assert (tagged.tokens, tagged.tags) == (("Katze", "dog"), ("A", "B"))
    context = "Tom saw the cat. The cat saw no dog."
    example = SpanExample("1", "en", "Who saw it?", context, (Answer("The cat", 17), Answer("Tom", 0)))
    span = switched(example, rng, read, 1.0)
    assert span.question == "Who sah it?"
    for answer in span.answers:
        assert span.context[answer.start :].startswith(answer.text)
    assert [answer.text for answer in span.answers] == ["The cat", "Tom"]
    assert switched(text, rng, read, 0.0) == text


@given(st.text("ab ,", max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=3))
def test_kept_spans_stay_and_their_places_are_kept_up(text: str, cuts: list[tuple[int, int]]) -> None:
    spans = [(min(a, len(text)), min(max(a, b), len(text))) for a, b in cuts]
    spans = [(start, end) for start, end in spans if start < end]
    changed, starts = replaced(text, spans, lambda word: word * 2)
    for (start, end), moved in zip(spans, starts, strict=True):
        assert changed[moved : moved + end - start] == text[start:end]
    assert replaced(text, spans, lambda word: None) == (text, [start for start, _ in spans])
