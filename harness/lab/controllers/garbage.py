"""Garbage collection: what goes with its owner.

* background: an object whose owners have all gone is deleted;
* foreground: an owner with the finalizer ``foregroundDeletion`` waits for its dependents that block it, and these are
  deleted first;
* orphan: an owner with the finalizer ``orphan`` lets its dependents go free first.

Which of the three, the client that deletes says, and the API server writes it as a finalizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.lab.controllers import actions, metadata, paths

Object = dict[str, Any]
Held = tuple[str, Object]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Delete, release or wait, for every object that has owners or is an owner that goes."""
    del now
    held = [(path, item) for path in paths.WATCHED for item in view.items(path)]
    alive = {metadata.uid(item): (path, item) for path, item in held}
    writes: list[actions.Action] = []
    for path, item in held:
        if metadata.deleting(item):
            writes += _going(path, item, held)
        elif item["metadata"].get("ownerReferences"):
            writes += _ownerless(path, item, alive)
    return writes


def _ownerless(path: str, item: Object, alive: dict[str, Held]) -> list[actions.Action]:
    owners = list(_owners(item))
    if any(uid in alive for _, _, _, uid in owners) or len(owners) < len(item["metadata"]["ownerReferences"]):
        return []
    return [_deleted(path, item, owners)]


def _owners(item: Object) -> Iterator[tuple[str, str, str, str]]:
    """The owners of an object of which the controllers know the collection; the others are left to themselves."""
    for reference in item["metadata"].get("ownerReferences") or ():
        path = _COLLECTIONS.get((reference["apiVersion"], reference["kind"]))
        if path is not None:
            scope = metadata.namespace(item) if path in paths.NAMESPACED else ""
            yield path, reference["name"], scope, reference["uid"]


_COLLECTIONS = {
    ("v1", "Namespace"): paths.NAMESPACES,
    ("v1", "Node"): paths.NODES,
    ("v1", "Pod"): paths.PODS,
    ("v1", "Service"): paths.SERVICES,
    ("v1", "ConfigMap"): paths.CONFIGMAPS,
    ("v1", "ServiceAccount"): paths.SERVICEACCOUNTS,
    ("v1", "Secret"): paths.SECRETS,
    ("apps/v1", "Deployment"): paths.DEPLOYMENTS,
    ("apps/v1", "ReplicaSet"): paths.REPLICASETS,
    ("apps/v1", "DaemonSet"): paths.DAEMONSETS,
    ("discovery.k8s.io/v1", "EndpointSlice"): paths.ENDPOINTSLICES,
    ("operator.tigera.io/v1", "Installation"): paths.INSTALLATIONS,
}


def _deleted(path: str, item: Object, unless: list[tuple[str, str, str, str]] | None = None) -> actions.Delete:
    return actions.Delete(
        path=path,
        name=metadata.name(item),
        namespace=metadata.namespace(item),
        uid=metadata.uid(item),
        unless=tuple(unless or ()),
    )


def _going(path: str, owner: Object, held: list[Held]) -> list[actions.Action]:
    finalizers: list[str] = owner["metadata"].get("finalizers") or []
    dependents = [(where, item, entry) for where, item in held for entry in [_reference(owner, item)] if entry]
    if ORPHAN in finalizers:
        freed: list[actions.Action] = [_freed(where, item, owner) for where, item, _ in dependents]
        return freed or [_released(path, owner, ORPHAN)]
    if FOREGROUND in finalizers:
        going: list[actions.Action] = [
            _deleted(where, item) for where, item, _ in dependents if not metadata.deleting(item)
        ]
        blocking = [item for _, item, entry in dependents if entry.get("blockOwnerDeletion")]
        return going or ([] if blocking else [_released(path, owner, FOREGROUND)])
    return []


def _reference(owner: Object, item: Object) -> Object | None:
    for entry in item["metadata"].get("ownerReferences") or ():
        if entry["uid"] == metadata.uid(owner):
            found: Object = entry
            return found
    return None


def _freed(path: str, item: Object, owner: Object) -> actions.Patch:
    left = [entry for entry in item["metadata"]["ownerReferences"] if entry["uid"] != metadata.uid(owner)]
    body = {"metadata": {"uid": metadata.uid(item), "ownerReferences": left or None}}
    return actions.Patch(path=path, name=metadata.name(item), namespace=metadata.namespace(item), body=body)


def _released(path: str, owner: Object, finalizer: str) -> actions.Patch:
    left = [entry for entry in owner["metadata"]["finalizers"] if entry != finalizer]
    body = {"metadata": {"uid": metadata.uid(owner), "finalizers": left or None}}
    return actions.Patch(path=path, name=metadata.name(owner), namespace=metadata.namespace(owner), body=body)
