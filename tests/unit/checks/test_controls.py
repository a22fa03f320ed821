"""The controls: each holds where it must, and each of the ways in which it can misbehave is seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from harness.checks import controls, walk
from harness.core import errors
from harness.model import cells, matrix, records, words
from harness.oracle import predictions
from harness.witness import access_log
from tests import builders, fake_cluster

LOCAL = words.Policy.LOCAL
WITH, WITHOUT = "kind-worker", "kind-worker2"
PODS = frozenset({builders.CUSTOMER.address})


def verdict(entry: str, *samples: cells.Sample) -> cells.Verdict:
    """One of the controls' own cells, with these samples."""
    return builders.verdict(builders.cell(entry=entry, policy=LOCAL), samples=samples)


def answered(saw: str | None) -> cells.Sample:
    """A sample whose log line shows that address, or that has none."""
    return builders.answered("t", builders.cell(entry=WITH, policy=LOCAL), saw=saw)


def grown(*addresses: str) -> controls.Grown:
    """Requests in summary's log from these addresses."""
    lines = (access_log.Line(address=ip_address(item), target="/519940", status=200, token=None) for item in addresses)
    return controls.Grown(lines=tuple(lines))


def test_the_controls_are_rows_of_the_matrix_and_always_planned() -> None:
    """Whatever is selected, they are added, and never twice."""
    assert controls.with_controls(()) == controls.ROWS
    assert controls.with_controls(matrix.WALKTHROUGH) == matrix.WALKTHROUGH


def test_without_a_client_outside_a_pod_plays_the_controls() -> None:
    """They are other rows, and an outsider's do not stand in for them."""
    assert controls.with_controls((), outside=False) == controls.ROWS_INSIDE
    assert set(controls.ROWS_INSIDE) <= set(matrix.ROWS)
    outsiders = [verdict(WITH, answered("172.18.0.5"))]
    assert not controls.positive(outsiders, outside=False).held
    inside = [dataclasses.replace(item, cell=_in_row(item.cell, controls.POSITIVE_INSIDE)) for item in outsiders]
    assert controls.positive(inside, outside=False).held
    silent = [verdict(WITHOUT, builders.silent("t", words.Silence.TIMEOUT))]
    moved = [dataclasses.replace(item, cell=_in_row(item.cell, controls.UNREACHABLE_INSIDE)) for item in silent]
    assert controls.unreachable(moved, outside=False).held
    assert not controls.unreachable(silent, outside=False).held


def _in_row(cell: cells.Cell, row: matrix.Row) -> cells.Cell:
    return dataclasses.replace(cell, row=row)


def test_positive_holds_where_every_line_shows_the_client() -> None:
    """Two samples, two lines, one address."""
    held = controls.positive([verdict(WITH, answered("172.18.0.5"), answered("172.18.0.5"))])
    assert held.held
    assert "2 x the client" in held.text


@pytest.mark.parametrize(
    ("sample", "seen"),
    [
        (answered("172.18.0.3"), "1 x 172.18.0.3"),
        (answered("172.18.0.50"), "1 x 172.18.0.50"),
        (answered(None), "no line in the log"),
        (builders.silent("t", words.Silence.TIMEOUT), "1 x timeout"),
    ],
)
def test_positive_misbehaves_with_one_sample_of_many(sample: cells.Sample, seen: str) -> None:
    """Another address, one that begins like the client's, no line, no answer."""
    held = controls.positive([verdict(WITH, *[answered("172.18.0.5")] * 19, sample)])
    assert not held.held
    assert seen in held.text


def test_positive_that_never_ran_misbehaves_and_says_why() -> None:
    """No cell is no control; where the row had no place, its reason is told."""
    assert not controls.positive([]).held
    skipped = cells.Skipped(
        phase=words.Phase.IPTABLES,
        row=controls.POSITIVE,
        reason=words.SkipReason.NO_PLACE,
        detail="no node with a backend",
    )
    assert "no node with a backend" in controls.positive([], [skipped]).text


@pytest.mark.parametrize("how", list(words.Silence))
def test_unreachable_holds_with_any_silence(how: words.Silence) -> None:
    """Which silence it must be is the cell's business."""
    assert controls.unreachable([verdict(WITHOUT, builders.silent("t", how))]).held


def test_where_every_node_has_a_backend_there_is_nothing_to_control() -> None:
    """A cluster of one node can't have that control; any other reason for its absence misbehaves."""
    one = dataclasses.replace(builders.known(), nodes=(builders.NODES[1],))
    skipped = predictions.plan(words.Phase.IPTABLES, one, builders.rows()).skipped
    held = controls.unreachable([], skipped)
    assert held.held
    assert "not applicable: no node without a backend" in held.text
    assert not controls.unreachable([]).held
    assert not controls.unreachable([], [dataclasses.replace(item, detail="no Service") for item in skipped]).held


def test_unreachable_misbehaves_when_something_answers() -> None:
    """One answer of many, from whomever, even without a line in a log."""
    samples = (builders.silent("t", words.Silence.TIMEOUT), answered(None))
    held = controls.unreachable([verdict(WITHOUT, *samples)])
    assert not held.held
    assert "an answer" in held.text


def test_negative_holds_with_customer_and_nobody_else() -> None:
    """As many requests as answers, or more."""
    assert controls.negative(grown("10.244.162.134", "10.244.162.134"), PODS, 2).held


@pytest.mark.parametrize(
    ("found", "asked"),
    [
        pytest.param(grown("10.244.162.134", "172.18.0.5"), 2, id="the client in summary's log"),
        pytest.param(grown("10.244.162.134", "10.244.162.13"), 2, id="a prefix of customer's address"),
        pytest.param(grown("10.244.162.134"), 2, id="fewer than customer has answered"),
        pytest.param(grown(), 0, id="nobody asked anything"),
        pytest.param(dataclasses.replace(grown("10.244.162.134"), broken=("summary-1",)), 1, id="rotated"),
    ],
)
def test_negative_misbehaves(found: controls.Grown, asked: int) -> None:
    """Somebody else, somebody missing, or a log that can't be told."""
    assert not controls.negative(found, PODS, asked).held


LINE = b'10.244.162.134 - - [23/Nov/2026 05:29:13] "GET /519940 HTTP/1.1" 200 -\n'


def test_only_what_came_during_the_phase_counts() -> None:
    """Lines from before are left out, also one of which only a part had been written; a new pod's are all new."""
    before = {"a": LINE * 3 + LINE[:20]}
    found = controls.grown_between(before, {"a": LINE * 5, "b": LINE})
    assert (len(found.lines), found.broken) == (3, ())


@pytest.mark.parametrize("after", [{"a": LINE}, {"a": LINE.replace(b"519940", b"519941") * 5}, {}])
def test_a_log_that_no_longer_begins_as_it_did_is_told(after: dict[str, bytes]) -> None:
    """Shorter, rewritten, or gone with its pod: its lines prove nothing."""
    assert controls.grown_between({"a": LINE * 2}, after).broken == ("a",)


def reached(api: fake_cluster.Api) -> records.PhaseRecord:
    """The first phase on a fake cluster, with a selection that has none of the controls' rows."""
    rows = tuple(row for row in matrix.WALKTHROUGH if row not in controls.ROWS)
    steps = walk.Walk(
        fake_cluster.place(api),
        samples=2,
        rows=rows,
        tell=lambda _text: None,
        observe=fake_cluster.observe,
        clock=fake_cluster.Clock(),
    )
    return steps.reach(words.Phase.IPTABLES)


def test_every_phase_has_its_controls_whatever_was_selected() -> None:
    """All three held, and their rows are in the record."""
    record = reached(fake_cluster.Api())
    assert {control.name for control in record.controls if control.held} == records.CONTROLS
    assert {verdict.cell.row for verdict in record.verdicts} >= set(controls.ROWS)
    assert record.passed


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda api: api.sees["Iptables"].update({(WITH, "Local"): "172.18.0.3"}), "positive"),
        (lambda api: api.sees["Iptables"].update({(WITHOUT, "Local"): "172.18.0.5"}), "unreachable"),
        (lambda api: setattr(api, "summary_sees", "172.18.0.5"), "negative"),
    ],
)
def test_a_control_that_misbehaves_makes_the_phase_invalid(
    spoil: Callable[[fake_cluster.Api], None], name: str
) -> None:
    """Not red and not green, with the control's name in the sentence."""
    api = fake_cluster.Api()
    spoil(api)
    record = reached(api)
    assert record.outcome is words.Outcome.INVALID
    assert f"INVALID: control {name} misbehaved" in "\n".join(walk.failures(record, record.verdicts))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (None, "no row was asked for"),
        (matrix.row("external/with/NodePort-Cluster/TCP/pod"), "no Service for NodePort-Cluster over TCP"),
    ],
)
def test_controls_alone_are_no_phase(row: matrix.Row | None, why: str) -> None:
    """Where nothing that was asked for is sampled, green controls must not pass for a verdict."""
    steps = walk.Walk(
        fake_cluster.place(fake_cluster.Api()),
        samples=1,
        rows=() if row is None else (row,),
        observe=fake_cluster.observe,
        clock=fake_cluster.Clock(),
    )
    with pytest.raises(errors.CapabilityMissing, match=f"would pass whatever happens: {why}"):
        steps.reach(words.Phase.IPTABLES)


def test_a_phase_without_its_controls_is_invalid() -> None:
    """All cells right and one control never made: nothing is proven."""
    record = builders.phase_record()
    assert record.outcome is words.Outcome.PASS
    for name in records.CONTROLS:
        fewer = tuple(control for control in record.controls if control.name != name)
        assert dataclasses.replace(record, controls=fewer).outcome is words.Outcome.INVALID
