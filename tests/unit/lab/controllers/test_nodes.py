"""Node IPAM: the addresses of the recorded cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.lab.controllers import metadata, nodes, paths
from tests import recordings
from tests.unit.lab.controllers import fake_cluster


def recorded(kind: str) -> list[dict[str, Any]]:
    """The recorded objects of a kind, in iptables mode."""
    found: list[dict[str, Any]] = json.loads((recordings.path() / "api" / "iptables" / f"{kind}.json").read_text())[
        "items"
    ]
    return found


@pytest.fixture
def cluster() -> fake_cluster.FakeCluster:
    """Three nodes with their addresses given."""
    found = fake_cluster.FakeCluster()
    fake_cluster.three_nodes(found)
    found.settle([nodes.reconcile])
    return found


def test_block_affinities_are_the_recorded_ones(cluster: fake_cluster.FakeCluster) -> None:
    """Names, labels with the host names' hashes, and specs."""
    known = recorded("blockaffinities")
    ours = cluster.items(paths.BLOCKAFFINITIES)
    assert [(metadata.name(item), metadata.labels(item), item["spec"]) for item in ours] == [
        (metadata.name(item), metadata.labels(item), item["spec"]) for item in known
    ]


def test_nodes_have_the_recorded_annotations_and_pod_cidrs(cluster: fake_cluster.FakeCluster) -> None:
    """Address, tunnel address and interfaces as calico-node writes them; podCIDRs in the order of the nodes."""
    keys = (nodes.ADDRESS, nodes.TUNNEL, nodes.INTERFACES, "node.alpha.kubernetes.io/ttl")
    for known in recorded("nodes"):
        ours = cluster.one(paths.NODES, metadata.name(known))
        notes = metadata.annotations_of(known)
        assert metadata.annotations_of(ours) == {key: notes[key] for key in keys}
        assert ours["spec"]["podCIDRs"] == known["spec"]["podCIDRs"]


def test_a_node_without_address_yet_gets_it_later() -> None:
    """A kubelet may register before it knows its address."""
    cluster = fake_cluster.FakeCluster()
    cluster.add(paths.NODES, {**fake_cluster.node("kind-worker"), "status": {}})
    cluster.settle([nodes.reconcile])
    assert nodes.ADDRESS not in metadata.annotations_of(cluster.one(paths.NODES, "kind-worker"))
    status = {"status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.3"}]}}
    cluster.patch(paths.NODES, "kind-worker", status, subresource="status")
    cluster.settle([nodes.reconcile])
    notes = metadata.annotations_of(cluster.one(paths.NODES, "kind-worker"))
    assert notes[nodes.ADDRESS] == "172.18.0.3/16"


def test_workers_may_register_in_any_order() -> None:
    """The block follows from the name, not from who came first."""
    cluster, other = fake_cluster.FakeCluster(), fake_cluster.FakeCluster()
    names = ["kind-worker4", "kind-worker3", "kind-worker"]
    for name in names:
        cluster.add(paths.NODES, fake_cluster.node(name))
        cluster.settle([nodes.reconcile])
    for name in reversed(names):
        other.add(paths.NODES, fake_cluster.node(name))
    other.settle([nodes.reconcile])
    assert [item["spec"] for item in cluster.items(paths.BLOCKAFFINITIES)] == [
        item["spec"] for item in other.items(paths.BLOCKAFFINITIES)
    ]


def test_a_node_that_is_gone_gives_its_block_back(cluster: fake_cluster.FakeCluster) -> None:
    """A BlockAffinity without its node is deleted."""
    cluster.delete(paths.NODES, "kind-worker2")
    cluster.settle([nodes.reconcile])
    assert [item["spec"]["node"] for item in cluster.items(paths.BLOCKAFFINITIES)] == [
        "kind-control-plane",
        "kind-worker",
    ]


def test_a_node_of_a_foreign_name_is_left_alone() -> None:
    """The plan knows kind's names only."""
    cluster = fake_cluster.FakeCluster()
    cluster.add(paths.NODES, fake_cluster.node("elsewhere"))
    assert nodes.reconcile(cluster, cluster.now) == []
