"""What is predicted, and what is refused because nothing is known."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest

from harness.model import cells, facts, matrix, words
from harness.oracle import predictions
from tests import builders


def test_a_plan_has_every_destination_through_every_node() -> None:
    """No path is left out, and none is planned twice."""
    planned = predictions.plan(words.Phase.EBPF, builders.known(), builders.rows()).planned
    assert len({cell.name for cell, _ in planned}) == len(planned) == 6


def test_each_replica_has_the_address_that_its_own_place_makes() -> None:
    """With backends on two nodes, the right address depends on which of them answered."""
    second = dataclasses.replace(builders.CUSTOMER, name="customer-2", node="kind-control-plane")
    cell = builders.with_destination(builders.cell(), builders.destination(backends=(builders.CUSTOMER, second)))
    expected = predictions.expect(cell, builders.known())
    assert isinstance(expected, cells.Answer)
    assert {(source.backend, str(source.address)) for source in expected.sources} == {
        ("yaobank-customer/customer-1", "10.244.82.0"),
        ("yaobank-customer/customer-2", "172.18.0.2"),
    }


@pytest.mark.parametrize(("overlay", "text"), [("IPIP", "10.244.82.0 entry-tunnel"), ("None", "172.18.0.2 entry-node")])
def test_an_overlay_that_was_never_recorded_is_told_from_the_recorded_one(overlay: str, text: str) -> None:
    """The masquerade's address depends on the overlay, and what was not recorded is not called recorded."""
    expected = predictions.expect(builders.cell(), builders.known(overlay=overlay))
    assert isinstance(expected, cells.Answer)
    assert expected.text == text
    assert expected.confirmed is words.Confirmed.DOCUMENTED


@pytest.mark.parametrize("overlay", ["VXLANCrossSubnet", "IPIPCrossSubnet", "unknown"])
def test_an_overlay_whose_address_the_facts_cannot_tell_is_refused(overlay: str) -> None:
    """Which nodes share a subnet is not in the facts, so the address is not guessed."""
    with pytest.raises(cells.NoPrediction, match=overlay):
        predictions.expect(builders.cell(), builders.known(overlay=overlay))


@pytest.mark.parametrize("client", [words.ClientKind.POD, words.ClientKind.HOST])
def test_a_client_inside_the_cluster_without_a_node_is_refused(client: words.ClientKind) -> None:
    """What a pod or a host shows depends on its node, so it is not guessed."""
    with pytest.raises(cells.NoPrediction, match="node is not known"):
        predictions.expect(builders.cell(client=client), builders.known())


def test_a_service_without_backends_is_refused() -> None:
    """Nobody is there to see anything, so nothing can be expected."""
    empty = builders.destination(backends=())
    with pytest.raises(cells.NoPrediction, match="0 backends"):
        predictions.expect(builders.with_destination(builders.cell(), empty), builders.known())


def test_a_node_without_a_tunnel_address_is_refused() -> None:
    """A remote backend is reached through the overlay, so its device must have an address."""
    where = builders.cell()
    bare = dataclasses.replace(where.path, entry=dataclasses.replace(builders.NODES[0], tunnel=None))
    cell = dataclasses.replace(where, path=bare)
    with pytest.raises(cells.NoPrediction, match="entry-tunnel"):
        predictions.expect(cell, builders.known())


def test_a_row_without_a_place_is_skipped_with_its_reason() -> None:
    """What the cluster has nobody for is counted and named, and the rest is planned."""
    echo = matrix.row("external/with/NodePort-Cluster/TCP/pod")
    planned = predictions.plan(words.Phase.IPTABLES, builders.known(), (*builders.rows(), echo))
    assert len(planned.planned) == 6
    assert [(item.row, item.reason) for item in planned.skipped] == [(echo, words.SkipReason.NO_PLACE)]
    assert "TCP" in planned.skipped[0].detail


def test_a_row_without_a_prediction_is_skipped_with_its_reason() -> None:
    """What is not known is no expectation and no error: it is told apart from what has no place."""
    known = builders.known()
    bare = dataclasses.replace(known, nodes=tuple(dataclasses.replace(node, tunnel=None) for node in known.nodes))
    planned = predictions.plan(words.Phase.IPTABLES, bare, builders.rows())
    assert {item.reason for item in planned.skipped} == {words.SkipReason.NOT_KNOWN}
    assert {item.row.name for item in planned.skipped} == {"external/without/NodePort-Cluster/HTTP/pod"}


def test_a_plan_without_a_cell_is_an_error() -> None:
    """A cluster without destinations would pass whatever happens."""
    with pytest.raises(ValueError, match="without a cell"):
        predictions.plan(words.Phase.IPTABLES, builders.known(destinations=()), builders.rows())


@pytest.mark.parametrize("address", ["172.18.0.3", "10.244.110.128", "10.244.162.134", "10.96.64.51"])
def test_a_client_with_somebody_elses_address_is_an_error(address: str) -> None:
    """If client and node, tunnel, pod or service are one address, nothing can be told apart."""
    with pytest.raises(ValueError, match="told apart"):
        predictions.plan(words.Phase.IPTABLES, builders.known(client=ip_address(address)), builders.rows())


def test_the_gateway_may_be_the_client() -> None:
    """A run from the machine that hosts the nodes looks like that, and is fine."""
    gateway = builders.known(client=ip_address("172.18.0.1"))
    assert len(predictions.plan(words.Phase.EBPF, gateway, builders.rows()).planned) == 6


def test_host_network_backends_are_told_from_pods() -> None:
    """On the entry node itself a host-network backend sees the client, even in iptables mode."""
    host = facts.Pod(
        namespace="echo", name="host", address=ip_address("172.18.0.3"), node="kind-worker", host_network=True
    )
    cell = builders.with_destination(builders.cell(entry="kind-worker"), builders.destination(backends=(host,)))
    assert predictions.expect(cell, builders.known()).text == "172.18.0.5 client"
