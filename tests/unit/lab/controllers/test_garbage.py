"""Garbage collection: background, foreground, orphan."""

from __future__ import annotations

import pytest

from harness.lab.controllers import actions, garbage, metadata, paths, replicasets
from tests.unit.lab.controllers import fake_cluster


@pytest.fixture
def cluster() -> fake_cluster.FakeCluster:
    """A ReplicaSet and its two pods."""
    found = fake_cluster.FakeCluster()
    found.add(paths.REPLICASETS, fake_cluster.workload("ReplicaSet", "web", replicas=2))
    found.settle([replicasets.reconcile, garbage.reconcile])
    assert len(found.items(paths.PODS)) == 2
    return found


def delete(cluster: fake_cluster.FakeCluster, finalizer: str = "") -> None:
    """Delete the ReplicaSet as the API server does for a propagation policy."""
    if finalizer:
        cluster.patch(paths.REPLICASETS, "web", {"metadata": {"finalizers": [finalizer]}}, "test")
    cluster.delete(paths.REPLICASETS, "web", "test")


def test_dependents_go_after_their_owner_in_the_background(cluster: fake_cluster.FakeCluster) -> None:
    """The default of kubectl."""
    delete(cluster)
    cluster.settle([garbage.reconcile])
    assert cluster.items(paths.PODS) == []


def test_an_owner_waits_for_its_dependents_in_the_foreground(cluster: fake_cluster.FakeCluster) -> None:
    """It is there until the last pod has gone from its node."""
    name = metadata.name(cluster.items(paths.PODS)[0])
    cluster.patch(paths.PODS, name, {"spec": {"nodeName": "kind-worker"}}, "test")
    delete(cluster, garbage.FOREGROUND)
    cluster.settle([garbage.reconcile])
    assert cluster.get(paths.REPLICASETS, "web", "test") is not None
    cluster.remove_pods()
    cluster.settle([garbage.reconcile])
    assert cluster.get(paths.REPLICASETS, "web", "test") is None


def test_orphans_stay_without_an_owner(cluster: fake_cluster.FakeCluster) -> None:
    """``--cascade=orphan``."""
    delete(cluster, garbage.ORPHAN)
    cluster.settle([garbage.reconcile])
    assert cluster.get(paths.REPLICASETS, "web", "test") is None
    pods = cluster.items(paths.PODS)
    assert [pod["metadata"].get("ownerReferences") for pod in pods] == [None, None]


def test_an_owner_that_is_merely_not_seen_yet_saves_its_dependents(cluster: fake_cluster.FakeCluster) -> None:
    """Every deletion names the owners that must be read anew before it is carried out."""
    replicaset = cluster.objects[paths.REPLICASETS].pop(("test", "web"))
    writes = garbage.reconcile(cluster, cluster.now)
    cluster.objects[paths.REPLICASETS]["test", "web"] = replicaset
    assert len(writes) == 2
    for write in writes:
        assert isinstance(write, actions.Delete)
        assert write.unless == ((paths.REPLICASETS, "web", "test", metadata.uid(replicaset)),)
        cluster.apply(write)
    assert len(cluster.items(paths.PODS)) == 2


def test_an_owner_of_an_unknown_kind_is_presumed_alive(cluster: fake_cluster.FakeCluster) -> None:
    """What the controllers can't look up, they don't judge."""
    item = fake_cluster.pod("kept")
    item["metadata"]["ownerReferences"] = [{"apiVersion": "x.io/v1", "kind": "X", "name": "x", "uid": "1"}]
    cluster.add(paths.PODS, item)
    cluster.settle([garbage.reconcile])
    assert cluster.get(paths.PODS, "kept", "test") is not None


def test_one_of_two_owners_is_enough(cluster: fake_cluster.FakeCluster) -> None:
    """An object lives as long as any of its owners."""
    name = metadata.name(cluster.items(paths.PODS)[0])
    other = cluster.add(paths.REPLICASETS, fake_cluster.workload("ReplicaSet", "other", replicas=0))
    references = cluster.items(paths.PODS)[0]["metadata"]["ownerReferences"]
    body = {"metadata": {"ownerReferences": [*references, metadata.controller_reference(other)]}}
    cluster.patch(paths.PODS, name, body, "test")
    delete(cluster)
    cluster.settle([garbage.reconcile])
    assert [metadata.name(pod) for pod in cluster.items(paths.PODS)] == [name]
