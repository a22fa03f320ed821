"""The whole matrix: what is in it, what is not, and that every cell has a name of its own."""

from __future__ import annotations

import pytest

from harness.model import matrix, words
from harness.model.matrix import Entry, Place

INSIDE = {words.ClientKind.POD, words.ClientKind.HOST}
OUTSIDE = {words.ClientKind.EXTERNAL, words.ClientKind.GATEWAY}


def test_every_cell_has_a_name_of_its_own() -> None:
    """348 cells, none twice, and each is found by its name."""
    assert len(matrix.ROWS) == 348
    assert len({item.name for item in matrix.ROWS}) == 348
    assert [matrix.row(item.name) for item in matrix.ROWS] == list(matrix.ROWS)


@pytest.mark.parametrize(
    "name",
    [
        "external/without/NodePort-Cluster/HTTP/pod",
        "gateway/with/NodePort-Local/UDP-unconnected/host",
        "pod@other/-/ClusterIP-Local/TCP/pod",
        "host@backend/-/pod-address/UDP/host",
        "pod@itself/without/NodePort-Cluster/TCP/pod",
    ],
)
def test_a_name_says_who_dials_what(name: str) -> None:
    """Client, place, entry node, target and policy, protocol and backend, in this order."""
    assert matrix.row(name).name == name


@pytest.mark.parametrize(
    "name", ["", "external", "external/-/ClusterIP-Cluster/TCP/pod", "pod@itself/with/NodePort-Cluster/TCP/host"]
)
def test_what_is_not_planned_has_no_row(name: str) -> None:
    """A name that means nothing, and the cells that the matrix leaves out on purpose."""
    with pytest.raises(KeyError):
        matrix.row(name)


def test_every_client_stands_everywhere_it_can() -> None:
    """Written down plainly: who dials from where, through which kind of node."""
    found = {(item.standing.client.value, item.standing.place.value, item.standing.entry.value) for item in matrix.ROWS}
    outside = {(who, "outside", entry) for who in ("external", "gateway") for entry in ("with", "without")}
    inside = {
        (who, place, entry)
        for who in ("pod", "host")
        for place, entry in (
            ("entry", "with"),
            ("other", "with"),
            ("entry", "without"),
            ("backend", "without"),
            ("other", "without"),
            ("backend", "-"),
            ("other", "-"),
        )
    }
    hairpin = {("pod", "itself", entry) for entry in ("with", "without", "-")}
    assert found == outside | inside | hairpin


def test_no_combination_is_left_out() -> None:
    """Each standing dials everything that it can, over every protocol and to both kinds of backend."""
    for standing in {item.standing for item in matrix.ROWS}:
        found = {
            (item.dialled.text, item.protocol, item.host_backend) for item in matrix.ROWS if item.standing == standing
        }
        through_a_node = standing.entry is not Entry.NONE
        targets = (
            {"NodePort-Cluster", "NodePort-Local"}
            if through_a_node
            else {"ClusterIP-Cluster", "ClusterIP-Local", "pod-address"}
        )
        backends = {False} if standing.place is Place.ITSELF else {False, True}
        assert found == {(target, spoken, kind) for target in targets for spoken in words.Protocol for kind in backends}


def test_clients_outside_dial_nodes_only() -> None:
    """No route leads from outside to a ClusterIP or a pod."""
    for item in matrix.ROWS:
        outside = item.standing.client in OUTSIDE
        assert outside is (item.standing.place is Place.OUTSIDE)
        assert not outside or item.dialled.target is words.Target.NODE_PORT
        assert item.standing.client in INSIDE | OUTSIDE


def test_the_walkthrough_is_four_of_them() -> None:
    """An external client calls the customer's two NodePorts through both kinds of node; two are always answered."""
    assert {item.name for item in matrix.WALKTHROUGH} == {
        f"external/{entry}/NodePort-{policy}/HTTP/pod"
        for entry in ("with", "without")
        for policy in ("Cluster", "Local")
    }
    assert {item.name for item in matrix.ANSWERING} == {
        "external/with/NodePort-Cluster/HTTP/pod",
        "external/without/NodePort-Cluster/HTTP/pod",
    }
