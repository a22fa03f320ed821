"""What changed between two runs: everything that did, nothing else, and what every run has of its own set apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.model import cells, matrix, records, words
from harness.report import differing, own_values
from tests import sample_runs
from tests.unit.report.test_serial import RUNS

Of = Callable[[cells.Verdict], dict[str, Any]]

# For each thing that is compared of a cell, a change of the model that shows in it.
CHANGES: dict[str, Of] = {
    "outcome": lambda _: {"outcome": words.Outcome.ERROR},
    "expected": lambda _: {
        "expectation": cells.NoAnswer(how=frozenset({words.Silence.UNREACHABLE}), because="nothing leads there")
    },
    "seen": lambda _: {"seen": {"192.0.2.1 unknown": 2}},
    "right": lambda verdict: {"right": verdict.right - 1},
    "rewritten": lambda _: {
        "rewrites": (cells.Rewrite(node="n", field="source", before="a", after="b", by="nat POSTROUTING rule 1"),)
    },
    "reasons": lambda _: {"reasons": ("something",)},
    "warnings": lambda _: {"warnings": ("something",)},
    "watched by": lambda _: {"watching": frozenset({words.Witness.WIRE})},
    "witnessed by": lambda _: {"witnessed": {words.Witness.KERNEL: 1}},
}


def green() -> records.RunRecord:
    """A green run of the walk-through."""
    return sample_runs.run(rows=matrix.WALKTHROUGH, samples=2)


def _with_verdict(record: records.RunRecord, number: int, **changes: Any) -> records.RunRecord:  # noqa: ANN401
    first, *rest = record.phases
    verdicts = list(first.verdicts)
    verdicts[number] = dataclasses.replace(verdicts[number], **changes)
    return dataclasses.replace(record, phases=(dataclasses.replace(first, verdicts=tuple(verdicts)), *rest))


@given(RUNS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_run_differs_in_nothing_from_itself(record: records.RunRecord) -> None:
    """Whatever a record holds, comparing it with itself finds no change, not even an incidental one."""
    found = differing.compare(record, record)
    assert not found.changes
    assert all(item.ratio in (1.0, None) for item in found.timings)


def test_every_field_of_a_cell_has_a_change_here() -> None:
    """The table of this test has all that is compared, and all of a verdict but its raw samples is compared."""
    assert list(CHANGES) == list(differing.CELL_FIELDS)
    compared = {"outcome", "expectation", "seen", "right", "total", "rewrites", "reasons", "warnings", "watching"}
    every = {field.name for field in dataclasses.fields(cells.Verdict)}
    assert every - compared == {"cell", "samples", "witnessed"}


@given(
    st.sets(st.sampled_from(list(CHANGES)), min_size=1),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_every_changed_field_of_a_cell_is_reported(fields: set[str], number: int) -> None:
    """Any set of fields of any cell, changed together: each is told, with the cell's name, and nothing else is."""
    before = green()
    verdict = before.phases[0].verdicts[number]
    changes = {key: value for name in fields for key, value in CHANGES[name](verdict).items()}
    after = _with_verdict(before, number, **changes)
    told = [item for item in differing.compare(before, after).changes if item.where]
    name = verdict.cell.name.removeprefix("iptables: ")
    wanted = {
        what for what, text in differing.CELL_FIELDS.items() if text(verdict) != text(after.phases[0].verdicts[number])
    }
    assert fields <= wanted | {"witnessed by"}
    assert {(item.scope, item.where, item.what) for item in told} == {("iptables", name, what) for what in wanted}


def test_a_cell_and_a_phase_that_one_run_lacks_are_told() -> None:
    """In either direction, and the cells of a missing phase are told by one line, not one each."""
    before = green()
    first, *rest = before.phases
    lost, *kept = first.verdicts
    after = dataclasses.replace(before, phases=(dataclasses.replace(first, verdicts=tuple(kept)), *rest[:-1]))
    pairs = (before, after), (after, before)
    there, back = (
        [item for item in differing.compare(*pair).differences if item.what.startswith("the whole")] for pair in pairs
    )
    assert [(item.scope, item.what, item.before, item.after) for item in there] == [
        ("iptables", "the whole cell", "PASS", "-"),
        ("reverted", "the whole phase", "PASS", "-"),
    ]
    assert there[0].where == lost.cell.name.removeprefix("iptables: ")
    assert [(item.before, item.after) for item in back] == [("-", "PASS"), ("-", "PASS")]


@pytest.mark.parametrize(
    ("changes", "what", "where"),
    [
        ({"description": "Calico v3.33.1 on kind v0.33.0"}, "dataplane", ""),
        ({"samples": 3}, "samples a cell", ""),
        ({"environment": (sample_runs.FINDING,)}, "environment", "rp_filter, kind-worker"),
        ({"skipped": {"gateway": "no way to it"}}, "left out", "gateway"),
    ],
)
def test_what_concerns_the_whole_run_is_told(changes: dict[str, Any], what: str, where: str) -> None:
    """The version, the samples, what was found beside the dataplane, what was left out."""
    found = differing.compare(green(), dataclasses.replace(green(), **changes)).differences
    assert [(item.scope, item.what, item.where) for item in found if item.what != "outcome"] == [("run", what, where)]


def test_controls_and_proof_are_told_by_name() -> None:
    """A control that no longer holds, and a node on which something else is in force."""
    before = green()
    first, *rest = before.phases
    controls = (dataclasses.replace(first.controls[0], held=False), *first.controls[1:])
    changed = dataclasses.replace(first, controls=controls, proof={**first.proof, "kind-worker": "BPF"})
    found = differing.compare(before, dataclasses.replace(before, phases=(changed, *rest))).differences
    told = {(item.what, item.where) for item in found if item.where}
    assert told == {("control", "positive"), ("proof", "kind-worker")}


def test_times_are_ratios_and_no_difference() -> None:
    """A run that is as right and twice as slow is the same run."""
    before = green()
    slow = dataclasses.replace(before, timings_s={name: 2 * value for name, value in before.timings_s.items()})
    found = differing.compare(before, slow)
    assert not found.changes
    assert {item.name: item.ratio for item in found.timings}["lab up, s"] == 2.0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("10.244.162.130 pod", "10.244.162.131 pod"),
        ("fd00::a1 client", "fd00:10::1 client"),
        (
            "nat KUBE-SEP-HTJTKC3RAZ2SHQ4S rule 2: DNAT to 10.0.0.1:80",
            "nat KUBE-SEP-F7IBNCENEXM6VOTH rule 3: DNAT to 10.0.0.2:80",
        ),
        ("echo/echo-6d5c6f4697-sxn6n", "echo/echo-6d5c6f4697-zxfsx"),
        ("KUBE-NODEPORTS 30180 (+18)", "KUBE-NODEPORTS 30180 (+19)"),
        ("seen 2 x the client", "seen 40 x the client"),
    ],
)
def test_what_every_run_has_of_its_own_is_incidental(before: str, after: str) -> None:
    """Addresses, generated names, positions and counters."""
    assert own_values.masked(before) == own_values.masked(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("172.18.0.5 client", "172.18.0.2 entry-node"),
        ("192.0.2.1 unknown", "192.0.2.2 unknown"),
        ("192.0.2.1 unknown", "10.244.82.0 entry-tunnel"),
        ("PASS", "FAIL"),
        ("20 of 20", "19 of 20"),
        ("nat KUBE-POSTROUTING rule 3: MASQUERADE", "nat cali-POSTROUTING rule 3: MASQUERADE"),
        ("KUBE-NODEPORTS 30180 (+18)", "KUBE-NODEPORTS 30181 (+18)"),
        ("20 x the client", "20 x nobody"),
    ],
)
def test_what_means_something_is_never_incidental(before: str, after: str) -> None:
    """Another class, an unknown address, another rule, another count of right samples."""
    assert own_values.masked(before) != own_values.masked(after)


def test_what_many_cells_share_is_one_line() -> None:
    """Two cells that changed in the same way are one group, with both names."""
    before = green()
    after = _with_verdict(_with_verdict(before, 0, outcome=words.Outcome.ERROR), 3, outcome=words.Outcome.ERROR)
    changes = differing.compare(before, after).differences
    [group] = [item for item in differing.shared(changes) if item.first.what == "outcome" and item.first.where]
    names = [before.phases[0].verdicts[number].cell.name.removeprefix("iptables: ") for number in (0, 3)]
    assert list(group.where) == names
