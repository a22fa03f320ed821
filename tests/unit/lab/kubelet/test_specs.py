"""A Pod is parsed once, with Kubernetes' defaults."""

from __future__ import annotations

import json
from typing import Any

from harness.lab.kubelet import specs
from tests import recordings
from tests.unit.lab.kubelet import objects


def test_defaults_are_kubernetes_own() -> None:
    """What a Pod does not say is what the API reference says."""
    pod = specs.pod_of(objects.pod())
    assert (pod.restart_policy, pod.grace_s, pod.host_network, pod.hostname) == ("Always", 30, False, "web")
    assert pod.key == "bank/web"
    assert pod.short_uid == "0a1b2c3d"


def test_probe_defaults() -> None:
    """A probe that says only what it asks has the reference's times and thresholds."""
    probe = specs.pod_of(objects.pod(readinessProbe={"httpGet": {"port": "web"}})).containers[0].readiness
    assert probe is not None
    assert (probe.http_path, probe.port, probe.period_s, probe.timeout_s) == ("/", "web", 10.0, 1.0)
    assert (probe.success_threshold, probe.failure_threshold, probe.initial_delay_s) == (1, 3, 0.0)


def test_an_unknown_restart_policy_is_the_default() -> None:
    """The API server refuses others; a policy of a later version must not end the kubelet."""
    assert specs.pod_of(objects.pod(restartPolicy="Sometimes")).restart_policy == "Always"


def test_every_recorded_pod_is_understood() -> None:
    """The pods of the recorded cluster parse, and keep their names, images and networks."""
    items: list[dict[str, Any]] = json.loads((recordings.path() / "api" / "iptables" / "pods.json").read_text())[
        "items"
    ]
    for item in items:
        pod = specs.pod_of(item)
        assert [each.image for each in pod.containers] == [each["image"] for each in item["spec"]["containers"]]
        assert pod.host_network == bool(item["spec"].get("hostNetwork"))
        assert pod.grace_s == item["spec"]["terminationGracePeriodSeconds"]
    assert len(items) > 5


def test_the_recorded_calico_node_has_its_hook_and_probe() -> None:
    """preStop and the exec probe of calico-node's container are found."""
    items = json.loads((recordings.path() / "api" / "iptables" / "pods.json").read_text())["items"]
    item = next(each for each in items if each["metadata"]["name"].startswith("calico-node-"))
    container = specs.pod_of(item).containers[0]
    assert container.pre_stop == ("/bin/calico-node", "-shutdown")
    assert container.readiness is not None
    assert container.readiness.command == ("/bin/calico-node", "-felix-ready")
