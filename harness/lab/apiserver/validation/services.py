"""Rules of Services (``ValidateService`` in ``pkg/apis/core/validation``), in its order."""

from __future__ import annotations

import ipaddress
from typing import Any

from harness.lab.apiserver import golang, naming
from harness.lab.apiserver.statuses import Cause, duplicate, forbidden_field, invalid, required, unsupported
from harness.lab.apiserver.validation import templates

Object = dict[str, Any]
Json = Any

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_EXTERNAL = ("NodePort", "LoadBalancer")
_LONGEST_AFFINITY_S = 86400


def service(item: Object) -> list[Cause]:
    """What is wrong with a Service."""
    spec = item["spec"]
    kind, headless = spec["type"], spec.get("clusterIP") == "None"
    causes: list[Cause] = []
    if not spec.get("ports") and not headless and kind != "ExternalName":
        causes.append(required("spec.ports"))
    causes += _address_fits(spec, headless=headless)
    causes += _ports(spec)
    causes += naming.label_causes(spec.get("selector") or {}, "spec.selector")
    causes += _affinity(spec)
    if kind not in _TYPES:
        causes.append(unsupported("spec.type", kind, _TYPES))
    causes += _node_ports(spec)
    causes += _twice(spec)
    return causes + _policies(spec) + _addresses(spec) + _families(spec)


def _address_fits(spec: Object, *, headless: bool) -> list[Cause]:
    kind = spec["type"]
    if kind in _EXTERNAL and headless:
        return [invalid("spec.clusterIPs[0]", '"None"', f"may not be set to 'None' for {kind} services")]
    if kind != "ExternalName":
        return []
    if spec.get("clusterIP"):
        return [forbidden_field("spec.clusterIPs", "may not be set for ExternalName services")]
    name = spec.get("externalName", "")
    if not name:
        return [invalid("spec.externalName", '""', naming.SUBDOMAIN_RULE)]
    problems = naming.subdomain_problems(name.rstrip("."))
    return [invalid("spec.externalName", golang.quoted(name), text) for text in problems]


def _ports(spec: Object) -> list[Cause]:
    ports = spec.get("ports") or []
    causes: list[Cause] = []
    names: set[str] = set()
    for number, port in enumerate(ports):
        causes += _port(port, f"spec.ports[{number}]", names, name_needed=len(ports) > 1)
    return causes


def _port(port: Object, field: str, names: set[str], *, name_needed: bool) -> list[Cause]:
    name, causes = port.get("name", ""), []
    if not name:
        causes += [required(f"{field}.name")] if name_needed else []
    else:
        causes += [invalid(f"{field}.name", golang.quoted(name), text) for text in naming.label_problems(name)]
        causes += [duplicate(f"{field}.name", golang.quoted(name))] if name in names else []
        names.add(name)
    if not 0 < port.get("port", 0) < 65536:
        causes.append(invalid(f"{field}.port", str(port.get("port", 0)), templates.PORT_RANGE))
    if port["protocol"] not in templates.PROTOCOLS:
        causes.append(unsupported(f"{field}.protocol", port["protocol"], templates.PROTOCOLS))
    return causes + _target(port.get("targetPort"), f"{field}.targetPort")


def _target(target: Json, field: str) -> list[Cause]:
    if isinstance(target, str):
        return [invalid(field, golang.quoted(target), text) for text in templates.port_name_problems(target)]
    fits = isinstance(target, int) and 0 < target < 65536
    return [] if fits else [invalid(field, golang.quoted(target), templates.PORT_RANGE)]


def _affinity(spec: Object) -> list[Cause]:
    kind = spec["sessionAffinity"]
    if kind not in ("ClientIP", "None"):
        return [unsupported("spec.sessionAffinity", kind, ("ClientIP", "None"))]
    if kind == "None":
        return []
    seconds = spec["sessionAffinityConfig"]["clientIP"].get("timeoutSeconds")
    field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
    if isinstance(seconds, int) and 0 < seconds <= _LONGEST_AFFINITY_S:
        return []
    return [invalid(field, golang.quoted(seconds), f"must be greater than 0 and less than {_LONGEST_AFFINITY_S}")]


def _node_ports(spec: Object) -> list[Cause]:
    if spec["type"] != "ClusterIP":
        return []
    return [
        forbidden_field(f"spec.ports[{number}].nodePort", "may not be used when `type` is 'ClusterIP'")
        for number, port in enumerate(spec.get("ports") or [])
        if port.get("nodePort")
    ]


def _twice(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    node_ports: set[tuple[str, int]] = set()
    pairs: set[tuple[str, int]] = set()
    for number, port in enumerate(spec.get("ports") or []):
        node_port = (port["protocol"], port.get("nodePort") or 0)
        if node_port[1] and node_port in node_ports:
            causes.append(duplicate(f"spec.ports[{number}].nodePort", str(node_port[1])))
        node_ports.add(node_port)
        pair = (port["protocol"], port.get("port", 0))
        if pair in pairs:
            causes.append(duplicate(f"spec.ports[{number}]", _go_port(*pair)))
        pairs.add(pair)
    return causes


def _go_port(protocol: str, port: int) -> str:
    """The internal ServicePort, which has no JSON names of its own."""
    return f'{{"Name":"","Protocol":"{protocol}","AppProtocol":null,"Port":{port},"TargetPort":0,"NodePort":0}}'


def _policies(spec: Object) -> list[Cause]:
    causes = []
    field, policy = "spec.externalTrafficPolicy", spec.get("externalTrafficPolicy")
    reachable = spec["type"] in _EXTERNAL or bool(spec.get("externalIPs"))
    if policy is not None and not reachable:
        causes.append(invalid(field, golang.quoted(policy), "may only be set for externally-accessible services"))
    elif policy is not None and policy not in ("Cluster", "Local"):
        causes.append(unsupported(field, policy, ("Cluster", "Local")))
    inner = spec.get("internalTrafficPolicy")
    if inner is not None and inner not in ("Cluster", "Local"):
        causes.append(unsupported("spec.internalTrafficPolicy", inner, ("Cluster", "Local")))
    return causes


def _addresses(spec: Object) -> list[Cause]:
    first, several = spec.get("clusterIP", ""), spec.get("clusterIPs") or []
    if first and several and several[0] != first:
        return [invalid("spec.clusterIPs[0]", golang.quoted(several), "first value must match `clusterIP`")]
    wanted = first or (several[0] if several else "")
    if wanted in ("", "None"):
        return []
    try:
        ipaddress.ip_address(wanted)
    except ValueError:
        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        return [invalid("spec.clusterIPs[0]", golang.quoted(wanted), detail)]
    return []


def _families(spec: Object) -> list[Cause]:
    """The lab's network has IPv4 and nothing else; a headless Service without selector may say more."""
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        return []
    causes = [
        invalid(f"spec.ipFamilies[{number}]", golang.quoted(family), "not configured on this cluster")
        for number, family in enumerate(spec.get("ipFamilies") or [])
        if family != "IPv4"
    ]
    if spec.get("ipFamilyPolicy") == "RequireDualStack":
        detail = "this cluster is not configured for dual-stack services"
        causes.append(invalid("spec.ipFamilyPolicy", '"RequireDualStack"', detail))
    return causes


def changed_service(new: Object, old: Object) -> list[Cause]:
    """A Service that has an address keeps it."""
    if "ExternalName" in (new["spec"]["type"], old["spec"]["type"]):
        return []
    before, after = old["spec"].get("clusterIPs"), new["spec"].get("clusterIPs")
    if not before or before == after:
        return []
    return [invalid("spec.clusterIPs[0]", golang.quoted(after), "may not change once set")]
