"""Where a cell of the matrix is in a cluster, and what is said when it is nowhere."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest

from harness.commands import plan
from harness.model import facts, facts_file, laying, matrix, words
from tests import builders

KNOWN = facts_file.parse(plan.EXAMPLE.read_text(encoding="utf-8")).facts


def lay(name: str, known: facts.Facts = KNOWN) -> tuple[str, str, str]:
    """Who dials, on which node, and through which node, of the one path of that cell."""
    path = laying.lay(matrix.row(name), known)
    return path.client.pod or str(path.client.address), path.client.node, path.entry.name if path.entry else "-"


@pytest.mark.parametrize(
    ("name", "client", "where", "entry"),
    [
        ("external/with/NodePort-Cluster/TCP/pod", "172.18.0.5", "", "kind-worker"),
        ("external/without/NodePort-Cluster/TCP/pod", "172.18.0.5", "", "kind-control-plane"),
        ("gateway/without/NodePort-Local/HTTP/host", "172.18.0.1", "", "kind-control-plane"),
        ("pod@entry/with/NodePort-Cluster/TCP/pod", "echo/pod-w1", "kind-worker", "kind-worker"),
        ("pod@other/with/NodePort-Cluster/TCP/pod", "echo/pod-cp", "kind-control-plane", "kind-worker"),
        ("pod@entry/without/NodePort-Cluster/TCP/pod", "echo/pod-cp", "kind-control-plane", "kind-control-plane"),
        ("pod@backend/without/NodePort-Cluster/TCP/pod", "echo/pod-w1", "kind-worker", "kind-control-plane"),
        ("pod@other/without/NodePort-Cluster/TCP/pod", "echo/pod-w2", "kind-worker2", "kind-control-plane"),
        ("host@other/without/NodePort-Cluster/TCP/pod", "172.18.0.4", "kind-worker2", "kind-control-plane"),
        ("host@backend/-/ClusterIP-Cluster/TCP/pod", "172.18.0.3", "kind-worker", "-"),
        ("pod@itself/without/NodePort-Cluster/TCP/pod", "echo/echo", "kind-worker", "kind-control-plane"),
        ("pod@itself/-/ClusterIP-Local/UDP/pod", "echo/echo", "kind-worker", "-"),
    ],
)
def test_each_role_is_filled(name: str, client: str, where: str, entry: str) -> None:
    """Client, its node and the entry node are those that the cell's name asks for."""
    assert lay(name) == (client, where, entry)


@pytest.mark.parametrize(
    ("name", "service", "target"),
    [
        ("external/with/NodePort-Local/TCP/pod", "echo-local", words.Target.NODE_PORT),
        ("external/with/NodePort-Cluster/HTTP/pod", "customer", words.Target.NODE_PORT),
        ("external/with/NodePort-Cluster/UDP-unconnected/host", "echohost", words.Target.NODE_PORT),
        ("pod@other/-/ClusterIP-Local/TCP/pod", "echo-inside", words.Target.CLUSTER_IP),
        ("pod@other/-/ClusterIP-Cluster/TCP/pod", "echo", words.Target.CLUSTER_IP),
        ("pod@other/-/pod-address/HTTP/pod", "customer", words.Target.POD_ADDRESS),
    ],
)
def test_the_service_is_of_the_policy_that_speaks_of_what_is_dialled(
    name: str, service: str, target: words.Target
) -> None:
    """externalTrafficPolicy for a NodePort, internalTrafficPolicy for a ClusterIP, any for a pod's own address."""
    found = laying.lay(matrix.row(name), KNOWN).destination
    assert (found.service, found.target) == (service, target)


def test_a_client_outside_dials_every_node_that_fits_and_one_inside_the_first() -> None:
    """Two nodes have no backend, so an external cell has two paths; what a pod shows is one path."""
    outside = laying.lay_all(matrix.row("external/without/NodePort-Cluster/HTTP/pod"), KNOWN)
    assert [path.entry.name for path in outside if path.entry] == ["kind-control-plane", "kind-worker2"]
    assert len(laying.lay_all(matrix.row("pod@entry/without/NodePort-Cluster/HTTP/pod"), KNOWN)) == 1


def test_of_several_backends_the_first_ones_node_comes_first() -> None:
    """Clients are placed by the first backend, so it is its node that counts as the backend's."""
    second = dataclasses.replace(builders.CUSTOMER, name="customer-2", node="kind-control-plane")
    known = builders.known(destinations=(builders.destination(backends=(builders.CUSTOMER, second)),))
    paths = laying.lay_all(matrix.row("external/with/NodePort-Cluster/HTTP/pod"), known)
    assert [path.entry.name for path in paths if path.entry] == ["kind-worker", "kind-control-plane"]


def test_only_pods_that_may_dial_are_clients() -> None:
    """Where the harness has pods of its own, nobody else's is used, and never a host-network pod as a pod."""
    own = facts.Pod(namespace="probe", name="own", address=ip_address("10.244.110.140"), node="kind-worker2")
    host = dataclasses.replace(own, name="a-host", address=ip_address("172.18.0.4"), host_network=True)
    known = dataclasses.replace(KNOWN, clients=(host, own))
    assert lay("pod@other/without/NodePort-Cluster/TCP/pod", known)[0] == "probe/own"
    with pytest.raises(laying.NoPlace, match="no pod that can dial from kind-worker"):
        lay("pod@backend/without/NodePort-Cluster/TCP/pod", known)


def test_what_is_missing_is_said() -> None:
    """No Service, no backend, no node, no pod and no gateway are told apart."""
    bare = dataclasses.replace(KNOWN, destinations=(), gateway=None)
    with pytest.raises(
        laying.NoPlace, match="no Service for NodePort-Local over UDP with a host-network pod behind it"
    ):
        laying.lay(matrix.row("external/with/NodePort-Local/UDP/host"), bare)
    with pytest.raises(laying.NoPlace, match="the gateway's address is not known"):
        lay("gateway/with/NodePort-Cluster/TCP/pod", dataclasses.replace(KNOWN, gateway=None))
    with pytest.raises(laying.NoPlace, match="no Service"):
        lay(
            "external/with/NodePort-Cluster/HTTP/pod", builders.known(destinations=(builders.destination(backends=()),))
        )
    single = dataclasses.replace(KNOWN, nodes=(KNOWN.node("kind-worker"),))
    with pytest.raises(laying.NoPlace, match="no node without a backend"):
        lay("external/without/NodePort-Cluster/TCP/pod", single)
    with pytest.raises(laying.NoPlace, match="no node for a client at other"):
        lay("host@other/with/NodePort-Cluster/TCP/pod", single)


def test_a_service_without_a_nodeport_is_not_dialled_on_one() -> None:
    """What has a ClusterIP only is reached by that only, and a headless Service by its pods' addresses only."""
    inside = dataclasses.replace(builders.destination(), node_port=0)
    headless = dataclasses.replace(inside, cluster_ip=None)
    known = builders.known(destinations=(inside,))
    with pytest.raises(laying.NoPlace):
        lay("external/with/NodePort-Cluster/HTTP/pod", known)
    assert lay("host@other/-/ClusterIP-Cluster/HTTP/pod", known)[2] == "-"
    with pytest.raises(laying.NoPlace):
        lay("host@other/-/ClusterIP-Cluster/HTTP/pod", builders.known(destinations=(headless,)))
    assert lay("host@other/-/pod-address/HTTP/pod", builders.known(destinations=(headless,)))[2] == "-"


def test_the_example_has_a_place_for_every_cell() -> None:
    """So that ``sourceip plan`` shows the whole matrix without a cluster."""
    assert all(laying.lay_all(row, KNOWN) for row in matrix.ROWS)
