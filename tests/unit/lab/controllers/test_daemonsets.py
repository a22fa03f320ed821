"""DaemonSets: a pod on every node, replaced within limits."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab.controllers import daemonsets, metadata, paths, scheduler
from tests.unit.lab.controllers import fake_cluster

CONTROLLERS = (daemonsets.reconcile, scheduler.reconcile)
EVERYWHERE = [{"operator": "Exists"}]


def running(unavailable: object = 1) -> fake_cluster.FakeCluster:
    """Three nodes and a settled DaemonSet ``agent`` on all of them."""
    cluster = fake_cluster.FakeCluster()
    fake_cluster.three_nodes(cluster)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": 0}}
    item = fake_cluster.workload("DaemonSet", "agent", updateStrategy=strategy)
    item["spec"]["template"]["spec"] |= {"tolerations": EVERYWHERE, "hostNetwork": True}
    cluster.add(paths.DAEMONSETS, item)
    run(cluster)
    return cluster


def run(cluster: fake_cluster.FakeCluster, rounds: int = 5) -> None:
    """Enough rounds of the kubelets' work for everything here to settle."""
    for _ in range(rounds):
        for part in (cluster.remove_pods, cluster.start_pods, cluster.pods_become_ready):
            cluster.settle(CONTROLLERS)
            part()
    cluster.settle(CONTROLLERS)


def status(cluster: fake_cluster.FakeCluster) -> dict[str, int]:
    """The DaemonSet's status."""
    found: dict[str, int] = cluster.one(paths.DAEMONSETS, "agent", "test")["status"]
    return found


def patch_template(cluster: fake_cluster.FakeCluster, spec: dict[str, Any]) -> None:
    """Patch the pod template's spec."""
    cluster.patch(paths.DAEMONSETS, "agent", {"spec": {"template": {"spec": spec}}}, "test")


def test_every_node_gets_one_pod_with_the_recorded_marks() -> None:
    """Labels, affinity and tolerations as on the recorded kube-proxy."""
    cluster = running()
    pods = cluster.items(paths.PODS)
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["kind-control-plane", "kind-worker", "kind-worker2"]
    marks = metadata.labels(pods[0])
    assert set(marks) == {"app", "controller-revision-hash", "pod-template-generation"}
    terms = pods[0]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    values = [pods[0]["spec"]["nodeName"]]
    assert terms == {
        "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": values}]}]
    }
    assert [(item.get("effect"), item.get("key")) for item in pods[0]["spec"]["tolerations"]] == [
        (None, None),
        ("NoExecute", "node.kubernetes.io/not-ready"),
        ("NoExecute", "node.kubernetes.io/unreachable"),
        ("NoSchedule", "node.kubernetes.io/disk-pressure"),
        ("NoSchedule", "node.kubernetes.io/memory-pressure"),
        ("NoSchedule", "node.kubernetes.io/pid-pressure"),
        ("NoSchedule", "node.kubernetes.io/unschedulable"),
        ("NoSchedule", "node.kubernetes.io/network-unavailable"),
    ]


def test_a_settled_status_is_as_recorded() -> None:
    """Counts of zero are left out where the real controller leaves them out."""
    assert status(running()) == {
        "currentNumberScheduled": 3,
        "desiredNumberScheduled": 3,
        "numberAvailable": 3,
        "numberMisscheduled": 0,
        "numberReady": 3,
        "observedGeneration": 1,
        "updatedNumberScheduled": 3,
    }


@pytest.mark.parametrize(("unavailable", "least"), [(1, 2), ("100%", 0), ("34%", 1), (0, 2)])
def test_a_roll_takes_as_many_nodes_at_a_time_as_it_may(unavailable: object, least: int) -> None:
    """maxUnavailable as a number or a share of the nodes, rounded up, and never none at all."""
    cluster = running(unavailable)
    patch_template(cluster, {"priority": 1})
    fewest = 3
    for _ in range(6):
        for part in (cluster.remove_pods, cluster.start_pods, cluster.pods_become_ready):
            cluster.settle(CONTROLLERS)
            alive = [pod for pod in cluster.items(paths.PODS) if not metadata.deleting(pod)]
            fewest = min(fewest, sum(1 for pod in alive if metadata.is_true(pod, "Ready")))
            part()
    cluster.settle(CONTROLLERS)
    assert fewest == least
    assert status(cluster)["updatedNumberScheduled"] == 3


def test_pods_that_are_not_available_cost_nothing_to_replace() -> None:
    """A second change of the template takes every pod that is not up yet at once."""
    cluster = running("100%")
    patch_template(cluster, {"priority": 1})
    cluster.settle(CONTROLLERS)
    cluster.remove_pods()
    cluster.settle(CONTROLLERS)
    patch_template(cluster, {"priority": 2})
    cluster.settle(CONTROLLERS)
    assert all(metadata.deleting(pod) for pod in cluster.items(paths.PODS))


def test_a_new_pod_waits_until_the_old_one_has_gone() -> None:
    """Two of one kind on one node would fight for its ports."""
    cluster = running()
    victim = cluster.items(paths.PODS)[0]
    cluster.delete(paths.PODS, metadata.name(victim), "test")
    cluster.settle(CONTROLLERS)
    assert len(cluster.items(paths.PODS)) == 3
    cluster.remove_pods()
    cluster.settle(CONTROLLERS)
    assert len(cluster.items(paths.PODS)) == 3
    assert victim["metadata"]["uid"] not in [metadata.uid(pod) for pod in cluster.items(paths.PODS)]


def test_a_selector_that_no_node_meets_takes_all_pods_away_and_back() -> None:
    """The walk-through's patch of kube-proxy."""
    cluster = running()
    patch_template(cluster, {"nodeSelector": {"non-calico": "true"}})
    run(cluster)
    assert cluster.items(paths.PODS) == []
    assert status(cluster) == {
        "currentNumberScheduled": 0,
        "desiredNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
        "observedGeneration": 2,
    }
    patch_template(cluster, {"nodeSelector": {"non-calico": None}})
    run(cluster)
    assert status(cluster)["numberReady"] == 3


def test_a_pod_that_ended_is_replaced() -> None:
    """A failed daemon pod is deleted, and its node gets another."""
    cluster = running()
    victim = metadata.name(cluster.items(paths.PODS)[0])
    cluster.patch(paths.PODS, victim, {"status": {"phase": "Failed"}}, "test", "status")
    run(cluster)
    assert victim not in [metadata.name(pod) for pod in cluster.items(paths.PODS)]
    assert status(cluster)["numberReady"] == 3


def test_on_delete_leaves_old_pods_alone() -> None:
    """With the strategy OnDelete nothing rolls by itself."""
    cluster = running()
    cluster.patch(paths.DAEMONSETS, "agent", {"spec": {"updateStrategy": {"type": "OnDelete"}}}, "test")
    patch_template(cluster, {"priority": 1})
    run(cluster)
    assert "updatedNumberScheduled" not in status(cluster)


def test_a_node_that_comes_later_gets_its_pod() -> None:
    """Nodes register one by one."""
    cluster = running()
    cluster.add(paths.NODES, fake_cluster.node("kind-worker3", "172.18.0.6"))
    run(cluster)
    assert status(cluster)["numberReady"] == 4
