"""How the command line answers mistakes: three lines, what, where, how to mend it."""

import shlex
from collections.abc import Sequence
from typing import Any

from xfer.core.errors import Problems, UserError, XferError, near


def answered(error: XferError, arguments: Sequence[str]) -> str:
    """An error as it is printed; a user's mistake says where and how to mend it even where its source did not."""
    problems = error.problems if isinstance(error, Problems) else (error,)
    for problem in problems:
        if isinstance(problem, UserError):
            if problem.where in ("", "--set"):
                problem.where = (
                    _place(getattr(problem, "name", ""), arguments) or problem.where or command(arguments)
                )
            problem.fix = problem.fix or f"see `{command(arguments)} --help`"
    return "\n".join(f"error: {problem}" for problem in problems)


def refused(error: Any, arguments: Sequence[str]) -> str:
    """What the parser refuses (a click exception), in the same form."""
    said = " ".join(error.format_message().split())
    for mark in ("Did you mean", "(Possible options:"):
        said = said.partition(mark)[0].rstrip()
    context = getattr(error, "ctx", None)
    place = context.command_path if context else command(arguments)
    option = getattr(error, "option_name", None)
    names = [name for one in context.command.params for name in one.opts] if context else []
    word = option or next((word for word in arguments if f"'{word}'" in said), "")
    known = names if option else list(getattr(context.command, "commands", {})) if context else []
    close = near(word, known)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return str(UserError(said.rstrip("."), place, f"{hint}`{place} --help` lists what there is"))


def command(arguments: Sequence[str]) -> str:
    """The command's own words: `xfer`, and those before the first option or value."""
    from typer.main import get_command

    from xfer import cli

    words, found = ["xfer"], get_command(cli.app)
    for word in arguments:
        if word in getattr(found, "commands", {}):
            words.append(word)
            found = found.commands[word]  # type: ignore[attr-defined]
        elif not word.startswith("-"):
            break
    return " ".join(words)


def _place(name: str, arguments: Sequence[str]) -> str:
    """The option and value that hold a name; "" where none does."""
    for place, word in enumerate(arguments):
        if name and name in word:
            before = arguments[place - 1] if place else ""
            return shlex.join([before, word]) if before.startswith("--") and not word.startswith("-") else word
    return ""
