"""The reference of hooks: signatures as they are written, who calls them, and examples that the tests run."""

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "plugins"


def cell(value: object) -> str:
    """A value in a cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """A Markdown table, line by line."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(map(cell, row)) + " |"
    yield ""


def hooks_page() -> Iterator[str]:
    """Every hook: kind, exact signature, when it is called, by which module, and an example that the tests run."""
    from xfer.core import hookspecs

    intro = inspect.cleandoc(hookspecs.__doc__ or "").partition("\n\n")[2]
    yield "# Hooks\n"
    yield "A plugin is a module whose functions are marked with `@hookimpl` of `xfer.api`. Every plugin is asked"
    yield "alone; a failure is told with plugin, distribution and version, and stops only what needed its answer.\n"
    yield intro + "\n"
    yield "## Order\n"
    yield "Files of `--plugin` are asked first, then installed packages by distribution and name, then built-ins,"
    yield "core last; `@hookimpl(tryfirst=True)` and `trylast=True` move a plugin among third parties. In a run the"
    yield "hooks are called in this order (`tests/plugins/golden/order.txt`, which a test holds):\n"
    yield "```text\n" + (ROOT / "tests/plugins/golden/order.txt").read_text(encoding="utf-8").rstrip() + "\n```\n"
    specs = _specs(hookspecs)
    yield from table(
        ("hook", "kind", "example"),
        [(f"[`{name}`](#{name})", _kind(text), _where(name)) for name, (_, text) in specs.items()],
    )
    for name, (signature, text) in specs.items():
        yield f"## `{name}`\n"
        yield f"```python\n{signature}\n```\n"
        yield f"{inspect.cleandoc(text)}\n"
        yield f"Called by {', '.join(f'`{caller}`' for caller in _callers(name))}.\n"
        for file, code in _implementations(name):
            yield f"From `examples/plugins/{file}.py`:\n\n```python\n{code}\n```\n"


def _specs(module: Any) -> dict[str, tuple[str, str]]:
    """Hooks in the order of their file: the signature as it is written, and the docstring."""
    found = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("xfer_"):
            returned = ast.unparse(node.returns) if node.returns else "None"
            signature = f"def {node.name}({ast.unparse(node.args)}) -> {returned}: ..."
            found[node.name] = signature, ast.get_docstring(node) or ""
    return found


def _kind(text: str) -> str:
    return text.split(":")[0].split(" ")[0].lower() if not text.startswith("First") else "first result"


def _callers(name: str) -> list[str]:
    """Modules of xfer that ask for a hook by name."""
    asked = re.compile(rf'(collect|first|observe|configure)\(\s*"{name}"')
    table = re.compile(rf'"{name}"\),')
    found = []
    for path in sorted((ROOT / "xfer").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if asked.search(source) or (path.name == "manager.py" and table.search(source)):
            found.append(str(path.relative_to(ROOT)))
    return found


def _where(name: str) -> str:
    return ", ".join(f"`{file}.py`" for file, _ in _implementations(name))


def _implementations(name: str) -> list[tuple[str, str]]:
    found = []
    for path in sorted(EXAMPLES.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                lines = source.splitlines()[node.decorator_list[0].lineno - 1 : node.end_lineno]
                found.append((path.stem, "\n".join(lines)))
    return found[:1]
