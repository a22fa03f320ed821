"""What the server refuses, in the words of Kubernetes' validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.lab.apiserver import registry
from harness.lab.apiserver.statuses import Cause

Object = dict[str, Any]
Rules = Callable[[Object], list[Cause]]
ChangeRules = Callable[[Object, Object], list[Cause]]

_RULES: dict[str, Rules] = {}
_CHANGE_RULES: dict[str, ChangeRules] = {}


def of_new(item: Object, resource: registry.Resource) -> list[Cause]:
    """What is wrong with a new object, its metadata aside."""
    rules = _RULES.get(resource.kind)
    return rules(item) if rules else []


def of_changed(new: Object, old: Object, resource: registry.Resource, subresource: str) -> list[Cause]:
    """What is wrong with an update, its metadata aside."""
    if subresource == "status":
        return []
    changes = _CHANGE_RULES.get(resource.kind)
    return of_new(new, resource) + (changes(new, old) if changes else [])


def warnings(_item: Object, _resource: registry.Resource) -> list[str]:
    """What the server warns of without refusing it."""
    return []
