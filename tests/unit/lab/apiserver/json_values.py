"""What the tests of the API server's pure functions share: JSON values to draw, and recorded requests."""

from __future__ import annotations

import functools
import json
from typing import Any

import hypothesis
from hypothesis import strategies as st

from tests import recordings

Object = dict[str, Any]
Json = Any

# No deadline: a test says what holds, not how fast. The same examples every time: a failure must come again.
PURE = hypothesis.settings(deadline=None, derandomize=True, max_examples=80)

KEYS = st.sampled_from(["a", "b", "c", "d"])
SCALARS = st.one_of(st.booleans(), st.integers(-2, 2), st.sampled_from(["", "x", "y"]))


def values(scalars: st.SearchStrategy[Any] = SCALARS) -> st.SearchStrategy[Any]:
    """Any JSON value over a few keys."""
    return st.recursive(
        scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3), max_leaves=8
    )


def objects(scalars: st.SearchStrategy[Any] = SCALARS) -> st.SearchStrategy[Object]:
    """JSON objects over a few keys."""
    return st.dictionaries(KEYS, values(scalars), max_size=4)


@functools.cache
def _recorded() -> dict[str, Object]:
    lines = (recordings.path() / "apiserver.jsonl").read_text().splitlines()
    return {item["name"]: item for item in map(json.loads, lines)}


def recorded(name: str) -> Object:
    """A recorded request to a real API server, with its answer."""
    return _recorded()[name]


def answer(name: str) -> Object:
    """What the real API server answered, without what every write changes."""
    return settled(recorded(name)["response"])


def settled(obj: Object) -> Object:
    """An object without what differs at every write and what controllers write in the meantime."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in ("resourceVersion", "generation")}
    meta.pop("annotations", None)
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": meta}
