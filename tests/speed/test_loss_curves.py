"""Padding-free training beside a plain training loop over transformers' own padded model: the same curve."""

import numpy as np
import pytest
import torch  # noqa: TID253
from transformers import AutoModelForSequenceClassification  # noqa: TID253

from tests.engine.conftest import Kit, calm_encoder, kit, training
from xfer.core.engine.train import Job, State, learning_rate, train
from xfer.core.engine.train_phase import prepare

__all__ = ["calm_encoder", "kit"]
STEPS = 24


def padded_losses(job: Job, folder: str) -> list[float]:
    """The drawn batches of a job through transformers' classification model, padded to the longest."""
    settings, part = job.settings, job.parts[0]
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa", num_labels=2
    )
    model.classifier.dense.load_state_dict(part.head.dense.state_dict())  # type: ignore[union-attr]
    model.classifier.out_proj.load_state_dict(part.head.out.state_dict())  # type: ignore[union-attr]
    model.train()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        betas=settings.adam_betas,
        eps=settings.adam_epsilon,
    )
    losses = []
    for step in range(job.schedule.total_steps):
        _, items = job.schedule.draw(step)
        offsets = part.features.offsets
        rows = [part.features.tokens[offsets[item] : offsets[item + 1]].tolist() for item in items]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [1] * (longest - len(row)) for row in rows])
        labels = torch.from_numpy(part.features.columns["labels"].values[items])
        loss = model(input_ids=ids, attention_mask=(ids != 1).long(), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, step, job.schedule.total_steps)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("batch_size", [7, 32])
def test_the_loss_curve_is_that_of_a_padded_loop(kit: Kit, batch_size: int) -> None:
    changes = {"train.max_steps": STEPS, "train.batch_size": batch_size, "train.weight_decay": 0.05}
    prepared = kit.prepare(
        target="toy-pair-class", model=str(kit.calm), set={**changes, "engine.log_seconds": 1e-9}
    )
    job = prepare(training(prepared), prepared.run)
    expected = padded_losses(job, str(kit.calm))
    state = train(job, prepared.run, State())
    got = [entry["loss"] for entry in state.log]
    assert len(got) == STEPS
    assert np.ptp(got) > 0.1  # it moves
    assert got == pytest.approx(expected, abs=2e-3)
    assert got[:6] == pytest.approx(expected[:6], abs=1e-4)
