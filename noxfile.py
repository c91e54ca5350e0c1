"""What a maintainer asks, by name: `nox -s tests`, `nox -s lint`, `nox -s docs`, `nox -s build`."""

import nox

nox.options.sessions = ["lint", "tests", "docs"]
PINNED = ("-c", "constraints.txt")


@nox.session
def tests(session: nox.Session) -> None:
    """The main suite; `nox -s tests -- -m slow` for the slower tests."""
    session.install(*PINNED, "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, import contracts."""
    session.install(*PINNED, "-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """The site, strictly, into build/site; `nox -s docs -- serve` shows it while it is written."""
    session.install(*PINNED, "-e", ".[docs]")
    session.run("mkdocs", *(session.posargs or ["build", "--strict"]))


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and sdist into dist/."""
    session.install(*PINNED, "build")
    session.run("python", "-m", "build")
