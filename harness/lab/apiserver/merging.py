"""JSON merge patch (RFC 7386), and the error that every kind of patch raises. Pure."""

from __future__ import annotations

import copy
from typing import Any

from harness.core import errors

Object = dict[str, Any]
Json = Any
"""Any JSON value: what a client sends is not known to have a form."""


class PatchError(errors.ApiError):
    """A patch that the API server refuses; code, reason and message are those of the Status it answers with."""


def merge_patch(obj: Object, patch: Json) -> Object:
    """An object with a merge patch applied: objects merge, null deletes, everything else replaces.

    Raises:
        PatchError: The patch is no JSON object, so the result could be none either (400).
    """
    if not isinstance(patch, dict):
        raise PatchError(400, "BadRequest", f"json: cannot unmarshal {_word(patch)} into Go value of type map")
    merged = merge_value(obj, patch)
    assert isinstance(merged, dict)
    return merged


def merge_value(target: Json, patch: Json) -> Json:
    """RFC 7386 section 2's MergePatch, for any JSON value; neither argument is changed."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = {key: copy.deepcopy(value) for key, value in target.items()} if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_value(merged.get(key), value)
    return merged


def _word(value: Json) -> str:
    words = {list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    return words.get(type(value), "null")
