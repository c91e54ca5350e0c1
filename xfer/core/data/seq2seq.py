"""The built-in translator: a sequence-to-sequence model of transformers (Marian, M2M-100, NLLB, MADLAD, mBART).

How a model is told the target language is read off its vocabulary: a token that begins the answer (M2M-100,
NLLB, mBART) or one that is put before the text (MADLAD, multilingual Marian); bilingual models need none.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from xfer.core.encoders.models import fingerprint
from xfer.core.engine_settings import TranslationSettings
from xfer.core.errors import UserError
from xfer.core.languages import LANGUAGES

_SCRIPTS = {
    "Latin": "Latn", "Cyrillic": "Cyrl", "Arabic": "Arab", "Devanagari": "Deva", "Han": "Hans", "Japanese": "Jpan",
    "Greek": "Grek", "Hebrew": "Hebr", "Bengali": "Beng", "Georgian": "Geor", "Korean": "Hang", "Malayalam": "Mlym",
    "Burmese": "Mymr", "Tamil": "Taml", "Telugu": "Telu", "Thai": "Thai",
}  # fmt: skip
"""ISO 15924 by our names of scripts."""
_FLORES = {"ar": "arb", "zh": "zho"}
"""ISO 639-3 codes in which NLLB differs from Tatoeba."""
FILES = ["*.json", "*.safetensors", "*.model", "*.spm", "*.txt", "README.md"]


def identity(settings: TranslationSettings, language: str) -> str:
    """Model, weights and decoding: what a translation follows from."""
    folder = model_folder(settings, language)
    decoding = f"beams={settings.beams} max_length={settings.max_length}"
    return f"{settings.name(language)} {fingerprint(folder)} {decoding}"


def card_licence(settings: TranslationSettings, language: str) -> str:
    """`license` in the front matter of the model's card; "" where it is not stated."""
    card = model_folder(settings, language) / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    stated = re.search(r"^license:\s*(?:\n\s*-\s*)?([\w.+-]+)", front[1], re.MULTILINE) if front else None
    return stated[1].strip() if stated else ""


def model_folder(settings: TranslationSettings, language: str) -> Path:
    """The model's folder: itself, or the hub's snapshot. Raises UserError where it cannot be had."""
    return _folder(settings.name(language), settings.revision)


@lru_cache(maxsize=64)
def _folder(name: str, revision: str) -> Path:
    if Path(name).is_dir():
        return Path(name).resolve()
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UserError(
            f"no such translation model: {name}", fix="translate.model is a folder or a hub id (owner/name)"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except Exception as error:
        fix = f"on a machine with network: hf download {name} --local-dir DIR; then --set translate.model=DIR"
        raise UserError(
            f"the translation model {name} could not be fetched: {type(error).__name__}", fix=fix
        ) from error


def translate(texts: Sequence[str], target: str, settings: TranslationSettings, device: str) -> list[str]:
    """Translations from English, in order; texts of like length go through the model together.

    Raises UserError for a model that does not know the target language, or cannot be read.
    """
    import torch

    tokenizer, model, place = _loaded(model_folder(settings, target), device)
    prefix, begin = _told(tokenizer, target, settings)
    prefixed = [f"{prefix}{text}" for text in texts]
    lengths = [
        len(ids) for ids in tokenizer(prefixed, truncation=True, max_length=settings.max_length)["input_ids"]
    ]
    order = sorted(range(len(texts)), key=lambda number: -lengths[number])
    found = [""] * len(texts)
    while order:
        size = max(1, settings.batch_tokens // max(1, lengths[order[0]] * settings.beams))
        batch, order = order[:size], order[size:]
        inputs = tokenizer(
            [prefixed[number] for number in batch],
            return_tensors="pt", padding=True, truncation=True, max_length=settings.max_length,
            return_token_type_ids=False,
        ).to(place)  # fmt: skip
        longest = min(settings.max_length, 2 * lengths[batch[0]] + 16)
        with torch.inference_mode():
            made = model.generate(
                **inputs, num_beams=settings.beams, do_sample=False, max_new_tokens=longest,
                **({} if begin is None else {"forced_bos_token_id": begin}),
            )  # fmt: skip
        for number, text in zip(batch, tokenizer.batch_decode(made, skip_special_tokens=True), strict=True):
            found[number] = text.strip()
    return found


def _told(tokenizer: Any, target: str, settings: TranslationSettings) -> tuple[str, int | None]:
    """What is put before each text, and the token that begins each answer."""
    vocabulary = tokenizer.get_vocab()
    language = LANGUAGES.get(target)
    iso3 = _FLORES.get(target, language.iso3) if language else target
    for token in (f"<2{target}>", f">>{target}<<", f">>{iso3}<<"):
        if token in vocabulary:
            return f"{token} ", None
    beginnings = _beginnings(target, vocabulary)
    if beginnings:
        if hasattr(tokenizer, "src_lang"):
            sources = _beginnings("en", vocabulary)
            tokenizer.src_lang = sources[0].strip("_") if sources else "en"
        return "", vocabulary[beginnings[0]]
    if _beginnings("en", vocabulary) or any(re.fullmatch(r"<2\w+>|>>\w+<<", token) for token in vocabulary):
        raise UserError(f"the translation model does not know {target!r}", where=settings.name(target))
    return "", None


def _beginnings(code: str, vocabulary: Any) -> list[str]:
    """Tokens for a language that begin an answer: M2M-100's, NLLB's, mBART's."""
    language = LANGUAGES.get(code)
    known = [f"__{code}__"]
    if language is not None:
        known.append(f"{_FLORES.get(code, language.iso3)}_{_SCRIPTS.get(language.script, '')}")
    known += sorted(token for token in vocabulary if re.fullmatch(rf"{code}_[A-Z]{{2}}", token))
    return [token for token in known if token in vocabulary]


@lru_cache(maxsize=2)
def _loaded(folder: Path, device: str) -> tuple[Any, Any, str]:
    """Tokeniser and model, in evaluation mode."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from xfer.core.encoders.device import choose

    place = str(choose(device or None).torch_device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=False, use_safetensors=True)
    except Exception as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"the translation model cannot be read: {told}",
            where=str(folder),
            fix="it must be a sequence-to-sequence model with safetensors and its tokeniser's files",
        ) from error
    return tokenizer, model.eval().to(place), place
