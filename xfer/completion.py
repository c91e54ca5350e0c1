"""Shell completion of names: what is installed, without torch. Install it with `xfer --install-completion`."""

from collections.abc import Iterable

from xfer import bootstrap

KINDS = ("tasks", "strategies", "suites", "models")


def _listed(kind: str, incomplete: str) -> list[tuple[str, str]]:
    """Names that begin like this, with their summaries; of a list with commas its last part is completed."""
    before, comma, last = incomplete.rpartition(",")
    return [
        (f"{before}{comma}{name}", record.summary)
        for name, record in getattr(bootstrap.load(), kind).items()
        if name.startswith(last)
    ]


def tasks(incomplete: str) -> list[tuple[str, str]]:
    """Names of tasks."""
    return _listed("tasks", incomplete)


def strategies(incomplete: str) -> list[tuple[str, str]]:
    """Names of strategies."""
    return _listed("strategies", incomplete)


def suites(incomplete: str) -> list[tuple[str, str]]:
    """Names of suites."""
    return _listed("suites", incomplete)


def models(incomplete: str) -> list[tuple[str, str]]:
    """Names of models; folders and hub ids are not listed."""
    return _listed("models", incomplete)


def presets(incomplete: str) -> list[tuple[str, str]]:
    """Names of presets, with the suites that have them."""
    found: dict[str, list[str]] = {}
    for suite in bootstrap.load().suites:
        for preset in suite.presets:
            found.setdefault(preset, []).append(suite.name)
    return [(name, ", ".join(owners)) for name, owners in sorted(found.items()) if name.startswith(incomplete)]


def languages(incomplete: str) -> list[tuple[str, str]]:
    """Codes of the languages that some task is evaluated in."""
    from xfer.core.languages import LANGUAGES

    before, comma, last = incomplete.rpartition(",")
    codes: Iterable[str] = sorted({code for task in bootstrap.load().tasks for code in task.languages})
    return [
        (f"{before}{comma}{code}", LANGUAGES[code].name if code in LANGUAGES else "")
        for code in codes
        if code.startswith(last)
    ]


def checkable(incomplete: str) -> list[tuple[str, str]]:
    """Names of tasks and strategies, for `xfer doctor`."""
    return [*tasks(incomplete), *strategies(incomplete)]
