"""Predicates on status count only what a controller said of the current generation."""

from __future__ import annotations

from typing import Any

import pytest

from harness.kube import conditions


def deployment(**status: int) -> dict[str, Any]:
    """A Deployment of two replicas at generation 3."""
    return {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": status}


GOOD = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def test_a_deployment_with_all_replicas_is_available() -> None:
    """Wanted, current and available are one number."""
    assert conditions.deployment_is_available(deployment(**GOOD))


@pytest.mark.parametrize(
    "change", [{"observedGeneration": 2}, {"updatedReplicas": 1}, {"availableReplicas": 1}, {"replicas": 3}]
)
def test_a_deployment_under_way_is_not(change: dict[str, int]) -> None:
    """An old generation, an old pod or a surplus pod means that it is not done."""
    assert not conditions.deployment_is_available(deployment(**{**GOOD, **change}))


def test_a_deployment_without_status_is_not() -> None:
    """A controller that has said nothing has not said yes."""
    assert not conditions.deployment_is_available(deployment())


@pytest.mark.parametrize(
    ("meta", "ready", "expected"),
    [({}, "True", True), ({}, "False", False), ({"deletionTimestamp": "now"}, "True", False)],
)
def test_a_pod_that_is_being_deleted_is_not_ready(meta: dict[str, str], ready: str, expected: bool) -> None:
    """Its condition may still say True."""
    item = {"metadata": meta, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
    assert conditions.pod_is_ready(item) is expected


@pytest.mark.parametrize(
    ("phase", "meta", "expected"),
    [("Running", {}, True), ("Pending", {}, False), ("Running", {"deletionTimestamp": "now"}, False)],
)
def test_a_pod_that_is_being_deleted_is_not_running(phase: str, meta: dict[str, str], expected: bool) -> None:
    """Its successor is the one to ask."""
    assert conditions.pod_is_running({"metadata": meta, "status": {"phase": phase}}) is expected


def daemon_set(**status: int) -> dict[str, Any]:
    """A DaemonSet at generation 3 on a cluster of two nodes."""
    return {"metadata": {"generation": 3}, "spec": {}, "status": status}


EVERYWHERE = {
    "observedGeneration": 3,
    "desiredNumberScheduled": 2,
    "updatedNumberScheduled": 2,
    "numberAvailable": 2,
}


def test_a_daemon_set_on_every_node_is_available() -> None:
    """Wanted, current and available are one number."""
    assert conditions.daemon_set_is_available(daemon_set(**EVERYWHERE))


@pytest.mark.parametrize(
    "change",
    [
        {"observedGeneration": 2},
        {"updatedNumberScheduled": 1},
        {"numberAvailable": 1},
        {"desiredNumberScheduled": 0, "updatedNumberScheduled": 0, "numberAvailable": 0},
    ],
)
def test_a_daemon_set_under_way_is_not(change: dict[str, int]) -> None:
    """An old generation, an old pod, a node without one or no node yet means that it is not done."""
    assert not conditions.daemon_set_is_available(daemon_set(**{**EVERYWHERE, **change}))
