"""How things are computed: the `engine.*` and `translate.*` parts of `--set`."""

from typing import Literal

from pydantic import Field

from xfer.core.record import Record


class EngineSettings(Record):
    """How things are computed. `padding` and `precision` touch numbers and belong to a phase's identity."""

    padding: Literal["none", "max"] = "none"
    """"none" lays sequences end to end; "max" pads each to the longest allowed length, as a control."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """"auto": bfloat16 autocast on CUDA, float32 elsewhere."""
    evaluation_tokens: int = Field(16384, ge=64)
    """Tokens in one evaluation batch."""
    step: Literal["auto", "plain", "flat", "recorded"] = "auto"
    """"plain": torch's AdamW; "flat": one update over flat buffers; "recorded": flat, and whole steps replayed as
    CUDA graphs. "auto": recorded on CUDA with a variable-length kernel, plain elsewhere."""
    embedding: Literal["auto", "full", "compact"] = "auto"
    """"compact" trains only the rows that occur, which is exact ("full" in masked LM); "auto": so on CUDA."""
    products: Literal["auto", "torch", "onednn"] = "auto"
    """What computes the matrix products of larger linear layers on a CPU in float32: the library that torch calls,
    or oneDNN; "auto": oneDNN on processors with AVX-512 that are not Intel's, where it is twice as fast."""
    compile: bool = False
    """Whether torch compiles the layers that are trained, on CUDA with a variable-length kernel: a slower start for
    somewhat faster steps."""
    cache_tokens: int = Field(500_000, ge=0)
    """Tokenised data of at least so many tokens are kept in the store."""
    ahead: Literal["auto", "on", "off"] = "auto"
    """Whether a second process tokenises what later phases need, while the first are computed. "auto": from the
    first data of `cache_tokens` tokens on, where a core is idle or the device is no CPU."""
    checkpoint_seconds: float = Field(300.0, ge=0)
    """Seconds between mid-phase checkpoints; 0 saves after every step."""
    log_seconds: float = Field(1.0, gt=0)
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """With several processes: "ddp" gives each the whole model; "fsdp" a part of weights, gradients and moments,
    where the whole fits no single device."""
    allow_pickle: bool = False
    """Whether weights that exist only as pickles may be loaded (they can run code)."""


class TranslationSettings(Record):
    """How texts are translated by machine: the `translate.*` part of `--set`."""

    model: str = ""
    """Hub id or folder of a sequence-to-sequence model; "{source}" and "{target}" become language codes. None is
    built in: choose one whose licence allows what you do."""
    revision: str = "main"
    beams: int = Field(1, ge=1)
    max_length: int = Field(256, ge=8)
    """Tokens in a text and in its translation; longer texts are cut."""
    batch_tokens: int = Field(4096, ge=64)

    def name(self, target: str) -> str:
        """The model's name for a target language, from English."""
        return self.model.replace("{source}", "en").replace("{target}", target)
