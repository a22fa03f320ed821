"""The Node object against the recorded ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.lab import plan
from harness.lab.kubelet import node
from tests import recordings

MACHINE = node.Machine(
    architecture="amd64",
    kernel="6.18.44-fc-v595",
    os_image="Debian GNU/Linux 12 (bookworm)",
    boot_id="0483e91c-4eff-4e27-8bea-954358b7fc2f",
    machine_id="43861442f3284327bcf9d38f0e77765e",
    cpus=2,
    memory_kib=24684096,
    disk_kib=264212084,
)
# Set by others, after the registration, or about features that the lab's runtime does not have.
NOT_OURS = {"declaredFeatures", "features", "runtimeHandlers"}


def recorded(name: str) -> dict[str, Any]:
    """The recorded Node."""
    items = json.loads((recordings.path() / "api" / "iptables" / "nodes.json").read_text())["items"]
    return next(item for item in items if item["metadata"]["name"] == name)


@pytest.mark.parametrize("planned", plan.plan().nodes, ids=lambda each: each.name)
def test_registration_is_as_recorded(planned: plan.NodePlan) -> None:
    """Labels, taints, provider, addresses, capacity and facts equal those of the real kubelet."""
    real = recorded(planned.name)
    ours = node.node_object(planned.name, str(planned.address), MACHINE, now="")
    assert ours["metadata"]["labels"] == real["metadata"]["labels"]
    assert ours["spec"].get("taints") == real["spec"].get("taints")
    assert ours["spec"]["providerID"] == real["spec"]["providerID"]
    for name in set(ours["status"]) - {"conditions", "nodeInfo"}:
        assert ours["status"][name] == real["status"][name]
    same_machine = {"bootID", "machineID", "systemUUID"}
    assert set(ours["status"]["nodeInfo"]) == set(real["status"]["nodeInfo"])
    for name in set(ours["status"]["nodeInfo"]) - same_machine:
        assert ours["status"]["nodeInfo"][name] == real["status"]["nodeInfo"][name]
    assert set(real["status"]) - set(ours["status"]) == NOT_OURS


def test_conditions_are_the_kubelets_own() -> None:
    """The four conditions equal the recorded ones but for their times; NetworkUnavailable is calico-node's."""
    real = {each["type"]: each for each in recorded("kind-worker")["status"]["conditions"]}
    ours = {each["type"]: each for each in node.conditions("now")}
    assert set(real) - set(ours) == {"NetworkUnavailable"}
    for kind, each in ours.items():
        assert {**each, "lastHeartbeatTime": "", "lastTransitionTime": ""} == {
            **real[kind],
            "lastHeartbeatTime": "",
            "lastTransitionTime": "",
        }
