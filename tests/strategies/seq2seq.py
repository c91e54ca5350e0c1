"""Tiny random translation models, each of a kind that is told the target language in its own way."""

from pathlib import Path
from typing import Any

WORDS = ["the", "a", "cat", "dog", "saw", "in", "house", "red", "[", "]", "who", "der", "katze", "sah", "im"]


def _tokenizer(folder: Path, extra: list[str]) -> int:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "</s>", "<unk>", *extra, *WORDS]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        additional_special_tokens=extra,
    )  # fmt: skip
    fast.save_pretrained(str(folder))
    return len(names)


def _save(model: Any, folder: Path) -> None:
    """With weights so large that different texts have different translations."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.7)
    model.save_pretrained(str(folder))


def tiny_t5(folder: Path, extra: list[str] | None = None) -> Path:
    """As MADLAD: "<2de>" before the text. Without `extra` a bilingual model."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    size = _tokenizer(folder, extra or [])
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0,
    )  # fmt: skip
    _save(T5ForConditionalGeneration(config), folder)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: cc-by-nc-4.0\n---\n# tiny\n", encoding="utf-8")
    return folder


def tiny_m2m(folder: Path, extra: list[str]) -> Path:
    """As M2M-100 and NLLB: a token for the language begins the answer."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    size = _tokenizer(folder, extra)
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=size, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64,
        pad_token_id=0, eos_token_id=1, bos_token_id=1, decoder_start_token_id=1,
    )  # fmt: skip
    _save(M2M100ForConditionalGeneration(config), folder)
    return folder
