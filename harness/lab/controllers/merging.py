"""Merge patches (RFC 7386) made by comparison, and whether an object already is what is wanted. Pure."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def difference(current: Object, desired: Object) -> Object:
    """The merge patch that turns ``current`` into exactly ``desired``; empty if it is so already."""
    patch: Object = {key: None for key in current if key not in desired}
    for key, value in desired.items():
        known = current.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            inner = difference(known, value)
            if inner:
                patch[key] = inner
        elif known != value:
            patch[key] = value
    return patch


def covers(current: object, desired: object) -> bool:
    """Whether ``current`` has everything that ``desired`` says.

    Keys that are only in ``current`` are what the API or someone else filled in; lists must agree item by item. What
    is empty in ``desired`` may be absent, since the API leaves empty lists out.
    """
    if isinstance(desired, dict) and isinstance(current, dict):
        return all(covers(current.get(key), value) for key, value in desired.items())
    if isinstance(desired, list) and isinstance(current, list):
        return len(current) == len(desired) and all(map(covers, current, desired))
    return current == desired or (not desired and not current)
