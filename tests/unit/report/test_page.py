"""The page says everything without a script, asks nothing of a network, and lets nothing of a cluster become markup."""

from __future__ import annotations

import dataclasses
import functools
import re
from html.parser import HTMLParser
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import cells, records, words
from harness.report import findings, folding, page
from harness.report.page import evidence, picture
from tests import builders, sample_runs

HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"


class Structure(HTMLParser):
    """The elements of a page, in order, with their attributes' names; and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.words.append(data)


def told(text: str) -> records.RunRecord:
    """A failing, doubtful and incomplete run in which a cluster says this text wherever it can say something."""
    where = builders.cell()
    pod = dataclasses.replace(builders.CUSTOMER, name=f"customer{text}")
    where = builders.with_destination(where, builders.destination(backends=(pod,)))
    reply = cells.Reply(error=text, latency_ms=1.0, local=(builders.CLIENT, 4))
    account = dataclasses.replace(builders.account(builders.CLIENT), detail=text, backend=text)
    sample = cells.Sample(token=text, reply=reply, accounts=(account,))
    rewrite = cells.Rewrite(node="kind-worker", field="source", before=text, after=text, by=text, evidence=text)
    verdict = dataclasses.replace(
        builders.verdict(builders.cell(), outcome=words.Outcome.FAIL),
        cell=where,
        samples=(sample,),
        reasons=(text,),
        warnings=(text,),
        seen={text: 1},
        rewrites=(rewrite,),
    )
    phase = builders.phase_record(verdicts=(verdict,), trouble=f"x{text}")
    phase = dataclasses.replace(
        phase,
        proof={text: text},
        controls=(records.Control(name=text, held=False, text=text),),
        skipped=(cells.Skipped(phase=phase.phase, row=where.row, reason=words.SkipReason.CAPABILITY, detail=text),),
    )
    return dataclasses.replace(
        builders.run_record(phase),
        provider=f"lab{text}",
        description=text,
        started=text,
        skipped={text: text},
        timings_s={text: 1.0},
        interrupted=f"x{text}",
        environment=(records.Environment(cause=text, where=text, text=text, remedy=text, blocking=True),),
    )


@functools.cache
def _harmless() -> list[tuple[str, tuple[str, ...]]]:
    return Structure(page.render(told("harmless"))).elements


def _without_lines(elements: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    # A longer text takes more lines of a picture, and that is all that it may change.
    return [element for element in elements if element[0] != "text"]


def test_a_hostile_cluster_adds_no_markup() -> None:
    """Pod names, log lines, errors and rules show as the text that they are: no element and no attribute is added."""
    found = Structure(page.render(told(HOSTILE)))
    assert _without_lines(found.elements) == _without_lines(_harmless())
    assert HOSTILE in "".join(found.words)


@settings(max_examples=40, deadline=None)
@given(st.text(st.sampled_from("<>&\"'/=`{}%# -!ascript\\\n\r\t\x00\x1b\u2028\u202e\ud800é")).filter(str.strip))
def test_no_text_adds_markup(text: str) -> None:
    """Whatever a text is made of, the page's elements and attributes stay the same."""
    found = Structure(page.render(told(text)).encode("utf-8", "backslashreplace").decode())
    assert _without_lines(found.elements) == _without_lines(_harmless())


def test_it_asks_nothing_of_any_network() -> None:
    """No element loads anything, no link leaves the page, and the policy forbids the rest."""
    text = page.render(sample_runs.red())
    found = Structure(text)
    names = {name for _, attributes in found.elements for name in attributes}
    assert not names & {"src", "srcset", "action", "data", "background", "style", "onclick", "onerror"}
    assert not {tag for tag, _ in found.elements} & {"link", "img", "iframe", "object", "base"}
    assert all(target.startswith("#cell-") for target in re.findall(r'href="([^"]*)"', text))
    assert "default-src 'none'" in text
    assert "url(" not in text
    assert "@import" not in text


@pytest.fixture(scope="module")
def red() -> str:
    """The page of a red run."""
    return page.render(sample_runs.red())


def test_a_whole_matrix_stays_small(red: str) -> None:
    """A page of all cells can be attached to a ticket."""
    assert len(red.encode()) < 6_000_000


def test_every_cell_has_its_line_and_its_picture(red: str) -> None:
    """All 380 places of all rows, with a picture for each of three phases and one for each failure on top."""
    assert red.count("<tbody role=") == 380
    assert red.count("<svg ") == 3 * 380 + red.count('<section class="failure">')


def test_links_lead_to_lines_that_are_there(red: str) -> None:
    """From a failure to its cells."""
    targets = set(re.findall(r'href="#(cell-\d+)"', red))
    assert targets
    assert targets <= set(re.findall(r'id="(cell-\d+)"', red))


@pytest.mark.parametrize(
    ("record", "parts"),
    [
        (sample_runs.red, ("This is the lab, not Calico:", "What failed", "1 of 20 OTHERWISE", "dual-stack")),
        (sample_runs.invalid, ("<h1>INVALID</h1>", "makes the run INVALID", "did NOT hold", "docker masquerade")),
        (sample_runs.interrupted, ("<h1>ERROR</h1>", "SIGINT during ebpf", "Never ran:</b> ebpf, reverted")),
    ],
)  # fmt: skip
def test_what_happened_is_said_in_words(record: object, parts: tuple[str, ...]) -> None:
    """Outcome, environment, controls and what never ran are readable without colour and without a script."""
    assert callable(record)
    text = page.render(record())
    for part in parts:
        assert part in text


def test_a_run_without_a_phase_has_a_page() -> None:
    """Even where nothing was measured."""
    assert "<h1>ERROR</h1>" in page.render(builders.run_record())


@functools.cache
def wrong() -> cells.Verdict:
    """A cell whose source was changed on its entry node."""
    record = sample_runs.red()
    return next(
        verdict
        for verdict in record.phases[1].verdicts
        if verdict.cell.name == "ebpf: external/without/NodePort-Cluster/TCP/pod through kind-control-plane"
    )


def test_the_picture_follows_the_addresses() -> None:
    """Client, entry node, backend's node and pod, with source and destination on each leg, as the rewrites say."""
    drawn = picture.draw(wrong())
    assert [box.lines[0].text for box in drawn.boxes] == [
        "external client", "kind-control-plane", "kind-worker", "echo/echo"
    ]  # fmt: skip
    assert [tuple(line.text for line in leg.lines) for leg in drawn.legs] == [
        ("from 172.18.0.5", "to   172.18.0.2:30200"),
        ("from 172.18.0.2", "to   172.18.0.2:30200"),
        ("from 172.18.0.2", "to   10.244.162.135:80"),
    ]
    changed = [[line.look == "changed" for line in leg.lines] for leg in drawn.legs]
    assert changed == [[False, False], [True, False], [False, True]]
    assert any("KUBE-POSTROUTING rule 3" in line.text for line in drawn.boxes[1].lines)


def test_a_node_that_is_both_is_drawn_once() -> None:
    """The dialled node that has the backend is one box with both roles."""
    drawn = picture.draw(builders.verdict(builders.cell(entry="kind-worker")))
    assert [box.lines[0].text for box in drawn.boxes[1:-1]] == ["kind-worker"]
    assert drawn.boxes[1].lines[1].text == "the node that is dialled, the backend's node"


def test_where_nothing_passed_the_leg_is_broken() -> None:
    """A silent cell's packet is not drawn beyond what anybody saw."""
    drawn = picture.draw(builders.verdict(builders.cell(policy=words.Policy.LOCAL)))
    assert [leg.known for leg in drawn.legs] == [True, False, False]


def test_a_source_that_nobody_changed_is_said_in_the_picture() -> None:
    """What was seen stands on the last leg, and that its cause is not known in the pod's box."""
    bare = dataclasses.replace(wrong(), rewrites=())
    drawn = picture.draw(bare)
    assert drawn.legs[-1].lines[0].text == "from 172.18.0.2"
    assert any("no rule or program is known" in line.text for line in drawn.boxes[-1].lines)


def test_a_change_on_no_known_node_is_in_the_picture() -> None:
    """Nobody's rewrite stands in the pod's box, and the advice names a node that there is."""
    nobody = cells.Rewrite(node="?", field="source", before="172.18.0.5", after="172.18.0.2", by="nobody known")
    torn = dataclasses.replace(wrong(), rewrites=(nobody,))
    text = " ".join(line.text for line in picture.draw(torn).boxes[-1].lines)
    assert "at ?: source 172.18.0.5 -> 172.18.0.2 by nobody known" in text
    group = folding.Group(phase=words.Phase.EBPF, verdicts=(torn,))
    assert findings.look_next(group, "out")[0].startswith("out/evidence/ebpf/nodes/kind-control-plane/")


@settings(deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_no_text_leaves_its_box(text: str) -> None:
    """Every line of a picture is short enough, and every box high enough, for whatever is said."""
    rewrite = cells.Rewrite(node="kind-control-plane", field="source", before=text, after="x", by=text)
    drawn = picture.draw(dataclasses.replace(wrong(), rewrites=(rewrite,), seen={text: 1}))
    for box in drawn.boxes:
        assert all(len(line.text) <= 52 and box.y < line.y < box.y + box.height for line in box.lines)
    assert drawn.height > drawn.boxes[-1].y + drawn.boxes[-1].height


def test_long_addresses_stay_inside() -> None:
    """An IPv6 client and its port fit on a leg."""
    client = dataclasses.replace(wrong().cell.client, address=ip_address("fd00:1234:5678:9abc:def0:1234:5678:9abc"))
    where = wrong().cell
    moved = dataclasses.replace(where, path=dataclasses.replace(where.path, client=client))
    drawn = picture.draw(dataclasses.replace(wrong(), cell=moved))
    assert all(len(line.text) <= 50 for leg in drawn.legs for line in leg.lines)


def test_samples_that_say_the_same_are_told_once() -> None:
    """The odd one of twenty comes first, with its token; nineteen share an example."""
    flapping = next(item for item in sample_runs.red().phases[1].verdicts if item.right == item.total - 1)
    odd, rest = evidence.stories(flapping)
    assert (odd.count, odd.agrees, rest.count, rest.agrees) == (1, False, 19, True)
    assert evidence.reply(odd.example) == "no answer: timeout"
