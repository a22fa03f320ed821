"""ReplicaSets: as many pods as asked for."""

from __future__ import annotations

import pytest

from harness.lab.controllers import metadata, paths, replicasets, scheduler
from tests.unit.lab.controllers import fake_cluster

CONTROLLERS = (replicasets.reconcile, scheduler.reconcile)


@pytest.fixture
def cluster() -> fake_cluster.FakeCluster:
    """Three nodes and a ReplicaSet of three, running and ready."""
    found = fake_cluster.FakeCluster()
    fake_cluster.three_nodes(found)
    found.add(paths.REPLICASETS, fake_cluster.workload("ReplicaSet", "web", replicas=3))
    run(found)
    return found


def run(cluster: fake_cluster.FakeCluster) -> None:
    """Let controllers and kubelets do what is due."""
    for step in (cluster.remove_pods, cluster.start_pods, cluster.pods_become_ready):
        cluster.settle(CONTROLLERS)
        step()
    cluster.settle(CONTROLLERS)


def status(cluster: fake_cluster.FakeCluster) -> dict[str, int]:
    """The ReplicaSet's status."""
    found: dict[str, int] = cluster.one(paths.REPLICASETS, "web", "test")["status"]
    return found


def test_pods_carry_owner_labels_and_a_generated_name(cluster: fake_cluster.FakeCluster) -> None:
    """What a controller makes says who made it."""
    pod = cluster.items(paths.PODS)[0]
    owner = cluster.one(paths.REPLICASETS, "web", "test")
    assert pod["metadata"]["name"].startswith("web-")
    assert metadata.labels(pod) == {"app": "web"}
    assert metadata.controlled_by(owner, [pod]) == [pod]


def test_a_settled_replicaset_says_what_a_real_one_says(cluster: fake_cluster.FakeCluster) -> None:
    """The recorded fields, counts of zero left out but for two."""
    assert status(cluster) == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
        "observedGeneration": 1,
    }


def test_a_deleted_pod_is_replaced_at_once(cluster: fake_cluster.FakeCluster) -> None:
    """A pod that is going does not count, even while its node still has it."""
    victim = cluster.items(paths.PODS)[0]
    cluster.delete(paths.PODS, metadata.name(victim), "test")
    cluster.settle(CONTROLLERS)
    assert len(cluster.items(paths.PODS)) == 4
    assert status(cluster)["terminatingReplicas"] == 1


def test_scaling_down_takes_the_pod_that_is_not_ready(cluster: fake_cluster.FakeCluster) -> None:
    """What serves nobody goes first."""
    weak = cluster.items(paths.PODS)[1]
    cluster.set_pod(weak, ready=False)
    cluster.patch(paths.REPLICASETS, "web", {"spec": {"replicas": 2}}, "test")
    cluster.settle(CONTROLLERS)
    going = [metadata.name(pod) for pod in cluster.items(paths.PODS) if metadata.deleting(pod)]
    assert going == [metadata.name(weak)]


def test_a_replicaset_that_is_going_makes_no_pods(cluster: fake_cluster.FakeCluster) -> None:
    """Its pods are the garbage collector's business then."""
    cluster.patch(paths.REPLICASETS, "web", {"metadata": {"finalizers": ["foregroundDeletion"]}}, "test")
    cluster.delete(paths.REPLICASETS, "web", "test")
    cluster.delete(paths.PODS, metadata.name(cluster.items(paths.PODS)[0]), "test")
    cluster.remove_pods()
    cluster.settle(CONTROLLERS)
    assert len(cluster.items(paths.PODS)) == 2
