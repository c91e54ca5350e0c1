"""A thin face over a fast tokeniser of `transformers`: batch encoding and special ids."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xfer.core.errors import UserError


class Tokeniser:
    """Batch tokenisation with special tokens, truncation and offsets.

    `encode` returns `tokenizers.Encoding` objects: `.ids`, `.offsets` (characters), `.word_ids`,
    `.sequence_ids` (None for special tokens, 0 first text, 1 second), `.overflowing`.
    """

    def __init__(self, fast: Any) -> None:
        if not getattr(fast, "is_fast", False):
            raise UserError(
                "this model has no fast tokeniser (tokenizer.json)",
                where=str(getattr(fast, "name_or_path", "")),
                fix="convert it once with transformers' AutoTokenizer(..., use_fast=True).save_pretrained",
            )
        self.fast = fast
        self.backend = fast.backend_tokenizer
        self.pad_id: int = fast.pad_token_id if fast.pad_token_id is not None else 0
        self.mask_id: int | None = fast.mask_token_id
        self.special_ids: tuple[int, ...] = tuple(sorted(fast.all_special_ids))
        self.size: int = len(fast)
        self.separator: int | None = self._separator()
        self.fingerprint: str = hashlib.sha256(self.backend.to_str().encode()).hexdigest()[:16]

    def _separator(self) -> int | None:
        """The token after which a pair's second text has token type 1 (BERT); None where all types are 0."""
        encoding = self.backend.encode("a", "a")
        types = list(encoding.type_ids)
        return int(encoding.ids[types.index(1) - 1]) if 1 in types else None

    @classmethod
    def load(cls, location: str | Path, revision: str = "main") -> "Tokeniser":
        """From a hub id or a folder; remote code is never run."""
        from transformers import AutoTokenizer

        try:
            fast = AutoTokenizer.from_pretrained(str(location), revision=revision, trust_remote_code=False)
        except Exception as error:  # the libraries raise whatever comes to hand
            told = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise UserError(
                f"the tokeniser cannot be read: {told}", str(location), "save or download it again"
            ) from error
        return cls(fast)

    def encode(
        self,
        texts: Sequence[Any],
        max_length: int | None = None,
        *,
        special: bool = True,
        pretokenised: bool = False,
        offsets: bool = False,
    ) -> list[Any]:
        """Encode texts or (text, pair) tuples in one batch; the longest of a pair is cut first.

        `pretokenised` takes lists of words. Character offsets cost time and are filled only when asked for.
        """
        self.backend.no_padding()
        if max_length is None:
            self.backend.no_truncation()
        else:
            self.backend.enable_truncation(max_length=max_length, strategy="longest_first")
        run = self.backend.encode_batch if offsets or pretokenised else self.backend.encode_batch_fast
        return list(run(list(texts), is_pretokenized=pretokenised, add_special_tokens=special))
