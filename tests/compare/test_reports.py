"""Every format: golden texts, the same numbers, and names that mean harm."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from tests.compare import grid as made
from tests.compare import stores
from tests.compare.grid import TARGETS, TRAINING, grid, row
from xfer.core.compare.comparison import compare
from xfer.core.compare.evidence import Evidence
from xfer.core.compare.significance import Loss, Procedure, Verdict
from xfer.core.errors import UnknownName
from xfer.core.records import Problem
from xfer.core.reports import FORMATS, html, html_style, latex, render, table
from xfer.core.reports.extra_grids import all_grids
from xfer.core.reports.grids import Entry, Grid, Line, clean, headline_grids, number, signed
from xfer.core.reports.notes import notes

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "XFER_UPDATE_GOLDEN"
"""Set to 1 to write the golden texts anew; look at the difference before committing it."""


SQUAD = "english-stilts[intermediate=mini-squad-v1]"
FORMATS_OF = {"mini-xnli": "classification", "mini-pawsx": "classification", "mini-udpos": "tagging",
              "mini-tatoeba": "retrieval"}  # fmt: skip


def cells():
    """Rows of two seeds and three labels, one of which lacks a target and a language."""
    gone = {(SQUAD, "mini-udpos", "en"), (SQUAD, "mini-udpos", "de"), (SQUAD, "mini-xnli", "zh")}
    return [r for r in grid(seeds=(0, 1)) if (r.label, r.task, r.language) not in gone]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """A store with the phases of `cells()`: English dev scores for mini-xnli only."""
    dev = {("english-stilts", "mini-xnli"): 70.0, (SQUAD, "mini-xnli"): 71.5}
    return Evidence((stores.make(tmp_path_factory.mktemp("store"), cells(), dev, TRAINING).root,))


def sample(evidence):
    """All that a report can show: a language nobody has, a problem, tests, losses, costs, published numbers."""
    return compare(
        cells(),
        training_tasks=TRAINING,
        formats=FORMATS_OF,
        evidence=evidence,
        procedure=Procedure(resamples=2000),
        against="paper",
        by="family",
        provenance={"commands": ("xfer run --seeds 0,1",), "licences": ("mini-xnli: CC0-1.0",)},
        languages={**{name: target[1] for name, target in TARGETS.items()}, "mini-udpos": ("en", "de", "tr")},
        notes=["Suite mini is a demonstration."],
        problems=[Problem(stage="data", message="no rows for tr", where="mini-udpos")],
    )


def rounded(text):
    """Numbers to nine digits: the last ones depend on the order in which a processor adds."""
    return re.sub(r"\d+\.\d{6,}(e-?\d+)?", lambda found: f"{float(found[0]):.9g}", text)


@pytest.mark.parametrize("format", FORMATS)
def test_golden_texts(format, evidence):
    path, text = GOLDEN / f"sample.{format}", render(sample(evidence), format)
    if os.environ.get(UPDATE) == "1":
        path.write_text(text, encoding="utf-8")
    assert rounded(text) == rounded(path.read_text(encoding="utf-8")), (
        f"if this is meant: {UPDATE}=1 pytest tests/compare"
    )


def test_an_unknown_format_is_refused_with_near_names(evidence):
    with pytest.raises(UnknownName, match="no report format named 'markdwn'") as caught:
        render(sample(evidence), "markdwn")
    assert caught.value.fix == "did you mean markdown?"


def test_numbers_have_one_decimal_and_differences_a_sign():
    assert [number(value) for value in (0, 12.34, 99.96, -0.04, None)] == ["0.0", "12.3", "100.0", "0.0", "–"]
    assert [signed(value) for value in (1.25, -1.26, 0.0, -0.04)] == ["+1.2", "-1.3", "+0.0", "+0.0"]


def test_every_number_of_the_grids_is_in_every_readable_format(evidence):
    comparison = sample(evidence)
    entries = [e for g in all_grids(comparison) for line in g.lines for e in line.entries if e.value is not None]
    assert len(entries) > 80
    expected = {number(e.value) for e in entries} | {signed(e.delta) for e in entries if e.delta is not None}
    for format in ("table", "markdown", "html", "latex"):
        found = set(re.findall(r"[+-]?\d+\.\d\b", render(comparison, format)))
        assert expected <= found, format
    records = list(csv.DictReader(io.StringIO(render(comparison, "csv"))))
    means = {
        (r["label"], r["target"]): float(r["value"]) for r in records if r["language"] == "(mean)" and r["value"]
    }
    assert len(means) == 11 + 2  # the row of the best intermediate has one target and an average
    for name, label in json.loads(render(comparison, "json"))["strategies"].items():
        assert means[name, "(average)"] == label["average"]
        for target, score in label["targets"].items():
            assert means[name, target] == score["mean"]


# ---------------------------------------------------------------- best, width


def test_the_best_is_among_those_scored_on_the_same():
    rows = [row("none", "mini-xnli", code, value=50) for code in ("en", "de", "zh")]
    rows += [row("english-stilts", "mini-xnli", code, value=49) for code in ("en", "de", "zh")]
    rows += [row("easy", "mini-xnli", "en", value=90)]
    headline = all_grids(compare(rows))[0]
    best = [line.name for line in headline.lines if line.entries[0].best]
    assert best == ["none"]
    equal = all_grids(compare([*rows[:3], *(r.model_copy(update={"value": 50.0}) for r in rows[3:6])]))[0]
    assert not any(entry.best for line in equal.lines for entry in line.entries)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_tables_fit_the_terminal(width, monkeypatch):
    many = ("en", *(f"l{n:02}" for n in range(39)))
    for name in ("mini-one", "mini-other"):
        monkeypatch.setitem(made.TARGETS, name, ("f1", many, 10.0, 20.0))
    comparison = compare(grid(seeds=(0,), targets=("mini-one", "mini-other")))
    text = table.render(comparison, width)
    assert max(map(len, text.splitlines())) <= width
    assert all(re.search(rf"\b{code}\b", text) for code in many)
    assert "(continued)" in text


def test_long_names_of_columns_wrap_before_the_table_is_cut():
    names = tuple(f"mean of structured prediction {number}" for number in range(8))
    comparison = compare(grid(seeds=(0,)))
    line = Line(name="none", entries=tuple(Entry(value=12.5, delta=1.0) for _ in names))
    parts = list(table._parts(Grid(title="means", columns=names, lines=(line,)), 120))
    assert len(parts) == 1
    text = table.render(comparison, 80)
    assert max(map(len, text.splitlines())) <= 80
    (short,) = table._parts(Grid(title="means", columns=("mean rank",), lines=(line,)), 120)
    assert str(short.columns[1].header) == "mean rank", "no line break without need"


def test_a_floor_that_several_labels_do_not_exceed_is_one_note():
    rows = [row.model_copy(update={"chance": 99.0}) for row in grid(seeds=(0,))]
    told = [note for note in notes(compare(rows)) if "not above" in note]
    assert len(told) == len(compare(rows).targets)
    assert all(note.endswith(": every label") for note in told)


def test_differences_have_their_own_spread_over_seeds():
    """Both labels' scores move by 10 between the seeds, and together: the difference hardly moves."""
    values = {("none", 0): 40.0, ("none", 1): 50.0, ("x", 0): 43.0, ("x", 1): 54.0}
    rows = [row(label=label, seed=seed, value=value) for (label, seed), value in values.items()]
    comparison = compare(rows)
    (grid_,) = [grid for grid in all_grids(comparison) if grid.title.startswith("Differences from none")]
    assert {entry.text for entry in grid_.lines[0].entries} == {"+3.5 ±0.7"}
    alone = compare([one for one in rows if one.seed == 0])
    assert not any(grid.title.startswith("Differences from none") for grid in all_grids(alone))


def test_means_over_targets_carry_the_marks_of_their_parts():
    """Who reads the average alone must see that it is not zero-shot."""
    rows = [one.model_copy(update={"sees": ("de",)}) for one in grid(seeds=(0,)) if one.label != "none"]
    comparison = compare([*rows, *(one for one in grid(seeds=(0,)) if one.label == "none")])
    for grid_ in headline_grids(comparison)[:2]:
        marks = {line.name: line.entries[-1].marks for line in grid_.lines if line.kind == "label"}
        assert "§" not in marks.pop("none")
        assert all("§" in found for found in marks.values())


def test_what_shows_as_zero_has_no_colour_of_gain_or_loss():
    assert html._change(Entry(delta=-0.01), 9.0) == html._change(Entry(delta=0.01), 9.0)
    cells = {html._cell(Entry(value=1.0, delta=delta), "", deltas=True) for delta in (-0.01, 0.0, 0.01)}
    assert len(cells) == 1
    assert "down" not in cells.pop()


def test_a_terminal_gets_bold_and_the_brief_tables_are_the_targets_means(evidence):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    table.show(sample(evidence), console, brief=True)
    text = console.file.getvalue()
    assert "\x1b[1m" in text
    assert "Bold is the best" in text
    plain = table.render(sample(evidence), brief=True)
    assert plain.count("\nchance") == plain.count("\nheuristic") == 2
    assert "not above" in plain or "- every zero-shot mean exceeds" in plain
    for title in ("by language", "Transfer gap", "Worst", "Wins", "Cost over", "mean of question"):
        assert title not in plain


def test_tables_on_stdout_are_as_wide_as_the_terminal(evidence, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    table.print_out(sample(evidence))
    assert capsys.readouterr().out == table.render(sample(evidence), 60)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    table.print_out(sample(evidence), brief=True)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 60
    assert [line.rstrip() for line in shown.splitlines() if "Bold" not in line] == [
        line.rstrip() for line in table.render(sample(evidence), 60, brief=True).splitlines()
    ]


# ---------------------------------------------------------------- names that mean harm

HOSTILE = (
    '<script>alert("1")</script>',
    '=HYPERLINK("http://evil",1)',
    "+1|2|`rm`|**b**",
    "-[red]x[/red] [link](http://evil) ![i](x)",
    "@SUM(A1)\t\r\n=1",
    r"\input{/etc/passwd} $x$ % & # _ ~ ^ {} \\ --- \end{tabular}",
    "\x1b[31mred\x1b[0m\x07\u202eevil\u2066",
    "' onmouseover='alert(1)",
    "# heading\n- item &amp; www.evil.example",
    "1. one *_y_* <b>b</b> \ud800 中文",
)


def hostile(name):
    rows = [row("none", name, language, value=50.0) for language in ("en", "de")]
    rows += [row(name, name, language, value=51.0, intermediate=name, run=name) for language in ("en", "de")]
    rows += [row(name, name, "de", seed=1, value=50.0, intermediate=name, run=name)]
    return compare(rows, notes=[name], problems=[Problem(stage="data", message=name, where=name)])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_cannot_steer_a_terminal(name):
    text = table.render(hostile(name), 160)
    text.encode("utf-8")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    # No markup of rich is obeyed: the whole name is there, brackets and all.
    assert re.sub(r"\s", "", clean(name)) in re.sub(r"\s", "", text)


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


TAGS = (
    "html head meta title style body main section h1 h2 p nav a div table caption thead tbody tr th td b small "
    "ul li dl dt dd code details summary wbr figure figcaption svg g path circle text"
)
MARKDOWN_TAGS = "h1 h2 table thead tbody tr th td p br ul li strong em"
ATTRIBUTES = (
    "lang charset name content http-equiv href aria-label class role tabindex scope id open "
    "viewbox d x y cx cy r text-anchor transform"
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_in_html(name):
    text = render(hostile(name), "html")
    text.encode("utf-8")
    page = Page()
    page.feed(text)
    assert page.tags <= set(TAGS.split())
    assert {key for key, _ in page.attributes} <= set(ATTRIBUTES.split())
    assert any(clean(name) in part for part in page.text)
    assert all(value.startswith("#") for key, value in page.attributes if key == "href")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_in_markdown(name):
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    document = render(hostile(name), "markdown")
    page = Page()
    page.feed(parser.render(document))
    assert page.tags == set(MARKDOWN_TAGS.split())
    assert {key for key, _ in page.attributes} <= {"style"}
    # As a cell, as an item of a list and as a column.
    assert sum(part.strip() == clean(name).strip() for part in page.text) >= 6
    assert not re.search(r"(?<!\\)www\.|(?<!\\)://", document)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_in_latex(name):
    escaped = latex.escape(name)
    left = re.sub(r"\\(?:[#$%&_{}]|text[a-z]+\{\}|d?dag\{\})", "", escaped)
    left = left.replace("{[}", "").replace("{]}", "").replace("{*}", "").replace("-{}", "").replace(r"$\pm$", "")
    assert not re.search(r"[\\#$%&_{}~^<>|\[\]*]", left)
    assert "--" not in escaped
    assert all(ord(character) < 0x100 for character in escaped)
    document = render(hostile(name), "latex")
    assert document.count(r"\begin{tabular}") == document.count(r"\end{tabular}") == 7
    assert "\\input" not in document


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_no_formulas_in_a_spreadsheet(name):
    records = list(csv.reader(io.StringIO(render(hostile(name), "csv"))))
    assert len({len(record) for record in records}) == 1
    for record in records:
        for field in record:
            assert not field.lstrip().startswith(("=", "+", "@"))
            assert not field.startswith("-") or float(field) < 0
    assert any(clean(name) in record[0] for record in records)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_survive_json(name):
    text = render(hostile(name), "json")
    assert text.isascii()
    assert name in json.loads(text)["strategies"]


# ---------------------------------------------------------------- the page


def test_the_page_fetches_and_runs_nothing(evidence):
    text = render(sample(evidence), "html")
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert not re.search(r"<script|<link|<img|<iframe|https?:|url\(|@import|\bon[a-z]+=", text)


def test_table_headers_have_scopes_and_captions(evidence):
    text = render(sample(evidence), "html")
    # Headline, extra grids, groups of languages, scores and differences and examples by target, seeds.
    assert text.count("<table>") == text.count("<caption") == 3 + 9 + 3 + 3 * 3 + 1
    assert all("scope=" in head for head in re.findall(r"<th\b[^>]*>", text))


def _luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one, other):
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_every_background(scheme):
    grounds = [html_style.PAPER[scheme], *html_style.SCORES[scheme], *html_style.GAINS[scheme]]
    grounds += html_style.LOSSES[scheme]
    assert len(grounds) == 1 + html_style.SCORE_STEPS + 2 * html_style.GAIN_STEPS
    assert min(_contrast(html_style.INK[scheme], ground) for ground in grounds) >= 4.5
    accents = [html_style.ACCENTS[scheme][name] for name in ("up", "down", "quiet")]
    assert min(_contrast(accent, html_style.PAPER[scheme]) for accent in accents) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colour_scales_rise_evenly_in_lightness(scheme):
    for scale in (html_style.SCORES[scheme], html_style.GAINS[scheme], html_style.LOSSES[scheme]):
        steps = [_contrast(colour, html_style.PAPER[scheme]) for colour in scale]
        assert steps == sorted(steps)
        assert len(set(steps)) == len(steps)


def test_a_large_page_stays_small(monkeypatch):
    many = ("en", *(f"l{n:02}" for n in range(39)))
    names = ["none", *(f"english-stilts[intermediate=task-{n}]" for n in range(9))]
    for n in range(9):
        monkeypatch.setitem(made.TARGETS, f"task-{n}", ("f1", many, 10.0, 20.0))
    for name in names:
        monkeypatch.setitem(made.LABELS, name, ("english-stilts", name, 1.0))
    comparison = compare(grid(seeds=(0,), labels=names, targets=tuple(f"task-{n}" for n in range(9))))
    fields = {"id": "example-123", "seed": 0, "points": 0, "base_points": 100, "text": "x" * 300, "gold": "y" * 80}
    fields |= {"prediction": "z" * 80, "base_prediction": "z" * 80, "label": names[1], "language": "l01"}
    losses = tuple(Loss(target=f"task-{n}", **fields) for n in range(9) for _ in range(20))
    tests = tuple(
        Verdict(label=label.label, target=target, language=code, test="bootstrap", difference=1, low=0, high=2,
                p_value=0, adjusted=0, significant=True, n=1000, seeds=5)
        for label in comparison.labels[1:]
        for target, score in label.targets.items()
        for code in score.by_language
    )  # fmt: skip
    comparison = comparison.model_copy(update={"losses": losses, "tests": tests})
    size = len(render(comparison, "html").encode())
    assert size <= 500_000


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path, evidence):
    preamble, *tables = zip(
        *(render(c, "latex").split("\n\n", 1) for c in (sample(evidence), *map(hostile, HOSTILE))), strict=True
    )
    needed = preamble[0].partition(": ")[2]
    document = "\n\\clearpage\n".join(tables[0])
    path = tmp_path / "report.tex"
    path.write_text(
        f"\\documentclass{{article}}{needed}\n\\begin{{document}}\n{document}\n\\end{{document}}\n", "utf-8"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", path.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "report.pdf").exists()
