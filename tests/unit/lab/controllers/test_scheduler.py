"""Which node a waiting pod gets."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab.controllers import metadata, paths, replicasets, scheduler
from tests.unit.lab.controllers import fake_cluster


@pytest.fixture
def cluster() -> fake_cluster.FakeCluster:
    """Three nodes and nothing else."""
    found = fake_cluster.FakeCluster()
    fake_cluster.three_nodes(found)
    return found


def nodes_of(cluster: fake_cluster.FakeCluster) -> dict[str, str]:
    """The node of each pod."""
    return {metadata.name(pod): pod["spec"].get("nodeName", "") for pod in cluster.items(paths.PODS)}


def replicas(count: int) -> dict[str, Any]:
    """A ReplicaSet of that size."""
    return fake_cluster.workload("ReplicaSet", "summary", replicas=count)


def test_two_replicas_land_on_two_workers(cluster: fake_cluster.FakeCluster) -> None:
    """Siblings keep apart, and the control plane stays free."""
    cluster.add(paths.REPLICASETS, replicas(2))
    cluster.settle([replicasets.reconcile, scheduler.reconcile])
    assert sorted(nodes_of(cluster).values()) == ["kind-worker", "kind-worker2"]


def test_the_first_pods_of_three_owners_do_not_share_one_node(cluster: fake_cluster.FakeCluster) -> None:
    """Among nodes without a sibling the emptier one is taken."""
    for name in ("a", "b", "c"):
        cluster.add(paths.PODS, fake_cluster.pod(name))
    cluster.settle([scheduler.reconcile])
    assert nodes_of(cluster) == {"a": "kind-worker", "b": "kind-worker2", "c": "kind-worker"}


def test_host_network_pods_do_not_weigh(cluster: fake_cluster.FakeCluster) -> None:
    """Every node has kube-proxy and calico-node; they tell nothing about load."""
    cluster.add(paths.PODS, fake_cluster.pod("agent", nodeName="kind-worker", hostNetwork=True))
    cluster.add(paths.PODS, fake_cluster.pod("app"))
    cluster.settle([scheduler.reconcile])
    assert nodes_of(cluster)["app"] == "kind-worker"


def test_a_pod_that_fits_nowhere_says_why_once(cluster: fake_cluster.FakeCluster) -> None:
    """The condition has the real scheduler's words, and is not written again and again."""
    cluster.add(paths.PODS, fake_cluster.pod("lost", nodeSelector={"kubernetes.io/hostname": "kind-worker7"}))
    cluster.settle([scheduler.reconcile])
    condition = metadata.condition(cluster.one(paths.PODS, "lost", "test"), "PodScheduled")
    assert condition is not None
    assert condition["reason"] == "Unschedulable"
    assert condition["message"] == (
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )


def test_a_pod_waits_for_a_node_and_takes_it(cluster: fake_cluster.FakeCluster) -> None:
    """A node that comes later is used."""
    cluster.add(paths.PODS, fake_cluster.pod("early", nodeSelector={"kubernetes.io/hostname": "kind-worker3"}))
    cluster.settle([scheduler.reconcile])
    cluster.add(paths.NODES, fake_cluster.node("kind-worker3"))
    cluster.settle([scheduler.reconcile])
    assert nodes_of(cluster) == {"early": "kind-worker3"}


def test_no_nodes_is_said_so() -> None:
    """An empty cluster has words of its own."""
    assert scheduler.unschedulable_message(fake_cluster.pod("a"), []) == "no nodes available to schedule pods"


def test_a_pod_of_another_scheduler_is_left_alone(cluster: fake_cluster.FakeCluster) -> None:
    """``schedulerName`` says whose it is."""
    cluster.add(paths.PODS, fake_cluster.pod("theirs", schedulerName="other"))
    assert scheduler.reconcile(cluster, cluster.now) == []
