"""Deletion: grace, finalizers, propagation, and the end of namespaces."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from typing import Any

from harness.lab.apiserver import metadata, options, registry, statuses, store

Object = dict[str, Any]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
DEFAULT_GRACE_S = 30


def is_finished(item: Object, resource: registry.Resource) -> bool:
    """Whether a deleted object has nothing left to wait for."""
    meta = item["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if resource.kind == "Namespace":
        return not (item.get("spec") or {}).get("finalizers")
    return not meta.get("deletionGracePeriodSeconds")


class Deleter:
    """Deletes objects of one store."""

    def __init__(self, objects: store.Store, *, clock: Callable[[], datetime.datetime]) -> None:
        self._objects = objects
        self._clock = clock

    def delete(
        self, resource: registry.Resource, namespace: str, name: str, wanted: options.Delete
    ) -> tuple[Object, bool]:
        """Delete an object, or begin to; returns its last state and whether it is gone.

        Raises:
            Refusal: It is not there, must stay, or is not the one that was meant.
        """
        key = (namespace, name)
        old = self._objects.get(resource.storage, key)
        if old is None:
            raise statuses.not_found(resource, name)
        if resource.kind == "Namespace" and name in _IMMORTAL:
            raise statuses.forbidden(resource, name, "this namespace may not be deleted")
        _check_preconditions(old, resource, name, wanted)
        new = self._marked(old, resource, wanted)
        if is_finished(new, resource):
            # What goes at once was never marked (as recorded: the last event has no deletionTimestamp).
            return (old if wanted.dry_run else self._objects.remove(resource.storage, key)), True
        if wanted.dry_run or new == old:
            return new, False
        return self._objects.put(resource.storage, key, new), False

    def _marked(self, old: Object, resource: registry.Resource, wanted: options.Delete) -> Object:
        new = copy.deepcopy(old)
        meta = new["metadata"]
        grace = _grace(old, resource, wanted)
        _propagate(meta, wanted.propagation)
        if "deletionTimestamp" in meta:
            # A second request can only shorten what is left.
            if grace < meta.get("deletionGracePeriodSeconds", 0):
                _set_times(meta, self._clock(), grace)
            return new
        _set_times(meta, self._clock(), grace)
        if resource.kind == "Namespace":
            meta.pop("deletionGracePeriodSeconds")
            new.setdefault("status", {})["phase"] = "Terminating"
        if meta.get("generation"):
            meta["generation"] += 1
        return new


def _set_times(meta: Object, now: datetime.datetime, grace_s: int) -> None:
    meta["deletionTimestamp"] = metadata.timestamp(now + datetime.timedelta(seconds=grace_s))
    meta["deletionGracePeriodSeconds"] = grace_s


def _grace(old: Object, resource: registry.Resource, wanted: options.Delete) -> int:
    if resource.kind != "Pod":
        return 0
    spec, status = old.get("spec") or {}, old.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        return 0
    asked = spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_S) if wanted.grace_s is None else wanted.grace_s
    return max(int(asked), 0)


def _propagate(meta: Object, propagation: str) -> None:
    finalizers = [item for item in meta.get("finalizers") or [] if not propagation or item not in (FOREGROUND, ORPHAN)]
    wanted = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(propagation)
    if wanted:
        finalizers.append(wanted)
    meta.pop("finalizers", None)
    if finalizers:
        meta["finalizers"] = finalizers


def _check_preconditions(old: Object, resource: registry.Resource, name: str, wanted: options.Delete) -> None:
    meta = old["metadata"]
    if wanted.uid and wanted.uid != meta["uid"]:
        why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {meta['uid']}"
        raise statuses.conflict(resource, name, why)
    if wanted.version and wanted.version != meta["resourceVersion"]:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {wanted.version}, "
            f"ResourceVersion in object meta: {meta['resourceVersion']}"
        )
        raise statuses.conflict(resource, name, why)
