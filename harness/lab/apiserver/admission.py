"""Admission: what kube-apiserver's built-in plugins check and add, as far as the lab has what they need.

NamespaceLifecycle, ServiceAccount, DefaultTolerationSeconds and Priority are those whose traces the recordings show.
"""

from __future__ import annotations

import secrets
from typing import Any

from harness.lab.apiserver import registry, statuses, store

Object = dict[str, Any]

_NAMESPACES = ("", "namespaces")
_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOLERATED_S = 300
PRIORITIES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
"""The two classes that every cluster has, from Kubernetes' page on pod priority."""


def check_namespace(objects: store.Store, resource: registry.Resource, namespace: str, name: str) -> None:
    """A new object needs a namespace that is there and is not being deleted.

    Raises:
        Refusal: There is none (404), or it is being deleted (403).
    """
    if not resource.namespaced:
        return
    found = objects.get(_NAMESPACES, ("", namespace))
    if found is None:
        namespaces = registry.find("", "v1", "namespaces")
        assert namespaces is not None
        raise statuses.not_found(namespaces, namespace)
    if "deletionTimestamp" in found["metadata"]:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        cause = statuses.Cause(
            field="metadata.namespace",
            reason="NamespaceTerminating",
            message=f"namespace {namespace} is being terminated",
        )
        raise statuses.forbidden(resource, name, why, [cause])


def fill_in(item: Object, resource: registry.Resource, _objects: store.Store) -> None:
    """Add to a new pod what the plugins add.

    Raises:
        Refusal: It names a priority class that there is none of (403).
    """
    if resource.kind != "Pod":
        return
    spec = item["spec"]
    _service_account(spec)
    _tolerations(spec)
    _priority(spec, resource, item["metadata"].get("name", ""))


def _service_account(spec: Object) -> None:
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    if spec.get("automountServiceAccountToken") is False:
        return
    without = [
        container
        for key in ("initContainers", "containers")
        for container in spec.get(key) or []
        if not any(mount.get("mountPath") == _TOKEN_FOLDER for mount in container.get("volumeMounts") or [])
    ]
    if not without:
        return
    name = "kube-api-access-" + "".join(secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))
    spec.setdefault("volumes", []).append(_token_volume(name))
    for container in without:
        mount = {"name": name, "readOnly": True, "mountPath": _TOKEN_FOLDER}
        container.setdefault("volumeMounts", []).append(mount)


def _token_volume(name: str) -> Object:
    """The volume as recorded, its fourth source included."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
        {"configMap": {"name": "openshift-service-ca.crt",
                       "items": [{"key": "service-ca.crt", "path": "service-ca.crt"}]}},
    ]  # fmt: skip
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}


def _tolerations(spec: Object) -> None:
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(_tolerates(toleration, key) for toleration in spec.get("tolerations") or []):
            spec.setdefault("tolerations", []).append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_S}
            )


def _tolerates(toleration: Object, key: str) -> bool:
    return bool(toleration.get("key", key) == key and toleration.get("effect", "NoExecute") == "NoExecute")


def _priority(spec: Object, resource: registry.Resource, name: str) -> None:
    wanted = spec.get("priorityClassName", "")
    if wanted and wanted not in PRIORITIES:
        raise statuses.forbidden(resource, name, f"no PriorityClass with name {wanted} was found")
    spec["priority"] = PRIORITIES.get(wanted, 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
