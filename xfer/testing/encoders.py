"""Tiny random checkpoints of the usual kinds of encoders, for tests."""

import string
from pathlib import Path
from typing import Any, Literal, get_args

from xfer.core.streams import torch_seeded

Kind = Literal["xlm-roberta", "bert", "roberta", "distilbert", "deberta-v2"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LINES = (
    "the red cat sleeps on the old chair",
    "a small dog runs to the green house",
    "who has seen the bird that sang in the morning",
    "die rote katze schläft auf dem alten stuhl",
    "ein kleiner hund läuft zum grünen haus",
    "paka mwekundu analala juu ya kiti cha zamani",
    "in 1998 she moved to the town, and he stayed (for a while).",
)
"""Lines the tokenisers learn from."""
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_DEBERTA = {
    "relative_attention": True,
    "position_buckets": 16,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
}
"""As in mDeBERTa v3: relative positions only."""


def _tokenizer(kind: Kind) -> Any:
    """A byte-pair tokeniser with the special tokens, their numbers and templates of this kind of encoder."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    fairseq = kind in ("xlm-roberta", "roberta")
    if fairseq:
        specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        start, pad, end, unknown, mask = specials
        pair = f"{start} $A {end} {end} $B {end}"
    else:
        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        pad, unknown, start, end, mask = specials
        pair = f"{start} $A {end} $B:1 {end}:1"
    tokenizer = Tokenizer(models.BPE(unk_token=unknown))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    alphabet = list(string.ascii_letters + string.digits + string.punctuation)
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=pair,
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (start, end)],
    )
    names: dict[str, Any] = {"bos_token": start, "cls_token": start, "eos_token": end, "sep_token": end}
    if kind == "bert":
        names["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **names, unk_token=unknown, pad_token=pad, mask_token=mask
    )


def tiny_config(kind: Kind, vocabulary: int) -> dict[str, Any]:
    """Fields of the configuration: 2 layers, hidden size 32, sequences of up to 512 tokens."""
    fairseq = kind in ("xlm-roberta", "roberta")
    fields: dict[str, Any] = {
        "model_type": kind,
        "vocab_size": vocabulary,
        "pad_token_id": 1 if fairseq else 0,
        **_SIZES,
    }
    fields |= {"max_position_embeddings": 514 if fairseq else 512, "initializer_range": 0.1}
    if fairseq:
        fields |= {"type_vocab_size": 1, "bos_token_id": 0, "eos_token_id": 2}
    return fields | (_DEBERTA if kind == "deberta-v2" else {})


def tiny_encoder(kind: Kind, folder: Path, *, seed: int = 0, lm_head: bool = True) -> Path:
    """Write a random checkpoint (config.json, model.safetensors, tokeniser) into `folder`, and return it.

    Weights are large and biases are not zero, so that what goes wrong shows. Equal arguments give equal bytes.
    """
    import torch

    from xfer.core.encoders.encoder import Encoder

    tokenizer = _tokenizer(kind)
    with torch_seeded(seed, "tiny", kind):
        encoder = Encoder.from_config(tiny_config(kind, len(tokenizer)), attention="padded", with_lm_head=True)
        with torch.no_grad():
            for parameter in encoder.parameters():
                if parameter.ndim == 1:
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
    encoder.save(folder, with_lm_head=lm_head)
    tokenizer.save_pretrained(str(folder))
    return folder
