"""The report's page in a real browser: it says what the record says, and asks nothing of a network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.model import records
from harness.report import page
from tests import browser, sample_runs

pytestmark = pytest.mark.skipif(
    browser.program() is None, reason="no Chromium on this machine; on Debian: apt-get install -y chromium"
)
WIDE, NARROW = 1280, 420
ROWS = 380
LINES = "[...document.querySelectorAll('#cells > tbody')].filter(row => row.offsetHeight > 0).length"
SIZES = {
    "overflow": "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    "beyond": """[...document.querySelectorAll('main *:not(svg *)')]
        .filter(part => part.getBoundingClientRect().right > innerWidth + 1 && !part.closest('.scroll')
            && getComputedStyle(part.closest('thead') || part).position !== 'absolute')
        .slice(0, 3).map(part => part.outerHTML.slice(0, 80))""",
}
# Every text of a picture must end inside the picture, in the browser's own font.
TEXTS = """[...document.querySelectorAll('details[open] svg, .failure svg')]
    .flatMap(drawn => [...drawn.querySelectorAll('text')]
    .filter(text => text.getBBox().x + text.getBBox().width > drawn.viewBox.baseVal.width)
    .map(text => text.textContent))"""
# The contrast of text with what is behind it, by the formula of WCAG 2.
CONTRAST = """(() => {
  const parts = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return {r, g, b, a}; };
  const light = ({r, g, b}) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = part => { for (; part; part = part.parentElement) {
    const found = parts(getComputedStyle(part).backgroundColor); if (found.a) return found; }
    return {r: 255, g: 255, b: 255}; };
  const ratio = part => {
    const [a, b] = [light(parts(getComputedStyle(part).color)), light(behind(part))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); };
  return [...document.querySelectorAll('h1, h2, p, dt, dd, th, td, small, i, a, summary, .mark, .alert, code')]
    .slice(0, 600).filter(part => ratio(part) < 4.5).map(part => part.className + ' ' + part.textContent.slice(0, 40));
})()"""


def saved(record: records.RunRecord, folder: Path) -> Path:
    """The page of a record, as a file."""
    path = folder / "report.html"
    path.write_text(page.render(record), encoding="utf-8", errors="backslashreplace")
    return path


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_red_page_is_whole_and_readable(tmp_path: Path, width: int, dark: bool) -> None:
    """Every line is there, a failing cell's picture is drawn, nothing is cut off or pale, and no network is asked."""
    path = saved(sample_runs.red(), tmp_path)
    seen = browser.look(
        path,
        {
            "lines": LINES,
            "outcome": "document.querySelector('h1').textContent",
            "picture": "document.querySelector('.failure svg').getBoundingClientRect().height",
            "faint": CONTRAST,
            "open": "document.querySelectorAll('#cells details')[8].open = true",
            "texts": TEXTS,
            **SIZES,
        },
        profile=tmp_path / "profile",
        width=width,
        dark=dark,
    )
    assert seen.complaints == ()
    assert seen.requests == (path.as_uri(),)
    assert (seen.values["outcome"], seen.values["lines"]) == ("ERROR", ROWS)
    assert seen.values["picture"] > 100
    assert seen.values["overflow"] <= 0
    assert seen.values["beyond"] == []
    assert seen.values["texts"] == []
    assert seen.values["faint"] == []


def test_filters_and_links_lead_to_what_failed(tmp_path: Path) -> None:
    """Only failing lines are shown when asked for, and a failure's link opens its line with pictures and evidence."""
    choose = "(name, value) => { const part = document.forms[0].elements[name]; part.value = value;"
    choose += " document.forms[0].dispatchEvent(new Event('input')); }"
    opened = "document.querySelector(location.hash + ' details')"
    seen = browser.look(
        saved(sample_runs.red(), tmp_path),
        {
            "choose": f"window.choose = {choose}; 1",
            "failed": f"choose('state', 'bad'), {LINES}",
            "pods": f"choose('client', 'pod'), {LINES}",
            "udp": f"choose('protocol', 'UDP'), {LINES}",
            "said": "document.getElementById('shown').textContent",
            "click": "document.querySelector('.failure a').click(), new Promise(done => setTimeout(done, 200))",
            "open": f"{opened}.open",
            "pictures": f"[...{opened}.querySelectorAll('svg')].filter(drawn => drawn.getBBox().height > 100).length",
            "visible": f"Math.abs({opened}.closest('tbody').getBoundingClientRect().top) < innerHeight",
        },
        profile=tmp_path / "profile",
        width=WIDE,
    )
    assert (seen.values["failed"], seen.values["pods"], seen.values["udp"]) == (41, 8, 2)
    assert seen.values["said"] == "2 of 380 lines"
    assert (seen.values["open"], seen.values["pictures"], seen.values["visible"]) == (True, 3, True)
    assert seen.complaints == ()


def test_no_script_of_a_cluster_runs(tmp_path: Path) -> None:
    """A record that tries to put a script, a picture and a handler into the page shows them as text."""
    hostile = "</script><script>window.caught = 1</script><img src=//example.invalid/x onerror='window.caught = 2'>"
    record = dataclasses.replace(
        sample_runs.interrupted(), description=hostile, interrupted=hostile, skipped={hostile: hostile}
    )
    path = saved(record, tmp_path)
    seen = browser.look(
        path,
        {
            "caught": "String(window.caught)",
            "shown": "document.body.textContent.includes('window.caught = 1')",
            **SIZES,
        },
        profile=tmp_path / "profile",
        width=NARROW,
    )
    assert (seen.values["caught"], seen.values["shown"]) == ("undefined", True)
    assert seen.requests == (path.as_uri(),)
    assert seen.values["overflow"] <= 0
