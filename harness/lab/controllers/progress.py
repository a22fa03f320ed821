"""How far a Deployment is, in kube-controller-manager's fields and words. Pure."""

from __future__ import annotations

import datetime
from typing import Any

from harness.lab.controllers import metadata, rolling

Object = dict[str, Any]


def status(observed: rolling.Observed, now: str) -> Object:
    """The status as kube-controller-manager writes it."""

    def total(key: str) -> int:
        return sum(rolling.count(item, key) for item in observed.all)

    counts = {
        "observedGeneration": observed.deployment["metadata"].get("generation", 0),
        "replicas": total("replicas"),
        "updatedReplicas": rolling.count(observed.new, "replicas") if observed.new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
        "unavailableReplicas": max(0, max(total("replicas"), observed.replicas) - total("availableReplicas")),
        "terminatingReplicas": total("terminatingReplicas"),
    }
    desired = metadata.without_zeros(counts, keep=("terminatingReplicas",))
    return {**desired, "conditions": [_availability(observed, counts, now), _progress(observed, counts, now)]}


def _availability(observed: rolling.Observed, counts: dict[str, int], now: str) -> Object:
    enough = counts["availableReplicas"] >= observed.replicas - rolling.may_be_missing(observed)
    if enough:
        words = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        words = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return _entry(observed, "Available", words, now)


def _progress(observed: rolling.Observed, counts: dict[str, int], now: str) -> Object:
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


def _overdue(observed: rolling.Observed, known: Object | None, name: str, now: str) -> bool:
    if known is None or f'"{name}"' not in known.get("message", ""):
        return False
    if known["reason"] == "ProgressDeadlineExceeded":
        return True
    if known["reason"] == "NewReplicaSetAvailable":
        return False
    limit = int(observed.deployment["spec"].get("progressDeadlineSeconds", 600))
    since = datetime.datetime.fromisoformat(now) - datetime.datetime.fromisoformat(known["lastUpdateTime"])
    return since.total_seconds() > limit


def _entry(observed: rolling.Observed, kind: str, words: tuple[str, str, str], now: str) -> Object:
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
