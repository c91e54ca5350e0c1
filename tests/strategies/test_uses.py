"""Uses of a phase: shares of steps, several languages, budgets; and that what a plan says is what is trained."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfer import commands
from xfer.core.batches.sampling import Schedule, shared_steps
from xfer.core.encoders.weights import load_encoder
from xfer.core.engine.inputs import even_shares, use_examples
from xfer.core.engine.train_phase import prepare
from xfer.core.errors import UserError
from xfer.core.plans import forecast
from xfer.core.records import Sampling, TaskUse

Planned = Callable[..., commands.Prepared]
Run = Callable[..., commands.RunResult]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(1, 200))
def test_even_shares_meet_the_total_and_are_even(sizes: list[int], total: int) -> None:
    shares = even_shares(sizes, total)
    assert sum(shares) == min(total, sum(sizes))
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))
    cut = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert not cut or max(shares) - min(cut) <= 1


def steps(**changes: object) -> list[int]:
    fields = {
        "sizes": [100, 50, 1000], "alone": [20, 10, 90], "max_steps": None, "sampling": Sampling(),
        "weights": [None] * 3, "ratios": [None, None, 0.5], "drawn": [True, True, True],
    }  # fmt: skip
    return shared_steps(**{**fields, **changes})  # type: ignore[arg-type]


def test_uses_with_a_ratio_come_on_top() -> None:
    assert steps() == [20, 10, 15]
    assert steps(ratios=[None, None, 2]) == [20, 10, 60]
    assert steps(max_steps=45) == [20, 10, 15]
    assert sum(steps(max_steps=100)) == 100
    assert steps(sampling=Sampling(kind="weights"), weights=[1, 2, None]) == [10, 20, 15]


def test_a_use_that_only_counts_is_not_drawn() -> None:
    assert steps(drawn=[False, False, True]) == [0, 0, 15]
    assert steps(drawn=[False, False, True], max_steps=7) == [0, 0, 7]


@pytest.mark.parametrize("changes", [{"ratios": [1, 1, 1]}, {"ratios": [None] * 3, "drawn": [False] * 3}])
def test_phases_without_a_measure_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UserError):
        steps(**changes)


def test_languages_are_drawn_by_their_exponent_and_go_round_evenly() -> None:
    groups = np.repeat([0, 1], [90, 10])
    schedule = Schedule([100], [10], epochs=[20], seed=3, name="x", groups=[groups], exponents=[0.3])
    drawn = [item for step in range(schedule.total_steps) for item in schedule.draw(step)[1].tolist()]
    languages = Counter(groups[drawn].tolist())
    shares = 90**0.3 / (90**0.3 + 10**0.3)
    assert languages[0] / len(drawn) == pytest.approx(shares, abs=0.01)
    seen = Counter(drawn)
    for language in (0, 1):
        counts = [seen[item] for item in np.flatnonzero(groups == language).tolist()]
        assert max(counts) - min(counts) <= 1, "every item of a language comes up as often as any other"
    again = Schedule([100], [10], epochs=[20], seed=3, name="x", groups=[groups], exponents=[0.3])
    assert again.draw(57)[1].tolist() == schedule.draw(57)[1].tolist(), "a step does not need those before it"


def test_the_step_knows_its_epoch() -> None:
    schedule = Schedule([10], [4], epochs=[3], seed=0)
    assert [schedule.epoch(step) for step in range(schedule.total_steps)] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_cap_total_and_disjoint_rows(planned: Planned) -> None:
    run = planned("none").run
    task = run.toolkit.tasks.get("mini-xnli")

    def ids(**fields: object) -> list[tuple[str, str]]:
        use = TaskUse(task="mini-xnli", languages=("en", "de", "tr"), **fields)  # type: ignore[arg-type]
        return [(example.language, example.id[-2:]) for example in use_examples(run, task, use)]

    assert Counter(code for code, _ in ids()) == {"en": 16, "de": 16, "tr": 16}
    assert Counter(code for code, _ in ids(cap=3)) == {"en": 3, "de": 3, "tr": 3}
    assert Counter(code for code, _ in ids(total=10)) == {"en": 4, "de": 3, "tr": 3}
    numbers = [number for _, number in ids(disjoint=True)]
    assert len(set(numbers)) == len(numbers) == 16, "all rows, each in one language"
    assert len(ids(total=9, disjoint=True)) == 9


def test_parts_hold_every_label_alike(planned: Planned) -> None:
    run = planned("none", limit={}).run
    task = run.toolkit.tasks.get("mini-mnli")
    use = TaskUse(task="mini-mnli", languages=("en", "de", "es", "ru", "tr", "zh"), disjoint=True)
    examples = use_examples(run, task, use)
    assert len({example.id for example in examples}) == len(examples) == 4000
    counts = Counter((example.language, example.label) for example in examples)
    assert len(counts) == 18
    assert 180 < min(counts.values()) <= max(counts.values()) < 265, "labels go round by position; parts must not"


def test_the_forecast_counts_the_steps_that_are_trained(planned: Planned) -> None:
    prepared = planned("mlm-stilts[budget=12]", "mlm-only", "multilingual-stilts", "translated-stilts[via=noisy]")
    checked = 0
    for phase in prepared.plan.phases:
        if phase.phase.does == "train":
            run = prepared.run
            counts = [len(use_examples(run, run.toolkit.tasks.get(use.task), use)) for use in phase.phase.uses]
            if not phase.parents:
                job = prepare(phase, run)
                assert sum(forecast.steps_of(phase, counts)) == job.schedule.total_steps
                checked += 1
    assert checked == 4


def test_uses_of_one_task_share_a_head(planned: Planned) -> None:
    prepared = planned("translated-stilts")
    phase = next(phase for phase in prepared.plan.phases if phase.phase.role == "intermediate")
    job = prepare(phase, prepared.run)
    assert [part.code.task.name for part in job.parts] == ["mini-mnli", "mini-mnli"]
    assert job.parts[0].head is job.parts[1].head
    assert len(job.parts[1].features.example) == 16 * 5, "five other languages"


def test_masked_lm_keeps_the_pretrained_head_also_after_a_phase_without(planned: Planned, run: Run) -> None:
    run("english-stilts")
    prepared = planned("english-stilts", "mlm-stilts")
    without = next(phase for phase in prepared.plan.phases if phase.phase.role == "intermediate")
    after = next(phase for phase in prepared.plan.phases if without.id in phase.parents)
    prepared.run.store.root.joinpath("phases", without.id).is_dir()
    encoder = load_encoder(after, prepared.run, with_lm_head=True)
    assert not encoder.lm_head_missing
    pretrained = load_encoder(without, prepared.run, with_lm_head=True)
    assert encoder.lm_head is not None
    assert pretrained.lm_head is not None
    heads = [dict(one.lm_head.named_parameters()) for one in (encoder, pretrained)]  # type: ignore[union-attr]
    assert (heads[0]["dense.weight"] == heads[1]["dense.weight"]).all()
    tied = [one for one in encoder.lm_head.parameters() if one is encoder.word_embeddings.weight]
    assert len(tied) == 1, "the decoder is the embedding matrix itself"
    states = encoder.model.state_dict(), pretrained.model.state_dict()
    assert any((states[0][name] != states[1][name]).any() for name in states[0]), "the encoder is the trained one"


def test_a_model_without_an_lm_head_is_told_in_the_plan(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, planned: Planned, run: Run
) -> None:
    from xfer.testing.encoders import tiny_encoder as make

    bare = make("xlm-roberta", tmp_path / "bare", lm_head=False)
    told = [problem.message for problem in planned("mlm-only", model=str(bare)).plan.problems]
    assert len(told) == 1
    assert "has no masked-LM head" in told[0]
    assert not planned("mlm-only").plan.problems
    assert not planned("english-stilts", model=str(bare)).plan.problems
    result = run("mlm-only", model=str(bare), store=tmp_path / "store", target=("mini-tatoeba",), language=("de",))
    assert any("drawn afresh" in problem.message for problem in result.problems)
    assert len(result.results) >= 1
    again = run("mlm-only", model=str(bare), store=tmp_path / "again", target=("mini-tatoeba",), language=("de",))
    assert [row.value for row in again.results] == [row.value for row in result.results]


def test_masking_and_loss_weight_reach_training(planned: Planned) -> None:
    prepared = planned("mlm-stilts[masking=0.3,loss_weight=0.25]")
    phase = next(phase for phase in prepared.plan.phases if phase.phase.role == "intermediate")
    job = prepare(phase, prepared.run)
    assert job.parts[1].code.options.masking == 0.3
    assert [part.loss_weight for part in job.parts] == [1.0, 0.25]
    assert job.parts[1].head is job.encoder.lm_head
    plain = next(p for p in planned("mlm-stilts").plan.phases if p.phase.role == "intermediate")
    assert plain.id != phase.id


def test_languages_without_text_are_told_or_refused(planned: Planned) -> None:
    with pytest.raises(UserError, match="mini-text has no text in sw"):
        planned("mlm-stilts[languages=sw]")
