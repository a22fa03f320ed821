"""The witness of the kernel's table: what is new in it, whose it is, and what made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from harness.core import errors, process
from harness.dataplane import attribution_reading
from harness.kube import client, execution
from harness.model import words
from harness.witness import kernel_table, stations
from tests import builders, fake_cluster
from tests.unit.dataplane import test_attribution_rules as rules
from tests.unit.witness import test_following as ways

LINE = ["TCP", ["172.18.0.5", 40000, "172.18.0.2", 30180], ["10.244.162.134", 80, "10.244.82.0", 51111], 398, 0]
ARRIVED = ["TCP", ["10.244.82.0", 51111, "10.244.162.134", 80], ["10.244.162.134", 80, "10.244.82.0", 51111], 398, 0]


class Nodes:
    """Watchers and calico-node pods that answer what they are told to, before the samples and after them."""

    def __init__(self, before: Mapping[str, Sequence[Any]], after: Mapping[str, Sequence[Any]]) -> None:
        self.tracked: dict[str, frozenset[int]] = {}
        self.answers = {node: [list(before.get(node, ())), list(lines)] for node, lines in after.items()}
        self.saved = [rules.RULES, rules.RULES.replace("[3:180] -A KUBE-SEP-C", "[4:240] -A KUBE-SEP-C")]

    def ask(self, api: client.Client, pod: str, request: Mapping[str, Any]) -> tuple[Any, ...]:
        """Stand in for ``stations.ask``."""
        del api
        if request["op"] == "track":
            self.tracked[pod] = frozenset(request["ports"])
            return ({"end": True},)
        assert request["op"] == "table"
        assert set(request["ports"]) == {30180, 80}
        return (*self.answers[pod].pop(0), {"end": True})

    def run(self, api: client.Client, *, argv: Sequence[str], pod: str, **_: object) -> process.Completed:
        """Stand in for ``execution.run``; one node's rules are enough."""
        del api
        if tuple(argv) != ("iptables-save", "-c", "-t", "nat"):
            raise errors.CommandError(argv, 127, "", "no such program")
        assert pod == "calico-node-cp"
        return process.Completed(argv=tuple(argv), returncode=0, stdout=self.saved.pop(0).encode(), stderr=b"")

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put them in the place of the cluster's."""
        monkeypatch.setattr(stations, "ask", self.ask)
        monkeypatch.setattr(stations, "stations", lambda _: {node: node for node in self.answers})
        monkeypatch.setattr(attribution_reading, "pods", lambda _: {ways.CP: "calico-node-cp"})
        monkeypatch.setattr(execution, "run", self.run)


def test_a_sample_is_told_and_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account of the source at the backend, and who changed what where, with the counter's movement."""
    nodes = Nodes({}, {ways.CP: [LINE], ways.W1: [ARRIVED]})
    nodes.install(monkeypatch)
    cell = builders.cell()
    with kernel_table.KernelTable(api=fake_cluster.Api()).watching(builders.known(), [cell]) as watch:
        assert watch.covers(cell)
        assert nodes.tracked == dict.fromkeys((ways.CP, ways.W1), frozenset({30180, 80}))
        told = watch.accounts([ways.asked()])
        rewrites = watch.rewrites([ways.asked()])["t"]
    assert set(nodes.tracked.values()) == {frozenset()}
    assert [str(account.address) for account in told["t"]] == ["10.244.82.0"]
    assert [(item.node, item.field, item.after) for item in rewrites] == [
        (ways.CP, "destination", "10.244.162.134:80"),
        (ways.CP, "source", "10.244.82.0"),
    ]
    assert rewrites[0].by.startswith("nat KUBE-SEP-C rule 1")
    assert rewrites[0].evidence.endswith("; counter +1")
    assert rewrites[1].by.startswith("nat KUBE-POSTROUTING rule 3: MASQUERADE")


def test_what_was_there_before_is_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry of an earlier connection from the same port says nothing of this sample."""
    Nodes({ways.CP: [LINE]}, {ways.CP: [LINE], ways.W1: [ARRIVED]}).install(monkeypatch)
    cell = builders.cell()
    with kernel_table.KernelTable(api=fake_cluster.Api()).watching(builders.known(), [cell]) as watch:
        assert watch.accounts([ways.asked()]) == {}
        assert watch.rewrites([ways.asked()]) == {"t": ()}


def test_a_cluster_without_watchers_is_not_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read, nothing is told, and that is no error."""
    Nodes({}, {}).install(monkeypatch)
    cell = builders.cell()
    with kernel_table.KernelTable(api=fake_cluster.Api()).watching(builders.known(), [cell]) as watch:
        assert not watch.covers(cell)
        assert watch.accounts([ways.asked()]) == {}


NAT = "255.255.255.255 port 30180 proto 6 id 4 count 1 local 1\n\t4:0\t 10.244.162.134:80\n"


def test_what_the_programs_have_forgotten_is_told_from_the_nat_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed connection leaves the map before a long phase is over; its frontend's one backend is still there."""
    dumps = {
        "nat": NAT,
        "conntrack": "TCP 10.0.0.1:1 -> 10.0.0.2:2  Active ago 1s CLOSED\n",
        "ifstate": "   39 : {flags: v4Ready,vxlan, X: 1, name: vxlan.calico}\n",
    }

    def run(api: client.Client, *, argv: Sequence[str], **_: object) -> process.Completed:
        del api
        if argv[0] == "bpftool":
            raise errors.CommandError(argv, 127, "", "no such program")
        said = dumps[argv[2]] if argv[0] == "calico-node" else rules.RULES
        return process.Completed(argv=tuple(argv), returncode=0, stdout=said.encode(), stderr=b"")

    Nodes({}, {}).install(monkeypatch)
    monkeypatch.setattr(attribution_reading, "pods", lambda _: {ways.W1: "calico-node-w1"})
    monkeypatch.setattr(execution, "run", run)
    cell = builders.cell(phase=words.Phase.EBPF)
    with kernel_table.KernelTable(api=fake_cluster.Api()).watching(builders.known(), [cell]) as watch:
        assert watch.accounts([ways.asked(cell)]) == {}
        (found,) = watch.rewrites([ways.asked(cell)])["t"]
    assert found.node == ways.W1
    assert found.by == (
        "BPF program at vxlan.calico (entry), NAT map 255.255.255.255:30180 TCP id 4 -> 4:0 10.244.162.134:80"
    )
    assert found.evidence.startswith("the connection map has forgotten it")
