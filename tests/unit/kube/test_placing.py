"""The echo servers' node is chosen from the nodes alone, and written into nothing but the backends."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core import errors
from harness.kube import manifests, placing


def node(name: str, *, ready: str = "True", **spec: object) -> dict[str, Any]:
    """A node; a name with ``plane`` in it is a control plane."""
    labels = {placing.HOSTNAME: f"{name}.local"}
    if "plane" in name:
        labels["node-role.kubernetes.io/control-plane"] = ""
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("nodes", "chosen"),
    [
        ((node("plane"), node("worker2"), node("worker")), "worker.local"),
        ((node("a-plane"), node("worker", unschedulable=True), node("worker2", ready="False")), "a-plane.local"),
        ((node("worker3", ready="Unknown"), node("worker4")), "worker4.local"),
    ],
    ids=["a worker before a control plane", "a control plane before none", "a ready one"],
)
def test_the_node_is_the_first_worker_that_takes_pods(nodes: tuple[dict[str, Any], ...], chosen: str) -> None:
    """Whatever order the API lists them in."""
    assert placing.backend_node(nodes) == placing.backend_node(nodes[::-1]) == chosen


def test_without_a_node_there_is_no_place() -> None:
    """It is said before anything is applied."""
    with pytest.raises(errors.ParseError, match="no node is ready"):
        placing.backend_node([node("worker", ready="False")])


def test_only_the_backends_are_bound() -> None:
    """Clients are on every node; what was loaded is not changed."""
    loaded = manifests.load(manifests.ECHO)
    placed = placing.placed(loaded, "somewhere")
    selectors = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"].get("nodeSelector")
        for item in placed
        if item["kind"] in ("Deployment", "DaemonSet")
    }
    bound = {placing.HOSTNAME: "somewhere"}
    assert selectors == {"echo": bound, "echohost": bound, "pod-client": None, "host-client": None}
    assert loaded == manifests.load(manifests.ECHO)
