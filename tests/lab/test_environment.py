"""What is done to the machine around a lab is named as the environment's, and never blamed on the dataplane."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from harness.checks.environment import look, nodes, path
from harness.clusters import cluster
from harness.clusters import lab as provider
from harness.core import errors, process
from harness.lab import lifecycle, state
from harness.model import records, words

ELSEWHERE = "172.18.0.99"


@pytest.fixture(scope="module")
def own_lab() -> Iterator[state.LabState]:
    """A lab of its own, since what is done to it would show in others' tests."""
    try:
        with lifecycle.running(name=f"env-{os.getpid()}") as found:
            yield found
    except errors.CapabilityMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def undo() -> Iterator[list[tuple[str, ...]]]:
    """Commands that put back what a test has done, run at its end, the last one first."""
    commands: list[tuple[str, ...]] = []
    yield commands
    for argv in reversed(commands):
        process.run(argv)


def argv_in(lab: state.LabState, namespace: str, *argv: str) -> tuple[str, ...]:
    """A command in one of the lab's network namespaces."""
    return ("nsenter", f"--net=/proc/{lab.owner.pid}/root/run/netns/{namespace}", *argv)


def inside(lab: state.LabState, namespace: str, *argv: str) -> str:
    """Run it."""
    return process.run(argv_in(lab, namespace, *argv)).text


def looked(lab: state.LabState) -> tuple[records.Environment, ...]:
    """A look at the lab as it is; what was told is what was found."""
    told: list[str] = []
    with cluster.staged(provider.from_state(lab)) as place:
        found = look.look(place, tell=told.append)
    assert told == [finding.sentence for finding in found]
    return found


def test_a_healthy_lab_has_nothing_to_find(own_lab: state.LabState) -> None:
    """No finding at all, blocking or not."""
    assert looked(own_lab) == ()


def test_a_translation_on_the_clients_way_is_the_environments(
    own_lab: state.LabState, undo: list[tuple[str, ...]]
) -> None:
    """A rule on the client's way: every node names it with its cause, and what was to be measured is INVALID."""
    rule = ("POSTROUTING", "-d", "172.18.0.0/16", "-p", "tcp", "-j", "SNAT", "--to-source", ELSEWHERE)
    inside(own_lab, "client", "ip", "addr", "add", f"{ELSEWHERE}/16", "dev", "eth0")
    undo.append(argv_in(own_lab, "client", "ip", "addr", "del", f"{ELSEWHERE}/16", "dev", "eth0"))
    inside(own_lab, "client", "iptables", "-t", "nat", "-A", *rule)
    undo.append(argv_in(own_lab, "client", "iptables", "-t", "nat", "-D", *rule))
    found = looked(own_lab)
    assert [(item.cause, item.where, item.blocking) for item in found] == [
        (path.TRANSLATION, name, True) for name in own_lab.nodes
    ]
    assert all(f"172.18.0.5 dialled {item.where}'s own port" in item.text for item in found)
    assert all(f"was seen as {ELSEWHERE}" in item.text for item in found)
    record = records.RunRecord(
        provider="lab",
        description="a lab",
        client=provider.from_state(own_lab).who,
        samples=1,
        started="now",
        phases=(),
        wanted=tuple(words.Phase),
        environment=found,
    )
    assert record.outcome is words.Outcome.INVALID


def test_policies_and_settings_of_a_node_are_named_and_block_nothing(
    own_lab: state.LabState, undo: list[tuple[str, ...]]
) -> None:
    """FORWARD DROP on one node, rp_filter as eBPF leaves it behind on another."""
    inside(own_lab, "kind-worker", "iptables", "-P", "FORWARD", "DROP")
    undo.append(argv_in(own_lab, "kind-worker", "iptables", "-P", "FORWARD", "ACCEPT"))
    for device, value in (("all", "0"), ("eth0", "2")):
        name = f"net.ipv4.conf.{device}.rp_filter"
        before = inside(own_lab, "kind-worker2", "sysctl", "-n", name).strip()
        inside(own_lab, "kind-worker2", "sysctl", "-w", f"{name}={value}")
        undo.append(argv_in(own_lab, "kind-worker2", "sysctl", "-w", f"{name}={before}"))
    assert {(item.cause, item.where, item.blocking) for item in looked(own_lab)} == {
        (nodes.FORWARD, "kind-worker", False),
        (nodes.RP_FILTER, "kind-worker2", False),
    }
