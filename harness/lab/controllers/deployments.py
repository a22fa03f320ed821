"""Deployments: a ReplicaSet for each template, and replicas moved from the old ones to the new one.

``rolling`` has the limits within which they move, ``progress`` what is said about it.
"""

from __future__ import annotations

import copy
from typing import Any

from harness.lab.controllers import actions, metadata, paths, pods, progress, rolling

Object = dict[str, Any]

_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", rolling.REVISION)


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Create and scale ReplicaSets of every Deployment, then say how far each is."""
    writes: list[actions.Action] = []
    for deployment in view.items(paths.DEPLOYMENTS):
        observed = rolling.observe(view, deployment)
        if not metadata.deleting(deployment):
            writes += _advanced(observed)
        writes += pods.status_written(paths.DEPLOYMENTS, deployment, progress.status(observed, now))
    return writes


def _advanced(observed: rolling.Observed) -> list[actions.Action]:
    revision = _wanted_revision(observed)
    if observed.deployment["spec"].get("paused"):
        return _scaled_evenly(observed)
    writes: list[actions.Action] = _annotated(paths.DEPLOYMENTS, observed.deployment, {rolling.REVISION: str(revision)})
    if observed.new is None:
        return [*writes, _created(observed, revision, _first_size(observed))]
    for item in observed.all:
        mark = {rolling.REVISION: str(revision)} if item is observed.new else {}
        writes += _annotated(paths.REPLICASETS, item, mark | _counts(observed))
    if rolling.recreates(observed):
        return writes + _recreated(observed, observed.new)
    return writes + _rolled(observed, observed.new) + _forgotten(observed)


def _scaled_evenly(observed: rolling.Observed) -> list[actions.Action]:
    """A paused Deployment can still be scaled; the lab does so on the newest ReplicaSet only."""
    newest = observed.new or (observed.old[-1] if observed.old else None)
    if newest is None:
        return []
    others = sum(rolling.size(item) for item in observed.all if item is not newest)
    return _resized(newest, max(0, observed.replicas - others))


def _wanted_revision(observed: rolling.Observed) -> int:
    highest_old = max((rolling.revision(item) for item in observed.old), default=0)
    own = rolling.revision(observed.new) if observed.new else 0
    return own if own > highest_old else highest_old + 1


def _annotated(path: str, item: Object, notes: dict[str, str]) -> list[actions.Action]:
    known = metadata.annotations_of(item)
    missing = {key: value for key, value in notes.items() if known.get(key) != value}
    if not missing:
        return []
    name, namespace = metadata.name(item), metadata.namespace(item)
    return [actions.Patch(path=path, name=name, namespace=namespace, body={"metadata": {"annotations": missing}})]


def _counts(observed: rolling.Observed) -> dict[str, str]:
    return {
        "deployment.kubernetes.io/desired-replicas": str(observed.replicas),
        "deployment.kubernetes.io/max-replicas": str(observed.replicas + rolling.surge(observed)),
    }


def _created(observed: rolling.Observed, revision: int, size: int) -> actions.Create:
    deployment, mark = observed.deployment, {rolling.HASH_LABEL: observed.hash}
    template = copy.deepcopy(deployment["spec"]["template"])
    template.setdefault("metadata", {})["labels"] = {**(template["metadata"].get("labels") or {}), **mark}
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **mark}
    kept = {key: value for key, value in metadata.annotations_of(deployment).items() if key not in _NOT_COPIED}
    body: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata.name(deployment)}-{observed.hash}",
            "namespace": metadata.namespace(deployment),
            "labels": template["metadata"]["labels"],
            "annotations": kept | {rolling.REVISION: str(revision)} | _counts(observed),
            "ownerReferences": [metadata.controller_reference(deployment)],
        },
        "spec": {"replicas": size, "selector": selector, "template": template},
    }
    return actions.Create(path=paths.REPLICASETS, namespace=metadata.namespace(deployment), body=body)


def _first_size(observed: rolling.Observed) -> int:
    if rolling.recreates(observed):
        return observed.replicas if not _old_pods(observed) else 0
    room = observed.replicas + rolling.surge(observed) - sum(map(rolling.size, observed.old))
    return max(0, min(observed.replicas, room))


def _old_pods(observed: rolling.Observed) -> int:
    return sum(
        max(rolling.size(item), rolling.count(item, "replicas"), rolling.count(item, "terminatingReplicas"))
        for item in observed.old
    )


def _recreated(observed: rolling.Observed, new: Object) -> list[actions.Action]:
    shrunk = [write for item in observed.old for write in _resized(item, 0)]
    return shrunk or (_resized(new, observed.replicas) if not _old_pods(observed) else [])


def _rolled(observed: rolling.Observed, new: Object) -> list[actions.Action]:
    if rolling.size(new) > observed.replicas:
        return _resized(new, observed.replicas)
    room = observed.replicas + rolling.surge(observed) - sum(map(rolling.size, observed.all))
    if rolling.size(new) < observed.replicas and room > 0:
        return _resized(new, min(observed.replicas, rolling.size(new) + room))
    return _shrunk(observed, new)


def _shrunk(observed: rolling.Observed, new: Object) -> list[actions.Action]:
    least = observed.replicas - rolling.may_be_missing(observed)
    missing_new = rolling.size(new) - rolling.count(new, "availableReplicas")
    spare = sum(map(rolling.size, observed.all)) - least - missing_new
    available = sum(rolling.count(item, "availableReplicas") for item in observed.all)
    writes: list[actions.Action] = []
    for item in observed.old:
        # What is not available can go first and costs nobody anything.
        broken = max(0, min(spare, rolling.size(item) - rolling.count(item, "availableReplicas")))
        healthy = max(0, min(rolling.size(item) - broken, available - least, spare - broken))
        writes += _resized(item, rolling.size(item) - broken - healthy)
        spare, available = spare - broken - healthy, available - healthy
    return writes


def _resized(replicaset: Object, size: int) -> list[actions.Action]:
    if rolling.size(replicaset) == size:
        return []
    name, namespace = metadata.name(replicaset), metadata.namespace(replicaset)
    return [actions.Patch(path=paths.REPLICASETS, name=name, namespace=namespace, body={"spec": {"replicas": size}})]


def _forgotten(observed: rolling.Observed) -> list[actions.Action]:
    limit = int(observed.deployment["spec"].get("revisionHistoryLimit", 10))
    empty = [
        item
        for item in observed.old
        if not rolling.size(item) and not rolling.count(item, "replicas") and not metadata.deleting(item)
    ]
    return [
        actions.Delete(
            path=paths.REPLICASETS, name=metadata.name(item), namespace=metadata.namespace(item), uid=metadata.uid(item)
        )
        for item in empty[: max(0, len(empty) - limit)]
    ]
