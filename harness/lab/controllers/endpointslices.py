"""EndpointSlices: which pods stand behind which Service, and which of them can take traffic.

One slice for each set of ports, since a named target port may be another number in another pod. Names, labels and
fields are those of the real controller (recorded); the order of endpoints is by pod name, where the real one is the
order in which it met them.
"""

from __future__ import annotations

from typing import Any

from harness.lab.controllers import actions, metadata, paths, pods

Object = dict[str, Any]
Ports = tuple[tuple[str, int, str], ...]

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS_LABEL = "service.kubernetes.io/headless"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Bring the slices of every Service with a selector up to date. Those of deleted Services are collected."""
    everything = view.items(paths.PODS)
    slices = [item for item in view.items(paths.ENDPOINTSLICES) if _ours(item)]
    writes: list[actions.Action] = []
    for service in view.items(paths.SERVICES):
        if not service["spec"].get("selector") or metadata.deleting(service):
            continue
        selected = [pod for pod in everything if _selected(service, pod)]
        known = [item for item in slices if _service(item) == (metadata.namespace(service), metadata.name(service))]
        writes += _updated(service, grouped(service, selected), known, now)
    return writes


def _ours(item: Object) -> bool:
    return metadata.labels(item).get(MANAGER_LABEL) == MANAGER and not metadata.deleting(item)


def _service(item: Object) -> tuple[str, str]:
    return metadata.namespace(item), metadata.labels(item).get(SERVICE_LABEL, "")


def _selected(service: Object, pod: Object) -> bool:
    if metadata.namespace(pod) != metadata.namespace(service) or pods.finished(pod):
        return False
    wanted: Object = service["spec"]["selector"]
    return wanted.items() <= metadata.labels(pod).items() and bool((pod.get("status") or {}).get("podIP"))


def grouped(service: Object, selected: list[Object]) -> dict[Ports, list[Object]]:
    """The endpoints of a Service by their ports; one empty group if it has none."""
    groups: dict[Ports, list[Object]] = {}
    for pod in selected:
        groups.setdefault(_ports(service, pod), []).append(endpoint(service, pod))
    return groups or {(): []}


def _ports(service: Object, pod: Object) -> Ports:
    found = []
    for port in service["spec"].get("ports") or ():
        number = _target(port, pod)
        if number is not None:
            found.append((port.get("name") or "", number, port.get("protocol", "TCP")))
    return tuple(found)


def _target(port: Object, pod: Object) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in pod["spec"].get("containers") or ():
        for offered in container.get("ports") or ():
            if offered.get("name") == target and offered.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(offered["containerPort"])
    return None


def endpoint(service: Object, pod: Object) -> Object:
    """One endpoint: ready unless it is going, serving as long as it passes its checks."""
    going = metadata.deleting(pod)
    serving = pods.ready(pod)
    unready_too = bool(service["spec"].get("publishNotReadyAddresses"))
    found: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": unready_too or (serving and not going), "serving": serving, "terminating": going},
        "nodeName": pods.node(pod),
        "targetRef": {
            "kind": "Pod",
            "name": metadata.name(pod),
            "namespace": metadata.namespace(pod),
            "uid": metadata.uid(pod),
        },
    }
    named = pod["spec"].get("subdomain") == metadata.name(service) and pod["spec"].get("hostname")
    return found | ({"hostname": pod["spec"]["hostname"]} if named else {})


def _updated(service: Object, groups: dict[Ports, list[Object]], known: list[Object], now: str) -> list[actions.Action]:
    left = list(known)
    writes: list[actions.Action] = []
    missing = []
    for ports, endpoints in groups.items():
        same = next((item for item in left if _ports_of(item) == ports), None)
        if same is None:
            missing.append((ports, endpoints))
            continue
        left.remove(same)
        writes += _refreshed(service, same, ports, endpoints, now)
    for ports, endpoints in missing:
        # A slice whose ports have changed is kept and rewritten, so that its name stays.
        if left:
            writes += _refreshed(service, left.pop(0), ports, endpoints, now)
        else:
            writes.append(_created(service, ports, endpoints, now))
    return writes + [_deleted(item) for item in left]


def _ports_of(item: Object) -> Ports:
    return tuple(
        (port.get("name") or "", port["port"], port.get("protocol", "TCP")) for port in item.get("ports") or ()
    )


def _content(service: Object, ports: Ports, endpoints: list[Object]) -> Object:
    listed = [{"name": name, "port": number, "protocol": protocol} for name, number, protocol in ports]
    # Go writes a list that was never made as null; clients of the real API must cope with it, so ours must too.
    return {"endpoints": endpoints or None, "ports": listed or None, "labels": _labels(service)}


def _labels(service: Object) -> dict[str, str]:
    marks = {MANAGER_LABEL: MANAGER, SERVICE_LABEL: metadata.name(service)}
    headless = {HEADLESS_LABEL: ""} if service["spec"].get("clusterIP") == "None" else {}
    return metadata.labels(service) | marks | headless


def _refreshed(service: Object, item: Object, ports: Ports, endpoints: list[Object], now: str) -> list[actions.Action]:
    content = _content(service, ports, endpoints)
    labels = content.pop("labels")
    changed = {key: value for key, value in content.items() if (item.get(key) or None) != value}
    stale = {key: None for key in metadata.labels(item) if key not in labels}
    if not changed and metadata.labels(item) == labels:
        return []
    body = {**changed, "metadata": {"labels": {**labels, **stale}, "annotations": {TRIGGER: now}}}
    name, namespace = metadata.name(item), metadata.namespace(item)
    return [actions.Patch(path=paths.ENDPOINTSLICES, name=name, namespace=namespace, body=body)]


def _created(service: Object, ports: Ports, endpoints: list[Object], now: str) -> actions.Create:
    content = _content(service, ports, endpoints)
    body: Object = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {
            "generateName": f"{metadata.name(service)}-",
            "namespace": metadata.namespace(service),
            "labels": content.pop("labels"),
            "annotations": {TRIGGER: now},
            "ownerReferences": [metadata.controller_reference(service)],
        },
        **content,
    }
    return actions.Create(path=paths.ENDPOINTSLICES, namespace=metadata.namespace(service), body=body)


def _deleted(item: Object) -> actions.Delete:
    return actions.Delete(
        path=paths.ENDPOINTSLICES, name=metadata.name(item), namespace=metadata.namespace(item), uid=metadata.uid(item)
    )
