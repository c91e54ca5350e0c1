"""xfer: intermediate-task training and its rivals for zero-shot cross-lingual transfer.

The paper: Phang et al., "English Intermediate-Task Training Improves Zero-Shot Cross-Lingual Transfer
Too", AACL 2020, arXiv 2005.13013.

From Python: `xfer.run(...)`, `xfer.compare(...)`, `xfer.evaluate(...)`, `xfer.load_results(...)`; they are loaded
when they are first used.
"""

from typing import TYPE_CHECKING, Any

from xfer.version import __version__

if TYPE_CHECKING:
    from xfer.commands import evaluate, run
    from xfer.results import compare, load_results

__all__ = ["__version__", "compare", "evaluate", "load_results", "run"]
_READ = ("compare", "load_results")


def __getattr__(name: str) -> Any:
    if name in __all__:
        from xfer import commands, results

        return getattr(results if name in _READ else commands, name)
    raise AttributeError(f"module 'xfer' has no attribute {name!r}")
