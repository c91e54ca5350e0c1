"""The HTML report in a real browser, at the widths of a desktop and a phone."""

import pytest

from tests.compare import stores
from tests.compare.browser import BROWSER, browser
from tests.compare.grid import LABELS, TARGETS, TRAINING, grid
from xfer.core.compare.comparison import compare
from xfer.core.compare.evidence import Evidence
from xfer.core.compare.shown import cut
from xfer.core.compare.significance import Procedure
from xfer.core.reports import render

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")]
HIDDEN = """[...document.querySelectorAll("h1,h2,table,svg,figcaption")].filter(e => !e.closest("details"))
.filter(e => { const box = e.getBoundingClientRect(); return box.width < 20 || box.height < 8 }).length"""
CUT = """[...document.querySelectorAll("table")].filter(e => e.getBoundingClientRect().width > innerWidth + 1)
.filter(e => getComputedStyle(e.parentElement).overflowX != "auto").length"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    dev = {(label, task): 60.0 for label in LABELS for task in TARGETS}
    store = stores.make(folder / "store", grid(), dev, TRAINING)
    formats = {"mini-xnli": "classification", "mini-udpos": "tagging", "mini-tatoeba": "retrieval"}
    comparison = compare(
        grid(),
        training_tasks=TRAINING,
        formats=formats,
        evidence=Evidence((store.root,)),
        procedure=Procedure(resamples=1000),
        against="paper",
    )
    long = tuple(loss.model_copy(update={"text": cut(f"{loss.text} " * 99)}) for loss in comparison.losses)
    comparison = comparison.model_copy(update={"losses": long})
    path = folder / "report.html"
    path.write_text(render(comparison, "html"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_shows_tables_and_charts_and_fetches_nothing(page, report, width, height, dark, tmp_path):
    page.events.clear()
    page.open(report.as_uri(), width, height, dark)
    assert page.fetched() == [report.as_uri()]
    assert page.complaints() == []
    assert page.run("document.querySelectorAll('table').length") > 15
    assert page.run("document.querySelectorAll('svg').length") > 4
    assert page.run(HIDDEN) == 0
    # Wide tables scroll within themselves, never the page.
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run(CUT) == 0
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
    page.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20_000


def test_drill_down_opens_by_click_and_by_keyboard(page, report):
    page.open(report.as_uri(), 1280, 900)
    shown = "document.querySelector('#target-0 details table').checkVisibility()"
    assert page.run(shown) is False
    page.run("document.querySelector('#target-0 summary').click()")
    assert page.run(shown) is True
    assert page.run("document.querySelectorAll('#target-0 details tbody tr').length") == 20
    assert "text of" in page.run("document.querySelector('#target-0 details tbody').innerText")
    page.run("document.querySelector('#seeds summary').focus()")
    for kind in ("keyDown", "keyUp"):
        page.ask(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
        )
    assert page.run("document.querySelector('#seeds details').open")


def test_drilled_down_examples_show_both_predictions_beside_gold_and_fit_a_phone(page, report):
    page.open(report.as_uri(), 390, 844)
    page.run("document.querySelectorAll('section[id^=target] details').forEach(e => e.open = true)")
    heads = page.run("[...document.querySelectorAll('#target-0 details thead th')].map(e => e.innerText)")
    assert heads == [
        "start point", "language", "example", "text", "gold", "prediction", "prediction of none",
    ]  # fmt: skip
    rows = "document.querySelectorAll('section[id^=target] details tbody tr')"
    assert page.run(f"[...{rows}].every(e => e.children.length == 7 && e.children[5].innerText)")
    longest = f"Math.max(...[...{rows}].flatMap(e => [...e.children].map(c => c.innerText.length)))"
    assert 200 < page.run(longest) <= 300
    assert page.run("[...document.querySelectorAll('section[id^=target] details')].every(e => "
                    "e.querySelectorAll('tbody tr').length <= 20)")  # fmt: skip
    # Opened, they scroll within themselves; the page does not.
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run(CUT) == 0


def test_every_link_of_the_page_leads_somewhere(page, report):
    page.open(report.as_uri(), 1280, 900)
    links = page.run("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    assert len(links) >= 7
    missing = (
        "[...document.querySelectorAll('a')].filter(a => !document.querySelector(a.getAttribute('href'))).length"
    )
    assert page.run(missing) == 0


def test_the_page_prints_with_everything_in_colour(page, report):
    page.open(report.as_uri(), 1280, 900)
    pages = page.ask("Page.printToPDF", printBackground=True)["data"]
    assert len(pages) > 20_000
