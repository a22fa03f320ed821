"""A lab in which something really is wrong is red, and the report names the cell, what was expected and what was seen.

Every fault is made in the kernel of a real lab, behind the back of the programs that would have to notice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.checks import walk
from harness.clusters import cluster
from harness.clusters import lab as provider
from harness.core import errors, process
from harness.lab import lifecycle, state
from harness.model import records, words

# A steady fault does not go away by waiting, but the switch around it must have time to come.
_PATIENCE_S = 12.0


@pytest.fixture
def lab() -> Iterator[state.LabState]:
    """A lab of the test's own, since it is not fit for anything else afterwards."""
    try:
        context = lifecycle.running(name=f"sabotage-{os.getpid()}")
        with context as found:
            yield found
    except errors.CapabilityMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def steps(lab: state.LabState) -> Iterator[walk.Walk]:
    """A walk on that lab, with few samples and little patience."""
    with cluster.staged(provider.from_state(lab)) as place:
        patience = dataclasses.replace(place.patience, switch_s=_PATIENCE_S, probe_s=2.0)
        impatient = dataclasses.replace(place, patience=patience)
        yield walk.Walk(impatient, samples=5)


def inside(lab: state.LabState, namespace: str, *argv: str) -> process.Completed:
    """Run a program in one of the lab's network namespaces."""
    return process.run(["nsenter", f"--net=/proc/{lab.owner.pid}/root/run/netns/{namespace}", *argv])


def complaints(record: records.PhaseRecord) -> str:
    """All that is wrong with a phase."""
    assert not record.passed
    return "\n".join(walk.failures(record, record.verdicts))


def wrong_entries(record: records.PhaseRecord) -> set[str]:
    """The entry nodes of the cells that did not pass."""
    wrong = (verdict.cell.entry for verdict in record.verdicts if verdict.outcome is not words.Outcome.PASS)
    return {entry.name for entry in wrong if entry is not None}


@pytest.mark.iptables
def test_without_masquerading_iptables_is_red(lab: state.LabState, steps: walk.Walk) -> None:
    """With one node's MASQUERADE rule gone, the cell through that node fails, and only that one."""
    rule = ["-m", "comment", "--comment", "kubernetes service traffic requiring SNAT", "-j", "MASQUERADE"]
    inside(lab, "kind-control-plane", "iptables", "-t", "nat", "-D", "KUBE-POSTROUTING", *rule, "--random-fully")
    record = steps.reach(words.Phase.IPTABLES)
    assert wrong_entries(record) == {"kind-control-plane"}
    assert "kind-control-plane:30180 (customer, Cluster, HTTP): expected 10.244.82.0 entry-tunnel" in complaints(record)


@pytest.mark.ebpf
def test_a_rewritten_source_is_red(lab: state.LabState, steps: walk.Walk) -> None:
    """With the client's address rewritten on its last step to the application, every answered eBPF cell fails."""
    steps.reach(words.Phase.IPTABLES)
    for pod in customers(lab):
        inside(
            lab, pod, "iptables", "-t", "nat", "-A", "INPUT", "-s", lab.client, "-j", "SNAT", "--to-source", "10.9.9.9"
        )
    record = steps.reach(words.Phase.EBPF)
    text = complaints(record)
    assert wrong_entries(record) == set(lab.nodes)
    # The application is told another address than the witnesses on the way have seen, and so is the control.
    assert "expected 172.18.0.5 client, seen 10.9.9.9 unknown + 172.18.0.5 client, 0 of 5" in text
    assert "INVALID: control positive misbehaved" in text
    assert record.outcome is words.Outcome.INVALID
    # The kernel has the dataplane; that alone must not make it green.
    assert record.proof == dict.fromkeys(lab.nodes, "BPF")


@pytest.mark.ebpf
def test_one_node_in_the_other_mode_is_red(lab: state.LabState, steps: walk.Walk) -> None:
    """With one node of three unable to take its programs, the cells through that node fail and it is named."""
    steps.reach(words.Phase.IPTABLES)
    block_programs(lab, "kind-worker2")
    record = steps.reach(words.Phase.EBPF)
    text = complaints(record)
    assert "kind-worker2: Iptables" in text
    assert (
        "external 172.18.0.5 -> kind-worker2:30180 (customer, Cluster, HTTP): expected 172.18.0.5 client, seen" in text
    )
    assert "kind-worker2" in wrong_entries(record)


def customers(lab: state.LabState) -> list[str]:
    """The network namespaces of customer's pods."""
    with cluster.staged(provider.from_state(lab)) as place:
        pods = place.api.items("/api/v1/namespaces/yaobank-customer/pods")
    return [f"pod-{pod['metadata']['uid'][:8]}" for pod in pods]


def block_programs(lab: state.LabState, node: str) -> None:
    """Put something in the place where a node's programs are pinned, as a foreign mount there would be."""
    folder = Path(f"/proc/{lab.owner.pid}/root/run/lab/bpf/{node}")
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()
    folder.symlink_to("/nowhere")
