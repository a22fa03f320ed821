"""Events in their two groups: one store, two forms (core ``v1`` and ``events.k8s.io/v1``)."""

from __future__ import annotations

import datetime
from typing import Any

from harness.lab.apiserver import metadata, registry, store

Object = dict[str, Any]

LIFETIME = datetime.timedelta(hours=1)
"""kube-apiserver's ``--event-ttl``, as it is by default."""

_KIND = ("", "events")
_GROUP = "events.k8s.io"
_RENAMED = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
)


def _in_another_group(resource: registry.Resource) -> bool:
    return resource.group == _GROUP and resource.plural == "events"


def shown(item: Object, resource: registry.Resource) -> Object:
    """A stored event in the form of the group that asks; every other object as it is."""
    if not _in_another_group(resource):
        return item
    names = dict(_RENAMED)
    return {names.get(key, key): value for key, value in item.items()} | {"apiVersion": resource.group_version}


def stored(item: Object, resource: registry.Resource) -> Object:
    """An object of a request in the form that it is stored in."""
    if not _in_another_group(resource):
        return item
    names = {new: old for old, new in _RENAMED}
    return {names.get(key, key): value for key, value in item.items()} | {"apiVersion": "v1"}


def forget_old(objects: store.Store, now: datetime.datetime) -> None:
    """Remove events that have lived their time, so that a lab that stays up does not grow."""
    oldest = metadata.timestamp(now - LIFETIME)
    for item in objects.items(_KIND):
        # Times in this form are in the order of their text.
        if item["metadata"]["creationTimestamp"] < oldest:
            objects.remove(_KIND, (item["metadata"]["namespace"], item["metadata"]["name"]))
