"""docs/tasks.md: a section for every built-in task on real data, as its record has it."""

import os
import re
from pathlib import Path

from xfer.bootstrap import load
from xfer.core.data.sources import copies
from xfer.core.records import Source, TaskSpec
from xfer.plugins.shared import revisions

from .test_tasks import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
SECTION = re.compile(r"<!-- ([a-z0-9-]+) -->\n(.*?)<!-- end -->", re.DOTALL)


def rows_of(task: TaskSpec, split: str) -> str:
    """Published rows of a split: one number, the lowest and highest over languages, or nothing."""
    known = [
        sum(source.counts.get(f"{split}/{code}", 0) for source in task.sources)
        for code in {*task.languages, *task.train_languages}
    ]
    found = sorted(number for number in known if number)
    if not found:
        # Mined texts: what is published are the gold pairs, which only the hub's copy counts.
        last = [list(copies(source))[-1] for source in task.sources]
        found = sorted(n for source in last for key, n in source.counts.items() if key.startswith(f"{split}/"))
    if not found:
        return ""
    return f"{found[0]:,}" if found[0] == found[-1] else f"{found[0]:,} to {found[-1]:,}"


def place(source: Source) -> str:
    """One copy: an original with its addresses, or a data set of the hub with its revision."""
    if source.downloads:
        named = ", ".join(f"<{url}>{' (checked)' if digest else ''}" for url, digest in source.downloads.items())
        return f"original, `{source.hub}`: {named}"
    if source.obtain:
        patterns = " or ".join(f"`{pattern}`" for pattern in source.patterns)
        told = source.obtain[0].upper() + source.obtain[1:]
        return f"your own, `{source.hub}`{': ' + patterns if patterns else ''}. {told}"
    note = f": {source.note}" if source.note else ""
    taken = ", ".join(f"{split} {rows:,}" for split, rows in source.streamed.items())
    streamed = f", streamed: {taken} rows a language" if taken else ""
    return f"hub, `{source.hub}` at `{source.revision}`{streamed}{note}"


def rendered(task: TaskSpec) -> str:
    """What stands between the marks of a task's section."""
    codes = f"{len(task.languages)}: {' '.join(task.languages)}" if len(task.languages) > 1 else task.languages[0]
    facts = {
        "paper": task.citation,
        "licence": task.licence,
        "format": f"`{task.format}`",
        "languages": codes,
        "English training set": f"`{task.training_task}`"
        if task.training_task
        else ("its own" if "en" in task.train_languages else "none"),
        "published rows": "; ".join(
            f"{split} {rows_of(task, split)}" for split in ("train", "dev", "test") if rows_of(task, split)
        ),
        "scored on": task.eval_split,
        "main score": f"`{task.main_score}`",
    }
    lines = [f"{task.summary[0].upper()}{task.summary[1:]}.", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in facts.items() if text]
    for source in task.sources:
        lines += ["", "Rows, first found first taken:" if len(task.sources) == 1 else f"Part `{source.hub}`:", ""]
        lines += [f"{number}. {place(copy)}" for number, copy in enumerate(copies(source), 1)]
    lines += ["", *(f"- {trap}" for trap in task.traps)] if task.traps else []
    return "\n".join([*lines, ""])


def test_the_page_tells_every_task_as_it_is() -> None:
    tasks = {name: load().tasks.get(name) for name in NAMES}
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("XFER_UPDATE_GOLDEN") == "1":
        page = SECTION.sub(lambda m: f"<!-- {m[1]} -->\n{rendered(tasks[m[1]])}<!-- end -->", page)
        PAGE.write_text(page, encoding="utf-8")
    sections = dict(SECTION.findall(page))
    assert sections.keys() == tasks.keys()
    assert len(sections) == 21
    for name, task in tasks.items():
        assert sections[name] == rendered(task), name
        assert f"\n### `{name}`\n" in page


def test_the_page_on_data_names_every_pinned_commit() -> None:
    page = (PAGE.parent / "data.md").read_text(encoding="utf-8")
    named = set(re.findall("`([0-9a-f]{40})`", page))
    assert named == {value for value in vars(revisions).values() if re.fullmatch("[0-9a-f]{40}", str(value))}
    assert len(named) == 11
