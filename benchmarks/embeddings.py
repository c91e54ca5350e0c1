"""Sentence embeddings for retrieval on one CPU thread, beside the XTREME reference's way and length-sorted batches.

    python benchmarks/embeddings.py [--repeats 5] [--products torch]

The reference (`third_party/evaluate_retrieval.py` of google-research/xtreme) runs batches of 100 in the file's
order, pools every layer over the mask and copies all of them to the host; its evaluation then reads one layer.
"HF, length-sorted" is sentence-transformers' way: batches of 32 by length, the last layer. xfer stops at the layer
that is pooled (7 of 12, as 14 of XLM-R Large's 24); a row shows the sorted way with the same stop.
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
import torch  # noqa: TID253
from transformers import XLMRobertaConfig, XLMRobertaModel  # noqa: TID253
from workloads import SMALL, asked, encoder, features, in_turn, padded, report, sequences, task

from xfer.core.batches.features import Column
from xfer.core.encoders.device import Device
from xfer.core.engine.predict import predict
from xfer.core.formats import RetrievalOptions
from xfer.core.formats.retrieval import Retrieval

LAYER = 7
BARS = {"XTREME's evaluate_retrieval.py": 3.5, "HF, length-sorted, all layers": 1.6}


class Words:
    """What `predict` asks of a tokeniser."""

    pad_id = 1
    separator = None


def model(layers: int = 12) -> XLMRobertaModel:
    """transformers' encoder with as many layers."""
    torch.manual_seed(0)
    config = XLMRobertaConfig(**SMALL, attn_implementation="sdpa")
    made = XLMRobertaModel(config, add_pooling_layer=False).eval()
    made.encoder.layer = made.encoder.layer[:layers]
    return made


def mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens inside, [batch, d]."""
    inside = mask[..., None].float()
    return (states * inside).sum(1) / inside.sum(1)


def compare(kind: str, count: int, options: argparse.Namespace) -> bool:
    """Time all ways in turn for one kind of lengths and print a table; whether the bars are met."""
    own, peer, stopped = encoder(options.products).eval(), model(), model(LAYER)
    code = Retrieval(task("retrieval"), (), RetrievalOptions())
    data = features(kind, count, SMALL["vocab_size"], side=Column("item", np.zeros(count, np.int64)))
    rows = sequences(data, range(count))
    kept: dict[str, np.ndarray] = {}

    def fast(turn: int) -> int:
        device = Device(torch.device("cpu"), "float32")
        found = predict(code, own, None, data, Words(), device, 16384, LAYER)  # type: ignore[arg-type]
        kept["xfer"] = found["embedding"]
        return len(data.tokens)

    def reference(turn: int) -> int:
        pooled: list[list[np.ndarray]] = []
        with torch.no_grad():
            for start in range(0, count, 100):
                batch = padded(rows[start : start + 100])
                states = peer(**batch, output_hidden_states=True).hidden_states
                pooled.append([mean(state, batch["attention_mask"]).numpy() for state in states])
        kept["reference"] = np.concatenate([layers[LAYER] for layers in pooled])
        return len(data.tokens)

    def by_length(net: XLMRobertaModel) -> Callable[[int], int]:
        def run(turn: int) -> int:
            order = np.argsort([-len(row) for row in rows], kind="stable")
            with torch.no_grad():
                for start in range(0, count, 32):
                    batch = padded([rows[number] for number in order[start : start + 32]])
                    mean(net(**batch).last_hidden_state, batch["attention_mask"]).numpy()
            return len(data.tokens)

        return run

    found = in_turn(
        {
            "xfer": fast,
            "XTREME's evaluate_retrieval.py": reference,
            "HF, length-sorted, all layers": by_length(peer),
            f"HF, length-sorted, stopped at layer {LAYER}": by_length(stopped),
        },
        options.repeats,
    )
    met = report(f"Embeddings of {count} sentences, lengths as in {kind}", found, "xfer", BARS)
    difference = abs(kept["xfer"] - kept["reference"]).max()
    print(f"largest difference of an embedding from the reference: {difference:.1e}")
    return met


def main() -> int:
    """Two kinds of lengths."""
    options = asked(5)
    met = [compare(kind, count, options) for kind, count in (("tatoeba", 300), ("bucc", 150))]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
