"""What the server fills in when a client leaves it out, as the recorded API server did."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from harness.lab.apiserver import registry
from harness.lab.apiserver.defaulting import others, pods, services, workloads

Object = dict[str, Any]
Filler = Callable[[Object, "Object | None"], None]

_FILLERS: dict[str, Filler] = {
    "ConfigMap": others.nothing,
    "DaemonSet": workloads.daemon_set,
    "Deployment": workloads.deployment,
    "EndpointSlice": others.endpoint_slice,
    "Endpoints": others.endpoints,
    "Event": others.event,
    "Namespace": others.namespace,
    "Node": others.node,
    "Pod": pods.pod,
    "ReplicaSet": workloads.replica_set,
    "Secret": others.secret,
    "Service": services.service,
}


def fill_in(item: Object, resource: registry.Resource, old: Object | None = None) -> None:
    """Fill in a new object, or with ``old`` one that is updated."""
    if not resource.custom:
        _FILLERS.get(resource.kind, others.nothing)(item, old)


_FIRST_STATUS: dict[str, Object] = {
    "DaemonSet": {
        "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
    },
    "Deployment": {},
    "Namespace": {"phase": "Active"},
    "ReplicaSet": {"replicas": 0},
    "Service": {"loadBalancer": {}},
}  # fmt: skip


def drop_status(item: Object, resource: registry.Resource) -> None:
    """A new object has the status that its kind begins with, whatever the client sent."""
    if resource.subresource("status") is None or resource.kind == "Node":
        return
    item.pop("status", None)
    if resource.kind == "Pod":
        item["status"] = {"phase": "Pending"}
    elif resource.kind in _FIRST_STATUS:
        item["status"] = copy.deepcopy(_FIRST_STATUS[resource.kind])


count_template_generation = workloads.count_template_generation
