"""Defaults of Services; addresses and node ports are given out by ``allocation``."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_EXTERNAL = ("NodePort", "LoadBalancer")
AFFINITY_S = 10800


def service(item: Object, old: Object | None) -> None:
    """The fields that depend on no other Service."""
    spec = item.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    _affinity(spec)
    _drop_unused(spec, (old or {}).get("spec") or {})
    if _reachable(spec):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    _keep_addresses(spec, (old or {}).get("spec") or {})
    item.setdefault("status", {}).setdefault("loadBalancer", {})


def _drop_unused(spec: Object, before: Object) -> None:
    """A type that no longer needs a field gives it back, unless the client asks for another value."""
    if _reachable(before) and not _reachable(spec):
        _drop(spec, before, ("externalTrafficPolicy",))
    if before.get("type") in _EXTERNAL and spec["type"] not in _EXTERNAL:
        _drop(spec, before, ("healthCheckNodePort", "allocateLoadBalancerNodePorts"))
        numbers = {port.get("nodePort") for port in before.get("ports") or []}
        for port in spec.get("ports") or []:
            if port.get("nodePort") in numbers:
                port.pop("nodePort", None)
    if spec["type"] == "ExternalName" and spec.get("clusterIP") == before.get("clusterIP"):
        _drop(spec, before, ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"))


def _reachable(spec: Object) -> bool:
    """Whether clients outside the cluster reach it: by a port of the nodes, or by an address of its own (recorded)."""
    return spec.get("type") in _EXTERNAL or (spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs")))


def _drop(spec: Object, before: Object, keys: tuple[str, ...]) -> None:
    for key in keys:
        if spec.get(key) == before.get(key):
            spec.pop(key, None)


def _affinity(spec: Object) -> None:
    if spec["sessionAffinity"] == "ClientIP":
        settings = spec.setdefault("sessionAffinityConfig", {})
        settings.setdefault("clientIP", {}).setdefault("timeoutSeconds", AFFINITY_S)
    else:
        spec.pop("sessionAffinityConfig", None)


def _keep_addresses(spec: Object, before: Object) -> None:
    """What an update leaves out is taken from before, as the Service's REST storage patches it in."""
    if not before or "ExternalName" in (spec["type"], before["type"]):
        return
    for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if key in before:
            spec.setdefault(key, before[key])
    if spec.get("clusterIP") != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in _EXTERNAL and before["type"] in _EXTERNAL:
        _keep_node_ports(spec, before)


def _keep_node_ports(spec: Object, before: Object) -> None:
    known = {(port["protocol"], port["port"]): port.get("nodePort") for port in before.get("ports") or []}
    for port in spec.get("ports") or []:
        number = known.get((port["protocol"], port.get("port")))
        if number and not port.get("nodePort"):
            port["nodePort"] = number
    if before.get("healthCheckNodePort") and spec.get("externalTrafficPolicy") == "Local":
        spec.setdefault("healthCheckNodePort", before["healthCheckNodePort"])
