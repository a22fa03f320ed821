"""Cluster addresses and node ports: given out by chance, refused when taken or out of range."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator
from typing import Any

from harness.lab import plan
from harness.lab.apiserver import golang, registry, store
from harness.lab.apiserver.statuses import Cause, invalid

Object = dict[str, Any]

NODE_PORTS = range(30000, 32768)
_SERVICES = ("", "services")
_EXTERNAL = ("NodePort", "LoadBalancer")


class Allocator:
    """What Services have been given, read from the Services themselves: there is nothing to keep in step."""

    def __init__(self, objects: store.Store) -> None:
        self._objects = objects

    def fill_in(
        self, item: Object, resource: registry.Resource, causes: list[Cause], old: Object | None = None
    ) -> list[Cause]:
        """Give a Service its address and ports, unless it breaks a rule already; returns what can't be given."""
        if resource.kind != "Service" or causes:
            return []
        spec = item["spec"]
        if spec["type"] == "ExternalName":
            for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(key, None)
            return []
        others = [other for other in self._objects.items(_SERVICES) if not _same(other, old)]
        return self._address(spec, others) or self._ports(spec, others)

    def _address(self, spec: Object, others: list[Object]) -> list[Cause]:
        taken = {other["spec"].get("clusterIP") for other in others}
        wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or []), "")
        if wanted and wanted != "None":
            problem = _address_problem(wanted, taken)
            if problem:
                return [invalid("spec.clusterIPs", golang.quoted([wanted]), problem)]
        spec["clusterIP"] = wanted or _free_address(taken)
        spec["clusterIPs"] = [spec["clusterIP"]]
        anything = wanted == "None" and not spec.get("selector")
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if anything else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if anything else "SingleStack")
        return []

    def _ports(self, spec: Object, others: list[Object]) -> list[Cause]:
        if spec["type"] not in _EXTERNAL:
            for port in spec.get("ports") or []:
                port.pop("nodePort", None)
            spec.pop("healthCheckNodePort", None)
            return []
        taken = {pair for other in others for pair in _node_ports(other["spec"])}
        causes = []
        for number, port in enumerate(spec.get("ports") or []):
            causes += _check_port(port, taken, f"spec.ports[{number}].nodePort")
        if causes or not spec.get("allocateLoadBalancerNodePorts", True):
            return causes
        for port in spec.get("ports") or []:
            port.setdefault("nodePort", _free_port(taken, port, spec))
            taken.add((port["protocol"], port["nodePort"]))
        if spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            spec.setdefault("healthCheckNodePort", _free_port(taken, {"protocol": "TCP"}, spec))
        return []


def _same(other: Object, old: Object | None) -> bool:
    return old is not None and bool(other["metadata"]["uid"] == old["metadata"]["uid"])


def _node_ports(spec: Object) -> Iterator[tuple[str, int]]:
    for port in spec.get("ports") or []:
        if port.get("nodePort"):
            yield port["protocol"], port["nodePort"]
    if spec.get("healthCheckNodePort"):
        yield "TCP", spec["healthCheckNodePort"]


def _address_problem(wanted: str, taken: set[str | None]) -> str:
    if ipaddress.ip_address(wanted) not in plan.SERVICE_NETWORK:
        return (
            f"failed to allocate IP {wanted}: provided IP is not in the valid range. "
            f"The range of valid IPs is {plan.SERVICE_NETWORK}"
        )
    return f"failed to allocate IP {wanted}: provided IP is already allocated" if wanted in taken else ""


def _free_address(taken: set[str | None]) -> str:
    while True:
        # Kubernetes keeps the range's first 256 addresses for those that are asked for by number.
        found = str(plan.SERVICE_NETWORK[257 + secrets.randbelow(plan.SERVICE_NETWORK.num_addresses - 258)])
        if found not in taken:
            return found


def _check_port(port: Object, taken: set[tuple[str, int]], field: str) -> list[Cause]:
    number = port.get("nodePort")
    if not number:
        return []
    if number not in NODE_PORTS:
        detail = "provided port is not in the valid range. The range of valid ports is 30000-32767"
        return [invalid(field, str(number), detail)]
    if (port["protocol"], number) in taken:
        return [invalid(field, str(number), "provided port is already allocated")]
    taken.add((port["protocol"], number))
    return []


def _free_port(taken: set[tuple[str, int]], port: Object, spec: Object) -> int:
    # Two protocols on one port share its node port.
    for sibling in spec.get("ports") or []:
        number = sibling.get("nodePort")
        shares = sibling is not port and sibling.get("port") == port.get("port")
        if shares and number and (port["protocol"], number) not in taken:
            return int(number)
    used = {number for _, number in taken}
    while True:
        # Kubernetes keeps the range's first 86 ports for those that are asked for by number.
        found = NODE_PORTS[86 + secrets.randbelow(len(NODE_PORTS) - 86)]
        if found not in used:
            return found
