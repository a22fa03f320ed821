"""What the watchers report, as accounts: of the right samples, by the right backend, where nothing was lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from harness.core import errors
from harness.kube import client
from harness.model import cells, facts, matrix, words
from harness.witness import stations, wire
from harness.witness.witnesses import Question
from tests import builders, fake_cluster

LINE = ["t1", "TCP", "10.244.82.0", 51111, "10.244.162.134", 80, "10.244.162.134"]
HOST = facts.Pod(
    namespace="echo", name="echohost-1", address=ip_address("172.18.0.3"), node="kind-worker", host_network=True
)
OTHER_HOST = dataclasses.replace(HOST, name="echohost-2", address=ip_address("172.18.0.4"), node="kind-worker2")


def question(token: str, cell: cells.Cell) -> Question:
    """A sample that was answered."""
    return Question(cell=cell, token=token, reply=cells.Reply(status=200, silence=None))


def host_cell(
    *backends: facts.Pod,
    target: words.Target = words.Target.NODE_PORT,
    entry: str = "kind-control-plane",
    client_node: str = "",
    phase: words.Phase = words.Phase.IPTABLES,
) -> cells.Cell:
    """A cell with host-network backends on port 8080."""
    pod = facts.Client(kind=words.ClientKind.POD, address=ip_address("10.244.162.140"), node=client_node, pod="e/c")
    who = pod if client_node else builders.WHO
    destination = dataclasses.replace(builders.destination(backends=backends), target=target, target_port=8080)
    node = builders.known().node(entry) if target is words.Target.NODE_PORT else None
    path = dataclasses.replace(builders.cell().path, client=who, entry=node, destination=destination)
    return dataclasses.replace(builders.cell(), path=path, phase=phase)


def test_an_account_names_the_backend_and_the_source() -> None:
    """The packet's source and port, by the pod in whose namespace it arrived; strangers' tokens are nobody's."""
    asked = [question("t1", builders.cell()), question("t2", builders.cell())]
    found = wire.told(asked, [wire.packet_from(LINE), wire.packet_from(["t9", *LINE[1:]])])
    assert list(found) == ["t1"]
    (account,) = found["t1"]
    assert (str(account.address), account.port, account.backend) == (
        "10.244.82.0",
        51111,
        "yaobank-customer/customer-1",
    )
    assert account.witness is words.Witness.WIRE


def test_a_backend_that_is_not_behind_the_service_is_told_by_its_address() -> None:
    """A packet that went astray to another watched pod must not look like an arrival."""
    stray = wire.packet_from([*LINE[:4], "10.244.110.9", 80, "10.244.110.9"])
    assert wire.told([question("t1", builders.cell())], [stray])["t1"][0].backend == "10.244.110.9"


def test_two_sources_for_one_token_are_two_accounts() -> None:
    """Nothing is made the same that is not."""
    packets = [wire.packet_from(LINE), wire.packet_from([*LINE[:2], "172.18.0.5", *LINE[3:]])]
    assert len(wire.told([question("t1", builders.cell())], packets)["t1"]) == 2


def test_a_node_port_counts_for_host_network_backends_only() -> None:
    """A packet for a NodePort has arrived where the backend has the node's address, and passes everywhere else."""
    at_node = wire.packet_from(["t1", "TCP", "172.18.0.5", 4, "172.18.0.3", 30180, "172.18.0.3"])
    assert wire.told([question("t1", host_cell(HOST))], [at_node])["t1"][0].backend == "echo/echohost-1"
    assert wire.told([question("t1", builders.cell())], [at_node]) == {}


def test_targets_are_told_to_the_watcher_of_their_node() -> None:
    """A pod is watched on the Service's target port, a host-network pod on its NodePort too."""
    found = wire.targets([builders.cell(), host_cell(HOST, OTHER_HOST)])
    assert found["kind-worker"] == [
        {"address": "10.244.162.134", "host": False, "ports": [80]},
        {"address": "172.18.0.3", "host": True, "ports": [8080, 30180]},
    ]
    assert found["kind-worker2"] == [{"address": "172.18.0.4", "host": True, "ports": [8080, 30180]}]


@pytest.mark.parametrize(
    ("cell", "visible"),
    [
        (builders.cell(), True),
        (host_cell(HOST), True),
        (host_cell(HOST, entry="kind-worker"), True),
        (host_cell(HOST, target=words.Target.CLUSTER_IP, client_node="kind-worker2"), True),
        (host_cell(HOST, target=words.Target.CLUSTER_IP, client_node="kind-worker"), False),
        (host_cell(HOST, target=words.Target.CLUSTER_IP, client_node="kind-worker", phase=words.Phase.EBPF), True),
        (host_cell(HOST, target=words.Target.POD_ADDRESS, client_node="kind-worker"), True),
        (host_cell(HOST, OTHER_HOST, entry="kind-worker"), False),
        (host_cell(HOST, OTHER_HOST, entry="kind-control-plane"), True),
        (host_cell(dataclasses.replace(HOST, address=ip_address("fd00::3"))), False),
        (host_cell(), False),
    ],
)
def test_only_what_would_be_seen_is_covered(cell: cells.Cell, visible: bool) -> None:
    """Where a packet could arrive unseen, or be seen without arriving, the wire says that it was not there."""
    assert wire.is_visible(cell) is visible


class Watchers:
    """Watchers that answer as they are told to, by the name of their pod; they refuse what they do not know."""

    def __init__(self, reports: Mapping[str, tuple[Any, ...] | errors.HarnessError]) -> None:
        self.reports = reports
        self.watching: dict[str, object] = {}

    def ask(self, api: client.Client, pod: str, request: Mapping[str, Any]) -> tuple[Any, ...]:
        """Stand in for ``stations.ask``."""
        del api
        if request["op"] == "watch":
            self.watching[pod] = request["id"]
            return ({"watched": [item["address"] for item in request["targets"]], "missing": []},)
        assert self.watching[pod] == request["id"]
        if request["op"] == "stop":
            del self.watching[pod]
            return ({"end": True},)
        assert request["op"] == "report"
        report = self.reports[pod]
        if isinstance(report, errors.HarnessError):
            raise report
        return report


def watched(
    monkeypatch: pytest.MonkeyPatch, report: tuple[Any, ...] | errors.HarnessError, posts: stations.Stations
) -> tuple[bool, Mapping[str, tuple[cells.Account, ...]], bool]:
    """Whether customer's cell is covered before, what was told of sample t1, and whether it is covered after."""
    watchers = Watchers({"witness-1": report})
    monkeypatch.setattr(stations, "ask", watchers.ask)
    monkeypatch.setattr(stations, "stations", lambda _: posts)
    witness, cell = wire.Wire(api=fake_cluster.Api()), builders.cell()
    with witness.watching(builders.known(), [cell]) as watch:
        before = watch.covers(cell)
        told = watch.accounts([question("t1", cell)])
        after = watch.covers(cell)
    assert watchers.watching == {}
    return before, told, after


def test_a_watch_tells_what_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place from the beginning, and still after its report; the watch is ended with the block."""
    report = (LINE, {"seen": 1, "lost": {"10.244.162.134": 0}})
    before, told, after = watched(monkeypatch, report, {"kind-worker": "witness-1"})
    assert before
    assert [str(account.address) for account in told["t1"]] == ["10.244.82.0"]
    assert after


@pytest.mark.parametrize(
    "report",
    [
        ({"seen": 1, "lost": {"10.244.162.134": 1}},),
        stations.WitnessError("no watch here"),
        errors.ApiError(0, "Unreachable", "gone"),
    ],
)
def test_a_watch_that_lost_something_covers_nothing(
    monkeypatch: pytest.MonkeyPatch, report: tuple[Any, ...] | errors.HarnessError
) -> None:
    """A lost packet, a watcher that was replaced and one that can't be asked: its silence proves nothing."""
    assert watched(monkeypatch, report, {"kind-worker": "witness-1"}) == (True, {}, False)


def test_a_node_without_a_watcher_is_not_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher on another node does not see this backend."""
    report = ({"seen": 0, "lost": {}},)
    assert watched(monkeypatch, report, {"kind-worker2": "witness-1"}) == (False, {}, False)


def test_a_watched_backend_is_not_covered_where_its_packets_pass_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pod sends to a ClusterIP of its own node is not recognised there, whatever else is."""
    hidden = host_cell(HOST, target=words.Target.CLUSTER_IP, client_node="kind-worker")
    monkeypatch.setattr(stations, "ask", Watchers({}).ask)
    monkeypatch.setattr(stations, "stations", lambda _: {"kind-worker": "witness-1"})
    with wire.Wire(api=fake_cluster.Api()).watching(builders.known(), [hidden, host_cell(HOST)]) as watch:
        assert watch.covers(host_cell(HOST))
        assert not watch.covers(hidden)


def test_every_walkthrough_row_is_visible() -> None:
    """The walk-through's cells have pods behind them, so each has its second witness."""
    assert all(not row.host_backend for row in matrix.WALKTHROUGH)
    assert wire.is_visible(builders.cell())
