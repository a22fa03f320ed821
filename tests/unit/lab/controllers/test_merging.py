"""Merge patches by comparison."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.lab.controllers import merging
from tests.unit.lab.controllers import fake_cluster

# Null is no value of an object here: a merge patch could not write one.
SCALARS = st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner), max_leaves=6
)
OBJECTS = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_the_difference_turns_one_object_into_the_other(current: dict[str, Any], desired: dict[str, Any]) -> None:
    """Applied as RFC 7386 says, the patch gives exactly what is desired; between equals it is empty."""
    patched = copy.deepcopy(current)
    fake_cluster.merge(patched, merging.difference(current, desired))
    assert patched == desired
    assert merging.difference(desired, desired) == {}


@given(OBJECTS)
def test_an_object_covers_itself(item: dict[str, Any]) -> None:
    """Also without what the API leaves out."""
    assert merging.covers(item, item)


@pytest.mark.parametrize(
    ("current", "desired", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"list": [1, 2]}, {"list": [1]}, False),
        ({}, {"list": []}, True),
        ({"list": [1]}, {"list": []}, False),
        ({"list": [{"a": 1, "filled": 2}]}, {"list": [{"a": 1}]}, True),
    ],
)
def test_covering_ignores_what_others_filled_in_but_not_list_items(
    current: dict[str, Any], desired: dict[str, Any], expected: bool
) -> None:
    """Keys may be more, items may not."""
    assert merging.covers(current, desired) is expected
