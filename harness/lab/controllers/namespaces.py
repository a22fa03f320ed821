"""Namespaces: what each has from the start, and the emptying of one that is to go.

A namespace that is Terminating is emptied of everything that the controllers know of; when nothing is left, its
``kubernetes`` finalizer is taken away, and the API server lets it go.
"""

from __future__ import annotations

import copy
from typing import Any

from harness.lab.controllers import actions, metadata, paths

Object = dict[str, Any]

FINALIZER = "kubernetes"


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Furnish the namespaces that stay, empty those that go."""
    del now
    writes: list[actions.Action] = []
    for namespace in view.items(paths.NAMESPACES):
        writes += _emptied(view, namespace) if metadata.deleting(namespace) else _furnished(view, namespace)
    return writes


def _furnished(view: actions.View, namespace: Object) -> list[actions.Action]:
    name = metadata.name(namespace)
    if view.get(paths.SERVICEACCOUNTS, "default", name) is not None:
        return []
    meta = {"name": "default", "namespace": name}
    body: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    return [actions.Create(path=paths.SERVICEACCOUNTS, namespace=name, body=body)]


def _emptied(view: actions.View, namespace: Object) -> list[actions.Action]:
    name = metadata.name(namespace)
    left = [(path, item) for path in paths.NAMESPACED for item in view.items(path) if metadata.namespace(item) == name]
    if left:
        return [_deleted(path, item) for path, item in left if not metadata.deleting(item)]
    finalizers: list[str] = namespace["spec"].get("finalizers") or []
    if FINALIZER not in finalizers:
        return []
    body = copy.deepcopy(namespace)
    body["spec"]["finalizers"] = [item for item in finalizers if item != FINALIZER]
    return [actions.Replace(path=paths.NAMESPACES, name=name, subresource="finalize", body=body)]


def _deleted(path: str, item: Object) -> actions.Delete:
    return actions.Delete(
        path=path, name=metadata.name(item), namespace=metadata.namespace(item), uid=metadata.uid(item)
    )
