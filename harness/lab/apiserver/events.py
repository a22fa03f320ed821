"""Events in their two groups: one store, two forms (core ``v1`` and ``events.k8s.io/v1``)."""

from __future__ import annotations

from typing import Any

from harness.lab.apiserver import registry

Object = dict[str, Any]

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
