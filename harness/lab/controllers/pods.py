"""What workload controllers ask of a pod, and how they make one from a template. Pure."""

from __future__ import annotations

import copy
from typing import Any

from harness.lab.controllers import actions, metadata, paths

Object = dict[str, Any]


def ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is True."""
    return metadata.is_true(pod, "Ready")


def finished(pod: Object) -> bool:
    """Whether the pod has ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def active(pod: Object) -> bool:
    """Whether the pod counts as a replica: neither ended nor asked to go."""
    return not metadata.deleting(pod) and not finished(pod)


def node(pod: Object) -> str:
    """The node that the pod is bound to, or empty."""
    return str(pod["spec"].get("nodeName") or "")


def created(owner: Object, template: Object, labels: dict[str, str]) -> actions.Create:
    """The write that makes one more pod of a workload: the template with further labels, named by the API."""
    body = copy.deepcopy(template)
    meta: Object = dict(body.get("metadata") or {})
    meta.pop("name", None)
    meta.pop("creationTimestamp", None)
    meta |= {
        "generateName": f"{metadata.name(owner)}-",
        "namespace": metadata.namespace(owner),
        "labels": {**(meta.get("labels") or {}), **labels},
        "ownerReferences": [metadata.controller_reference(owner)],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body["spec"]}
    return actions.Create(path=paths.PODS, namespace=metadata.namespace(owner), body=pod)


def deleted(pod: Object) -> actions.Delete:
    """The write that asks a pod to go, with the grace it has asked for."""
    return actions.Delete(
        path=paths.PODS, name=metadata.name(pod), namespace=metadata.namespace(pod), uid=metadata.uid(pod)
    )


def status_written(path: str, item: Object, desired: Object) -> list[actions.Action]:
    """The write that makes an object's status as desired, or nothing if it is."""
    patch = metadata.status_patch(item, desired)
    if patch is None:
        return []
    return [
        actions.Patch(
            path=path,
            name=metadata.name(item),
            namespace=metadata.namespace(item),
            subresource="status",
            body=patch,
        )
    ]
