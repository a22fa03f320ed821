"""Deployments: a ReplicaSet for each template, and replicas moved from the old ones to the new one.

The arithmetic is kube-controller-manager's (``rolling.go``): never more than replicas + maxSurge pods, never fewer
available than replicas - maxUnavailable.
"""

from __future__ import annotations

import copy
import datetime
from dataclasses import dataclass
from typing import Any

from harness.lab.controllers import actions, metadata, paths, pods

Object = dict[str, Any]

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION)


@dataclass(frozen=True, kw_only=True)
class _Observed:
    """One Deployment with its ReplicaSets."""

    deployment: Object
    hash: str
    new: Object | None
    old: list[Object]

    @property
    def replicas(self) -> int:
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def all(self) -> list[Object]:
        return [*([self.new] if self.new else []), *self.old]


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Create and scale ReplicaSets of every Deployment, then say how far each is."""
    writes: list[actions.Action] = []
    for deployment in view.items(paths.DEPLOYMENTS):
        observed = _observe(view, deployment)
        if not metadata.deleting(deployment):
            writes += _advanced(observed)
        writes += pods.status_written(paths.DEPLOYMENTS, deployment, status(observed, now))
    return writes


def _observe(view: actions.View, deployment: Object) -> _Observed:
    owned = metadata.controlled_by(deployment, view.items(paths.REPLICASETS))
    hashed = metadata.template_hash(deployment["spec"]["template"])
    new = [item for item in owned if metadata.labels(item).get(HASH_LABEL) == hashed]
    old = sorted((item for item in owned if item not in new), key=_revision)
    return _Observed(deployment=deployment, hash=hashed, new=new[0] if new else None, old=old)


def _revision(item: Object) -> int:
    value = metadata.annotations_of(item).get(REVISION, "0")
    return int(value) if value.isdigit() else 0


def _advanced(observed: _Observed) -> list[actions.Action]:
    revision = _wanted_revision(observed)
    if observed.deployment["spec"].get("paused"):
        return _scaled_evenly(observed)
    writes: list[actions.Action] = _annotated(paths.DEPLOYMENTS, observed.deployment, {REVISION: str(revision)})
    if observed.new is None:
        return [*writes, _created(observed, revision, _first_size(observed))]
    for item in observed.all:
        mark = {REVISION: str(revision)} if item is observed.new else {}
        writes += _annotated(paths.REPLICASETS, item, mark | _counts(observed))
    if _recreates(observed):
        return writes + _recreated(observed, observed.new)
    return writes + _rolled(observed, observed.new) + _forgotten(observed)


def _scaled_evenly(observed: _Observed) -> list[actions.Action]:
    """A paused Deployment can still be scaled; the lab does so on the newest ReplicaSet only."""
    newest = observed.new or (observed.old[-1] if observed.old else None)
    if newest is None:
        return []
    others = sum(_size(item) for item in observed.all if item is not newest)
    return _resized(newest, max(0, observed.replicas - others))


def _wanted_revision(observed: _Observed) -> int:
    highest_old = max((_revision(item) for item in observed.old), default=0)
    own = _revision(observed.new) if observed.new else 0
    return own if own > highest_old else highest_old + 1


def _annotated(path: str, item: Object, notes: dict[str, str]) -> list[actions.Action]:
    known = metadata.annotations_of(item)
    missing = {key: value for key, value in notes.items() if known.get(key) != value}
    if not missing:
        return []
    name, namespace = metadata.name(item), metadata.namespace(item)
    return [actions.Patch(path=path, name=name, namespace=namespace, body={"metadata": {"annotations": missing}})]


def _counts(observed: _Observed) -> dict[str, str]:
    return {
        "deployment.kubernetes.io/desired-replicas": str(observed.replicas),
        "deployment.kubernetes.io/max-replicas": str(observed.replicas + _surge(observed)),
    }


def _created(observed: _Observed, revision: int, size: int) -> actions.Create:
    deployment, mark = observed.deployment, {HASH_LABEL: observed.hash}
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
            "annotations": kept | {REVISION: str(revision)} | _counts(observed),
            "ownerReferences": [metadata.controller_reference(deployment)],
        },
        "spec": {"replicas": size, "selector": selector, "template": template},
    }
    return actions.Create(path=paths.REPLICASETS, namespace=metadata.namespace(deployment), body=body)


def _strategy(observed: _Observed) -> Object:
    found: Object = observed.deployment["spec"].get("strategy") or {}
    return found


def _recreates(observed: _Observed) -> bool:
    return bool(_strategy(observed).get("type") == "Recreate")


def _surge(observed: _Observed) -> int:
    rolling: Object = _strategy(observed).get("rollingUpdate") or {}
    return 0 if _recreates(observed) else metadata.scaled(rolling.get("maxSurge", "25%"), observed.replicas, up=True)


def _may_be_missing(observed: _Observed) -> int:
    rolling: Object = _strategy(observed).get("rollingUpdate") or {}
    allowed = metadata.scaled(rolling.get("maxUnavailable", "25%"), observed.replicas, up=False)
    # Neither more nor fewer allowed would mean no progress at all; Kubernetes takes one away then.
    return 1 if allowed == 0 and _surge(observed) == 0 else min(allowed, observed.replicas)


def _size(replicaset: Object) -> int:
    return int(replicaset["spec"].get("replicas", 1))


def _count(replicaset: Object, key: str) -> int:
    return int((replicaset.get("status") or {}).get(key, 0))


def _first_size(observed: _Observed) -> int:
    if _recreates(observed):
        return observed.replicas if not _old_pods(observed) else 0
    room = observed.replicas + _surge(observed) - sum(map(_size, observed.old))
    return max(0, min(observed.replicas, room))


def _old_pods(observed: _Observed) -> int:
    return sum(max(_size(item), _count(item, "replicas"), _count(item, "terminatingReplicas")) for item in observed.old)


def _recreated(observed: _Observed, new: Object) -> list[actions.Action]:
    shrunk = [write for item in observed.old for write in _resized(item, 0)]
    return shrunk or (_resized(new, observed.replicas) if not _old_pods(observed) else [])


def _rolled(observed: _Observed, new: Object) -> list[actions.Action]:
    if _size(new) > observed.replicas:
        return _resized(new, observed.replicas)
    room = observed.replicas + _surge(observed) - sum(map(_size, observed.all))
    if _size(new) < observed.replicas and room > 0:
        return _resized(new, min(observed.replicas, _size(new) + room))
    return _shrunk(observed, new)


def _shrunk(observed: _Observed, new: Object) -> list[actions.Action]:
    least = observed.replicas - _may_be_missing(observed)
    missing_new = _size(new) - _count(new, "availableReplicas")
    spare = sum(map(_size, observed.all)) - least - missing_new
    available = sum(_count(item, "availableReplicas") for item in observed.all)
    writes: list[actions.Action] = []
    for item in observed.old:
        # What is not available can go first and costs nobody anything.
        broken = max(0, min(spare, _size(item) - _count(item, "availableReplicas")))
        healthy = max(0, min(_size(item) - broken, available - least, spare - broken))
        writes += _resized(item, _size(item) - broken - healthy)
        spare, available = spare - broken - healthy, available - healthy
    return writes


def _resized(replicaset: Object, size: int) -> list[actions.Action]:
    if _size(replicaset) == size:
        return []
    name, namespace = metadata.name(replicaset), metadata.namespace(replicaset)
    return [actions.Patch(path=paths.REPLICASETS, name=name, namespace=namespace, body={"spec": {"replicas": size}})]


def _forgotten(observed: _Observed) -> list[actions.Action]:
    limit = int(observed.deployment["spec"].get("revisionHistoryLimit", 10))
    empty = [
        item
        for item in observed.old
        if not _size(item) and not _count(item, "replicas") and not metadata.deleting(item)
    ]
    return [
        actions.Delete(
            path=paths.REPLICASETS, name=metadata.name(item), namespace=metadata.namespace(item), uid=metadata.uid(item)
        )
        for item in empty[: max(0, len(empty) - limit)]
    ]


def status(observed: _Observed, now: str) -> Object:
    """The status as kube-controller-manager writes it."""

    def total(key: str) -> int:
        return sum(_count(item, key) for item in observed.all)

    counts = {
        "observedGeneration": observed.deployment["metadata"].get("generation", 0),
        "replicas": total("replicas"),
        "updatedReplicas": _count(observed.new, "replicas") if observed.new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
        "unavailableReplicas": max(0, max(total("replicas"), observed.replicas) - total("availableReplicas")),
        "terminatingReplicas": total("terminatingReplicas"),
    }
    desired = metadata.without_zeros(counts, keep=("terminatingReplicas",))
    return {**desired, "conditions": [_availability(observed, counts, now), _progress(observed, counts, now)]}


def _availability(observed: _Observed, counts: dict[str, int], now: str) -> Object:
    enough = counts["availableReplicas"] >= observed.replicas - _may_be_missing(observed)
    if enough:
        words = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        words = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return _entry(observed, "Available", words, now)


def _progress(observed: _Observed, counts: dict[str, int], now: str) -> Object:
    name = f"{metadata.name(observed.deployment)}-{observed.hash}"
    complete = (
        observed.new is not None
        and counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == observed.replicas
    )
    known = metadata.condition(observed.deployment, "Progressing")
    if complete:
        words = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    elif _overdue(observed, known, name, now):
        words = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
    elif observed.new is None:
        words = ("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    else:
        words = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
    return _entry(observed, "Progressing", words, now)


def _overdue(observed: _Observed, known: Object | None, name: str, now: str) -> bool:
    if known is None or f'"{name}"' not in known.get("message", ""):
        return False
    if known["reason"] == "ProgressDeadlineExceeded":
        return True
    if known["reason"] == "NewReplicaSetAvailable":
        return False
    limit = int(observed.deployment["spec"].get("progressDeadlineSeconds", 600))
    since = datetime.datetime.fromisoformat(now) - datetime.datetime.fromisoformat(known["lastUpdateTime"])
    return since.total_seconds() > limit


def _entry(observed: _Observed, kind: str, words: tuple[str, str, str], now: str) -> Object:
    value, reason, message = words
    known = metadata.condition(observed.deployment, kind)
    if known is not None and (known["status"], known["reason"], known["message"]) == words:
        return known
    since = known["lastTransitionTime"] if known is not None and known["status"] == value else now
    return {
        "lastTransitionTime": since,
        "lastUpdateTime": now,
        "message": message,
        "reason": reason,
        "status": value,
        "type": kind,
    }
