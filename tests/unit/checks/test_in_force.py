"""Which phase a cluster is in that must not be switched: by its nodes' kernels and never by the API."""

from __future__ import annotations

import dataclasses

import pytest

from harness.checks import in_force, walk
from harness.core import errors
from harness.model import matrix, words
from harness.oracle import predictions
from tests import builders, fake_cluster


@pytest.mark.parametrize(("mode", "phase"), [("Iptables", words.Phase.IPTABLES), ("BPF", words.Phase.EBPF)])
def test_the_phase_is_the_one_that_the_kernels_have(mode: str, phase: words.Phase) -> None:
    """Whatever the Installation declares."""
    api = fake_cluster.Api()
    api.stuck = {node.name: mode for node in builders.NODES}
    place = fake_cluster.place(api)
    assert in_force.phase(place, observe=fake_cluster.observe, clock=fake_cluster.Clock()) is phase


def test_mixed_nodes_are_no_phase() -> None:
    """What each node has is in the reason."""
    api = fake_cluster.Api()
    api.stuck = {"kind-worker": "BPF"}
    with pytest.raises(errors.CapabilityMissing, match="kind-worker: BPF, kind-worker2: Iptables"):
        in_force.phase(fake_cluster.place(api), observe=fake_cluster.observe, clock=fake_cluster.Clock())


def test_a_confined_walk_asks_for_nothing() -> None:
    """Where the API declares another dataplane, that is told; it is neither switched nor restored."""
    api, told = fake_cluster.Api(), list[str]()
    api.declared = "BPF"
    api.stuck = {node.name: "Iptables" for node in builders.NODES}
    steps = walk.Walk(
        fake_cluster.place(api),
        samples=1,
        phases=(words.Phase.IPTABLES,),
        tell=told.append,
        confined=True,
        observe=fake_cluster.observe,
        clock=fake_cluster.Clock(),
    )
    record = steps.reach(words.Phase.IPTABLES)
    steps.restore()
    assert api.patches == []
    assert not record.switched
    assert "the Installation declares BPF; Iptables is in force, and is what is judged" in told


def test_what_needs_a_client_outside_is_left_out_by_its_own_reason() -> None:
    """It is no lack of the cluster, and counts as a capability."""
    inside = dataclasses.replace(builders.known(), client=None)
    plan = predictions.plan(words.Phase.IPTABLES, inside, matrix.ROWS)
    left = {item.row for item in plan.skipped if item.reason is words.SkipReason.CAPABILITY}
    assert left == {row for row in matrix.ROWS if row.standing.client is words.ClientKind.EXTERNAL and _could(row)}
    assert not {cell.client.kind for cell, _ in plan.planned} & {words.ClientKind.EXTERNAL}


def _could(row: matrix.Row) -> bool:
    """Whether the small cluster of the builders has a place for it with a client."""
    try:
        predictions.plan(words.Phase.IPTABLES, builders.known(), (row,))
    except ValueError:
        return False
    return True
