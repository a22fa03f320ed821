"""JSON merge patch."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from harness.lab.apiserver import merging
from tests.unit.lab.apiserver import json_values

# RFC 7386, appendix A, where both sides are objects.
_EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), _EXAMPLES)
def test_merge_patch_follows_the_rfc(
    target: json_values.Json, patch: json_values.Json, result: json_values.Json
) -> None:
    """Every example of RFC 7386 comes out as printed there."""
    assert merging.merge_patch(target, patch) == result


@pytest.mark.parametrize(("target", "patch", "result"), [(["a"], ["c"], ["c"]), ({"a": 1}, None, None), (1, {}, {})])
def test_merge_value_replaces_what_is_no_object(
    target: json_values.Json, patch: json_values.Json, result: json_values.Json
) -> None:
    """Values that are no objects replace each other."""
    assert merging.merge_value(target, patch) == result


@pytest.mark.parametrize("patch", [[], "x", 1, None, True])
def test_merge_patch_refuses_what_is_no_object(patch: json_values.Json) -> None:
    """A patch that would make the object something else is a bad request."""
    with pytest.raises(merging.PatchError) as caught:
        merging.merge_patch({"a": 1}, patch)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")


_PATCHES = json_values.objects(json_values.SCALARS | st.none())


@json_values.PURE
@hypothesis.given(json_values.objects(), _PATCHES)
def test_merge_patch_is_idempotent_and_changes_no_argument(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """Twice is once, and both arguments stay as they were."""
    before = copy.deepcopy((target, patch))
    once = merging.merge_patch(target, patch)
    assert merging.merge_patch(once, patch) == once
    assert (target, patch) == before


@json_values.PURE
@hypothesis.given(json_values.objects(), json_values.objects())
def test_a_patch_can_make_any_object_of_any_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Deleting every key and then merging the new object gives the new object."""
    emptied = merging.merge_patch(old, dict.fromkeys(old))
    assert merging.merge_patch(emptied, new) == new


def test_merge_patch_gives_what_was_recorded() -> None:
    """The recorded ConfigMap changes as the real API server changed it."""
    before = json_values.answer("get")
    first = json_values.recorded("merge patch")
    second = json_values.recorded("merge patch null deletes")
    merged = merging.merge_patch(before, first["request"]["body"])
    assert merged == json_values.settled(first["response"])
    assert merging.merge_patch(merged, second["request"]["body"]) == json_values.settled(second["response"])
