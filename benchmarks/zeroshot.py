"""Zero-shot classification of several languages on one CPU thread: one stream, beside padded batches.

    python benchmarks/zeroshot.py [--repeats 5] [--products torch]

Eight languages whose lengths differ by a factor of up to two, 16 pairs each. Peers: HF Trainer.predict's default
(dynamic batches of 8, language by language, in the order of the file), and padding to 128 (jiant and the XTREME
reference; batches of 32). All compute the same logits.
"""

import sys

import numpy as np
import torch  # noqa: TID253
from embeddings import Words
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification  # noqa: TID253
from workloads import (
    LABELS,
    SMALL,
    asked,
    classification,
    encoder,
    features,
    in_turn,
    padded,
    report,
    sequences,
)

from xfer.core.batches.batching import concatenate
from xfer.core.batches.features import Features
from xfer.core.encoders.device import Device
from xfer.core.engine.predict import predict

BARS = {"HF Trainer.predict, dynamic batches of 8": 1.3, "padded to 128, batches of 32": 2.3}
LANGUAGES, PAIRS = 8, 16


def language(number: int) -> Features:
    """Pairs of one language: every other one has shorter texts, as Chinese has beside Swahili."""
    return features("mnli" if number % 2 else "bucc", PAIRS, SMALL["vocab_size"], seed=number)


def main() -> int:
    """Time all ways in turn and print a table."""
    options = asked(5)
    repeats = options.repeats
    parts = [language(number) for number in range(LANGUAGES)]
    code, own = classification(), encoder(options.products).eval()
    head = code.head(own.shape).eval()
    torch.manual_seed(0)
    config = XLMRobertaConfig(**SMALL, num_labels=len(LABELS), attn_implementation="sdpa")
    peer = XLMRobertaForSequenceClassification(config).eval()
    peer.roberta.load_state_dict(own.model.state_dict())
    peer.classifier.dense.load_state_dict(head.dense.state_dict())
    peer.classifier.out_proj.load_state_dict(head.out.state_dict())
    kept: dict[str, np.ndarray] = {}
    total = sum(len(part.tokens) for part in parts)

    def stream(turn: int) -> int:
        data, _ = concatenate(parts)
        device = Device(torch.device("cpu"), "float32")
        kept["xfer"] = predict(code, own, head, data, Words(), device, 16384)["logits"]  # type: ignore[arg-type]
        return total

    def batches(size: int, width: int | None) -> np.ndarray:
        logits = []
        with torch.no_grad():
            for part in parts:
                rows = sequences(part, range(PAIRS))
                for start in range(0, PAIRS, size):
                    logits.append(peer(**padded(rows[start : start + size], width)).logits.numpy())
        return np.concatenate(logits)

    def dynamic(turn: int) -> int:
        kept["dynamic"] = batches(8, None)
        return total

    def fixed(turn: int) -> int:
        kept["fixed"] = batches(32, 128)
        return total

    ways = {
        "xfer": stream,
        "HF Trainer.predict, dynamic batches of 8": dynamic,
        "padded to 128, batches of 32": fixed,
    }
    found = in_turn(ways, repeats)
    met = report(f"Zero-shot classification, {LANGUAGES} languages of {PAIRS} pairs", found, "xfer", BARS)
    print(
        f"largest difference of a logit: {max(abs(kept['xfer'] - kept[n]).max() for n in ('dynamic', 'fixed')):.1e}"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
