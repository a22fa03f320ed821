"""Defaults of pods and of pod templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

_SPEC: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
FILE_MODE = 0o644


def pod(item: Object, old: Object | None) -> None:
    """A pod has the defaults of its spec, and some that a template has not."""
    spec = item.setdefault("spec", {})
    fill_in_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in _containers(spec):
        _request_limits(container["resources"])
    status = item.setdefault("status", {})
    status.setdefault("phase", "Pending")
    if old is None:
        status["qosClass"] = quality(spec)
    elif "qosClass" in (old.get("status") or {}):
        status.setdefault("qosClass", old["status"]["qosClass"])
    for condition in status.get("conditions") or []:
        condition.setdefault("lastProbeTime", None)
        condition.setdefault("lastTransitionTime", None)


def fill_in_spec(spec: Object) -> None:
    """The defaults that pods and templates share."""
    for container in _containers(spec):
        _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or []:
        _volume(volume)
    for key, value in _SPEC.items():
        spec.setdefault(key, value)
    spec.setdefault("securityContext", {})
    # The old name of the field is kept in step with the new one.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _containers(spec: Object) -> Iterator[Object]:
    for key in ("initContainers", "containers"):
        yield from spec.get(key) or []


def _container(container: Object, *, host_network: bool) -> None:
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if host_network and not port.get("hostPort"):
            port["hostPort"] = port.get("containerPort")
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", pull_policy(container.get("image", "")))
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if key in container:
            _probe(container[key])


def pull_policy(image: str) -> str:
    """``Always`` for the tag ``latest``, spelled out or not; ``IfNotPresent`` for every other."""
    bare, _, digest = image.partition("@")
    tag = bare.rpartition("/")[2].partition(":")[2]
    return "Always" if not digest and tag in ("", "latest") else "IfNotPresent"


def _probe(probe: Object) -> None:
    for key, value in _PROBE.items():
        probe.setdefault(key, value)
    request = probe.get("httpGet")
    if request is not None:
        request.setdefault("path", "/")
        request.setdefault("scheme", "HTTP")
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _volume(volume: Object) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for key in ("configMap", "secret", "projected", "downwardAPI"):
        if key in volume:
            volume[key].setdefault("defaultMode", FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    for source in (volume.get("projected") or {}).get("sources") or []:
        _projection(source)
    _field_versions(volume.get("downwardAPI") or {})


def _projection(source: Object) -> None:
    if "serviceAccountToken" in source:
        source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
    _field_versions(source.get("downwardAPI") or {})


def _field_versions(source: Object) -> None:
    for item in source.get("items") or []:
        if "fieldRef" in item:
            item["fieldRef"].setdefault("apiVersion", "v1")


def _request_limits(resources: Object) -> None:
    for name, amount in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, amount)


def quality(spec: Object) -> str:
    """The pod's quality of service class, by the rules of Kubernetes' page on it."""
    amounts = [container["resources"] for container in _containers(spec)]
    if not any(item.get("requests") or item.get("limits") for item in amounts):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(item.get("limits") or {}) and item.get("requests") == item.get("limits")
        for item in amounts
    )
    return "Guaranteed" if guaranteed else "Burstable"
