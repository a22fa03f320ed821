"""What the server refuses, in the words of Kubernetes' validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.lab.apiserver import registry, statuses
from harness.lab.apiserver.statuses import Cause
from harness.lab.apiserver.validation import others, services, templates, workloads

Object = dict[str, Any]
Rules = Callable[[Object], list[Cause]]
ChangeRules = Callable[[Object, Object], list[Cause]]

_RULES: dict[str, Rules] = {
    "ConfigMap": others.data,
    "DaemonSet": workloads.daemon_set,
    "Deployment": workloads.deployment,
    "EndpointSlice": others.endpoint_slice,
    "FelixConfiguration": others.felix_configuration,
    "Installation": others.installation,
    "Pod": templates.pod,
    "ReplicaSet": workloads.replica_set,
    "Secret": others.data,
    "Service": services.service,
}
_CHANGE_RULES: dict[str, ChangeRules] = {
    "ConfigMap": others.changed_data,
    "DaemonSet": workloads.changed_selector,
    "Deployment": workloads.changed_selector,
    "EndpointSlice": others.changed_endpoint_slice,
    "Pod": templates.changed_pod,
    "ReplicaSet": workloads.changed_selector,
    "Secret": others.changed_data,
    "Service": services.changed_service,
}


def of_new(item: Object, resource: registry.Resource) -> list[Cause]:
    """What is wrong with a new object, its metadata aside."""
    rules = _RULES.get(resource.kind)
    return rules(item) if rules else []


def of_changed(new: Object, old: Object, resource: registry.Resource, subresource: str) -> list[Cause]:
    """What is wrong with an update, its metadata aside."""
    if subresource == "status":
        return []
    causes = of_new(new, resource)
    changes = _CHANGE_RULES.get(resource.kind)
    # A pod is put on its node by its binding, which nothing but the server writes.
    return causes + (changes(new, old) if changes and subresource != "binding" else [])


def check_encoding(item: Object, resource: registry.Resource) -> None:
    """Binary values are base64.

    Raises:
        Refusal: One is not (400): Go's decoder says so before there is an object.
    """
    problem = others.undecodable(item, resource.kind) if resource.kind in ("Secret", "ConfigMap") else ""
    if problem:
        prefix = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        raise statuses.bad_request(prefix + problem)
