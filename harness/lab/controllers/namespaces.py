"""Namespaces: what each has from the start, and the emptying of one that is to go.

A namespace that is Terminating is emptied; when nothing is left of what the controllers keep copies of, the rest goes
at one blow, its ``kubernetes`` finalizer is taken away, and the API server lets it go.
"""

from __future__ import annotations

import copy
from typing import Any

from harness.lab.controllers import actions, metadata, paths

Object = dict[str, Any]

FINALIZER = "kubernetes"
ROOT_CA = "kube-root-ca.crt"


def reconciler(authority: str) -> actions.Reconciler:
    """The controller of a cluster with this certificate authority (PEM), which every namespace has a copy of."""

    def reconcile(view: actions.View, now: str) -> list[actions.Action]:
        del now
        writes: list[actions.Action] = []
        for namespace in view.items(paths.NAMESPACES):
            if metadata.deleting(namespace):
                writes += _emptied(view, namespace)
            else:
                writes += _furnished(view, metadata.name(namespace), authority)
        return writes

    return reconcile


def _furnished(view: actions.View, name: str, authority: str) -> list[actions.Action]:
    writes: list[actions.Action] = []
    if view.get(paths.SERVICEACCOUNTS, "default", name) is None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        writes.append(actions.Create(path=paths.SERVICEACCOUNTS, namespace=name, body=account))
    if view.get(paths.CONFIGMAPS, ROOT_CA, name) is None:
        meta = {"name": ROOT_CA, "namespace": name}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": authority}}
        writes.append(actions.Create(path=paths.CONFIGMAPS, namespace=name, body=body))
    return writes


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
    rest: list[actions.Action] = [actions.DeleteAll(path=path, namespace=name) for path in paths.UNWATCHED]
    return [*rest, actions.Replace(path=paths.NAMESPACES, name=name, subresource="finalize", body=body)]


def _deleted(path: str, item: Object) -> actions.Delete:
    return actions.Delete(
        path=path, name=metadata.name(item), namespace=metadata.namespace(item), uid=metadata.uid(item)
    )
