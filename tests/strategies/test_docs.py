"""docs/strategies.md: a section for every built-in strategy, with its citation, parameters and plan."""

import ast
import inspect
import os
import re
import textwrap
from pathlib import Path

from xfer.api import Strategy
from xfer.core.manager import PluginManager
from xfer.testing import plan_text
from xfer.testing.samples import TRAINABLE, contexts

PAGE = Path(__file__).parents[2] / "docs" / "strategies.md"
UPDATE = "XFER_UPDATE_GOLDEN"
SECTION = re.compile(r"<!-- ([a-z-]+) -->\n(.*?)<!-- end -->", re.DOTALL)


def told(record: type) -> dict[str, str]:
    """What the source says of each field, in one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(record)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    said: dict[str, str] = {}
    name = ""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            said[name] = ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            said[name] = " ".join(str(node.value.value).split())
    return said


def rendered(strategy: Strategy) -> str:
    """What stands between the marks of a strategy's section."""
    fields = strategy.params.model_fields
    lines = [f"{strategy.citation}.", ""]
    if fields:
        lines += ["| parameter | default | |", "|---|---|---|"]
        for name, text in told(strategy.params).items():
            default = fields[name].get_default(call_default_factory=True)
            shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
            lines.append(f"| `{name}` | {f'`{shown}`' if shown else ''} | {text.replace('|', '/')} |")
        lines.append("")
    plan = plan_text(strategy.plan(contexts()[TRAINABLE.name], strategy.params()))
    return "\n".join([*lines, "```text", textwrap.dedent(plan).rstrip(), "```", ""])


def test_the_page_tells_every_strategy_as_it_is(xfer_manager: PluginManager) -> None:
    strategies = {strategy.name: strategy for strategy in xfer_manager.registry(Strategy)}
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get(UPDATE) == "1":
        page = SECTION.sub(lambda m: f"<!-- {m[1]} -->\n{rendered(strategies[m[1]])}<!-- end -->", page)
        PAGE.write_text(page, encoding="utf-8")
    sections = dict(SECTION.findall(page))
    assert sections.keys() == strategies.keys()
    for name, strategy in strategies.items():
        assert sections[name] == rendered(strategy), name
        assert f"\n## `{name}`\n" in page
