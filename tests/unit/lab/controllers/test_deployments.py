"""Deployments: ReplicaSets by template, rolled within their limits."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab.controllers import deployments, metadata, paths, replicasets, rolling, scheduler
from tests.unit.lab.controllers import fake_cluster

CONTROLLERS = (deployments.reconcile, replicasets.reconcile, scheduler.reconcile)


def running(**spec: object) -> fake_cluster.FakeCluster:
    """Three nodes and a settled Deployment ``web``."""
    cluster = fake_cluster.FakeCluster()
    fake_cluster.three_nodes(cluster)
    cluster.add(paths.DEPLOYMENTS, fake_cluster.workload("Deployment", "web", **spec))
    run(cluster)
    return cluster


def step(cluster: fake_cluster.FakeCluster) -> None:
    """One round of the kubelets' work with the controllers' answers."""
    for part in (cluster.remove_pods, cluster.start_pods, cluster.pods_become_ready):
        cluster.settle(CONTROLLERS)
        part()
    cluster.settle(CONTROLLERS)


def run(cluster: fake_cluster.FakeCluster, rounds: int = 12) -> None:
    """Enough rounds for everything here to settle."""
    for _ in range(rounds):
        step(cluster)


def deployment(cluster: fake_cluster.FakeCluster) -> dict[str, Any]:
    """The Deployment."""
    return cluster.one(paths.DEPLOYMENTS, "web", "test")


def change_image(cluster: fake_cluster.FakeCluster, image: str) -> None:
    """Patch the template as ``kubectl set image`` does."""
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}
    cluster.patch(paths.DEPLOYMENTS, "web", body, "test")


def sizes(cluster: fake_cluster.FakeCluster) -> dict[str, int]:
    """Wanted replicas by revision."""
    return {
        metadata.annotations_of(item)[rolling.REVISION]: item["spec"]["replicas"]
        for item in cluster.items(paths.REPLICASETS)
    }


def words(cluster: fake_cluster.FakeCluster, kind: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    found = metadata.condition(deployment(cluster), kind)
    assert found is not None
    return found["status"], found["reason"]


def test_a_settled_deployment_says_what_the_recorded_one_says() -> None:
    """Fields and conditions of the recorded ``summary``."""
    cluster = running(replicas=2)
    status = deployment(cluster)["status"]
    assert {key: value for key, value in status.items() if key != "conditions"} == {
        "availableReplicas": 2,
        "observedGeneration": 1,
        "readyReplicas": 2,
        "replicas": 2,
        "terminatingReplicas": 0,
        "updatedReplicas": 2,
    }
    name = metadata.name(cluster.items(paths.REPLICASETS)[0])
    assert [(item["type"], item["status"], item["reason"], item["message"]) for item in status["conditions"]] == [
        ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        ("Progressing", "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.'),
    ]


def test_a_replicaset_is_named_and_marked_by_its_template() -> None:
    """Name, labels, selector and template carry the hash; annotations carry revision and sizes."""
    cluster = running(replicas=2)
    replicaset = cluster.items(paths.REPLICASETS)[0]
    mark = metadata.labels(replicaset)[rolling.HASH_LABEL]
    assert replicaset["metadata"]["name"] == f"web-{mark}"
    assert replicaset["spec"]["selector"]["matchLabels"] == {"app": "web", rolling.HASH_LABEL: mark}
    assert metadata.labels(replicaset["spec"]["template"]) == {"app": "web", rolling.HASH_LABEL: mark}
    assert metadata.annotations_of(replicaset) == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
    }


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas"), [("25%", "25%", 4), (1, 0, 3), (0, 1, 3), (0, 0, 2), ("100%", 0, 2)]
)
def test_a_roll_stays_within_its_limits(surge: object, unavailable: object, replicas: int) -> None:
    """Never more pods than surge allows, never fewer available than unavailability allows."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    cluster = running(replicas=replicas, strategy=strategy)
    most = replicas + metadata.scaled(surge, replicas, up=True)
    # Both zero would never move; Kubernetes lets one go then.
    least = replicas - (metadata.scaled(unavailable, replicas, up=False) or (1 if surge == 0 else 0))
    change_image(cluster, "new")
    for _ in range(20):
        for part in (cluster.remove_pods, cluster.start_pods, cluster.pods_become_ready):
            cluster.settle(CONTROLLERS)
            alive = [pod for pod in cluster.items(paths.PODS) if not metadata.deleting(pod)]
            assert len(alive) <= most
            assert sum(1 for pod in alive if metadata.is_true(pod, "Ready")) >= least
            part()
    cluster.settle(CONTROLLERS)
    assert sizes(cluster) == {"1": 0, "2": replicas}


def test_recreate_ends_the_old_pods_before_it_starts_new_ones() -> None:
    """At no time do two templates run."""
    cluster = running(replicas=2, strategy={"type": "Recreate"})
    change_image(cluster, "new")
    cluster.settle(CONTROLLERS)
    assert sizes(cluster) == {"1": 0, "2": 0}
    run(cluster)
    assert sizes(cluster) == {"1": 0, "2": 2}


def test_going_back_takes_the_old_replicaset_with_a_new_revision() -> None:
    """``kubectl rollout undo`` restores a template, and with it its ReplicaSet."""
    cluster = running(replicas=1)
    change_image(cluster, "new")
    run(cluster)
    change_image(cluster, "sourceip/tools")
    run(cluster)
    assert sizes(cluster) == {"2": 0, "3": 1}
    assert metadata.annotations_of(deployment(cluster))[rolling.REVISION] == "3"


def test_scaling_changes_the_replicaset_and_its_annotations() -> None:
    """No new ReplicaSet, no new revision."""
    cluster = running(replicas=1)
    cluster.patch(paths.DEPLOYMENTS, "web", {"spec": {"replicas": 4}}, "test")
    run(cluster)
    assert sizes(cluster) == {"1": 4}
    notes = metadata.annotations_of(cluster.items(paths.REPLICASETS)[0])
    assert notes["deployment.kubernetes.io/desired-replicas"] == "4"
    cluster.patch(paths.DEPLOYMENTS, "web", {"spec": {"replicas": 0}}, "test")
    run(cluster)
    assert cluster.items(paths.PODS) == []
    assert words(cluster, "Available") == ("True", "MinimumReplicasAvailable")


def test_a_roll_that_does_not_come_up_runs_out_of_time() -> None:
    """``rollout status`` ends with an error after progressDeadlineSeconds."""
    cluster = running(replicas=1, progressDeadlineSeconds=60)
    change_image(cluster, "broken")
    cluster.settle(CONTROLLERS)
    assert words(cluster, "Progressing") == ("True", "ReplicaSetUpdated")
    cluster.now = "2026-11-23T06:01:01Z"
    cluster.settle(CONTROLLERS)
    assert words(cluster, "Progressing") == ("False", "ProgressDeadlineExceeded")
    cluster.now = "2026-11-23T06:09:00Z"
    cluster.settle(CONTROLLERS)
    assert words(cluster, "Progressing") == ("False", "ProgressDeadlineExceeded")
    run(cluster)
    assert words(cluster, "Progressing") == ("True", "NewReplicaSetAvailable")


def test_an_unavailable_deployment_says_so() -> None:
    """As recorded of one whose pods can't be placed."""
    cluster = fake_cluster.FakeCluster()
    cluster.add(paths.DEPLOYMENTS, fake_cluster.workload("Deployment", "web", replicas=3))
    cluster.settle(CONTROLLERS)
    status = deployment(cluster)["status"]
    assert words(cluster, "Available") == ("False", "MinimumReplicasUnavailable")
    assert (status["replicas"], status["updatedReplicas"], status["unavailableReplicas"]) == (3, 3, 3)
    assert "availableReplicas" not in status


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    """The template waits; the size does not."""
    cluster = running(replicas=1)
    cluster.patch(paths.DEPLOYMENTS, "web", {"spec": {"paused": True, "replicas": 2}}, "test")
    change_image(cluster, "new")
    run(cluster)
    assert sizes(cluster) == {"1": 2}


def test_history_is_kept_up_to_its_limit() -> None:
    """Old empty ReplicaSets go, the oldest first."""
    cluster = running(replicas=1, revisionHistoryLimit=1)
    for image in ("two", "three", "four"):
        change_image(cluster, image)
        run(cluster)
    assert sizes(cluster) == {"3": 0, "4": 1}
