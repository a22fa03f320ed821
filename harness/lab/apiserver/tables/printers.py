"""The rows of every kind but pods: one function a kind, from an object to its cells. Pure.

The words and orders are those of Kubernetes' own printers and, for TigeraStatus, of the columns that its custom
resource definition names; the recordings show both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from harness.lab.apiserver.tables import ages, pods

Object = dict[str, Any]
Printer = Callable[[Object, datetime], list[Any]]

NONE = "<none>"
_ROLE = "node-role.kubernetes.io/"
_SHOWN = 3


def cells(resource: str, obj: Object, now: datetime) -> list[Any]:
    """The cells of one object of a resource, such as ``services``; name and age for one without a printer."""
    return _PRINTERS.get(resource, _named)(obj, now)


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Object, now: datetime) -> str:
    return ages.since(obj["metadata"].get("creationTimestamp"), now)


def _named(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), _age(obj, now)]


def _labels(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _requirement(item: Object) -> str:
    key, values = str(item["key"]), ",".join(sorted(item.get("values") or []))
    forms = {
        "In": f"{key} in ({values})",
        "NotIn": f"{key} notin ({values})",
        "Exists": key,
        "DoesNotExist": f"!{key}",
    }
    return forms[item["operator"]]


def _selector(selector: Object | None) -> str:
    given = selector or {}
    terms = [(key, f"{key}={value}") for key, value in (given.get("matchLabels") or {}).items()]
    terms += [(item["key"], _requirement(item)) for item in given.get("matchExpressions") or []]
    return ",".join(text for _, text in sorted(terms, key=lambda term: term[0])) or NONE


def _containers(spec: Object) -> list[Any]:
    containers = spec["template"]["spec"].get("containers") or []
    return [
        ",".join(item["name"] for item in containers),
        ",".join(item.get("image", "") for item in containers),
        _selector(spec.get("selector")),
    ]


def _deployment(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    return [
        _name(obj),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(obj, now),
        *_containers(spec),
    ]


def _replica_set(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    counts = [spec.get("replicas", 1), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [_name(obj), *counts, _age(obj, now), *_containers(spec)]


_DAEMON_COUNTS = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    counts = [status.get(name, 0) for name in _DAEMON_COUNTS]
    where = _labels(spec["template"]["spec"].get("nodeSelector"))
    return [_name(obj), *counts, where, _age(obj, now), *_containers(spec)]


def _service(obj: Object, now: datetime) -> list[Any]:
    spec = obj["spec"]
    kind = spec.get("type", "ClusterIP")
    cluster_ips = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return [
        _name(obj),
        kind,
        cluster_ips[0] or NONE,
        _external_ip(kind, spec, obj.get("status") or {}),
        _ports(spec.get("ports") or []),
        _age(obj, now),
        _labels(spec.get("selector")),
    ]


def _external_ip(kind: str, spec: Object, status: Object) -> str:
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    given = list(spec.get("externalIPs") or [])
    if kind == "LoadBalancer":
        ingress = (status.get("loadBalancer") or {}).get("ingress") or []
        given = sorted({item.get("ip") or item.get("hostname", "") for item in ingress} - {""}) + given
        return ",".join(given) or "<pending>"
    return ",".join(given) or NONE


def _ports(ports: Sequence[Object]) -> str:
    return ",".join(map(_port, ports)) or NONE


def _port(port: Object) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


def _node(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    return [
        _name(obj),
        _node_status(obj),
        _roles(obj["metadata"].get("labels") or {}),
        _age(obj, now),
        info.get("kubeletVersion", ""),
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or ages.UNKNOWN,
        _kernel(info),
        info.get("containerRuntimeVersion") or ages.UNKNOWN,
    ]


def _node_status(obj: Object) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or []
    ready = [item.get("status") for item in conditions if item["type"] == "Ready"]
    words = {"True": "Ready"}
    text = words.get(ready[0], "NotReady") if ready else "Unknown"
    return text + (",SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else "")


def _roles(labels: Mapping[str, str]) -> str:
    roles = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)}
    roles |= {labels[key] for key in labels if key == "kubernetes.io/role"}
    return ",".join(sorted(roles - {""})) or NONE


def _address(status: Object, kind: str) -> str:
    found = [item["address"] for item in status.get("addresses") or [] if item["type"] == kind]
    return found[0] if found else NONE


def _kernel(info: Object) -> str:
    version, architecture = info.get("kernelVersion") or ages.UNKNOWN, info.get("architecture")
    return f"{version} ({architecture})" if architecture else version


def _endpoint_slice(obj: Object, now: datetime) -> list[Any]:
    ports = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or []]
    addresses = [address for item in obj.get("endpoints") or [] for address in item.get("addresses") or []]
    return [_name(obj), obj.get("addressType", ""), _some(ports), _some(addresses), _age(obj, now)]


def _some(words: Sequence[str]) -> str:
    shown = ",".join(words[:_SHOWN])
    return f"{shown} + {len(words) - _SHOWN} more..." if len(words) > _SHOWN else shown or "<unset>"


def _event(obj: Object, now: datetime) -> list[Any]:
    first = ages.since(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = ages.since(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first
    count = obj.get("count") or 1
    if series := obj.get("series"):
        last, count = ages.since(series.get("lastObservedTime"), now), series.get("count", 1)
    about = obj.get("involvedObject") or {}
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        "/".join(filter(None, [about.get("kind", "").lower(), about.get("name")])),
        about.get("fieldPath", ""),
        _event_source(obj),
        obj.get("message", "").strip(),
        first,
        count,
        _name(obj),
    ]


def _event_source(obj: Object) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), (obj.get("status") or {}).get("phase", ""), _age(obj, now)]


def _config_map(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), _age(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("type", ""), len(obj.get("data") or {}), _age(obj, now)]


def _service_account(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), len(obj.get("secrets") or []), _age(obj, now)]


def _tigera_status(obj: Object, now: datetime) -> list[Any]:
    found = _by_type((obj.get("status") or {}).get("conditions") or [])
    states = [found.get(kind, {}).get("status") for kind in ("Available", "Progressing", "Degraded")]
    changed = found.get("Available", {}).get("lastTransitionTime")
    # A column of a custom resource without a value is null, which kubectl shows as nothing.
    return [
        _name(obj),
        *states,
        None if changed is None else ages.since(changed, now),
        found.get("Degraded", {}).get("message"),
    ]


def _by_type(conditions: Iterable[Object]) -> dict[str, Object]:
    return {item["type"]: item for item in conditions}


_PRINTERS: Mapping[str, Printer] = {
    "configmaps": _config_map,
    "daemonsets": _daemon_set,
    "deployments": _deployment,
    "endpointslices": _endpoint_slice,
    "events": _event,
    "namespaces": _namespace,
    "nodes": _node,
    "pods": pods.cells,
    "replicasets": _replica_set,
    "secrets": _secret,
    "serviceaccounts": _service_account,
    "services": _service,
    "tigerastatuses": _tigera_status,
}
