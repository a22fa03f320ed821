"""JSON patch."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from harness.lab.apiserver import jsonpatching, merging
from tests.unit.lab.apiserver import json_values

# RFC 6902, appendix A.
_FITS: list[tuple[Any, Any, Any]] = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    ({"foo": [1, 2, 3, 4]}, [{"op": "move", "from": "/foo/1", "path": "/foo/3"}], {"foo": [1, 3, 4, 2]}),
    ({"baz": "q"}, [{"op": "test", "path": "/baz", "value": "q"}], {"baz": "q"}),
    ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"g": {}}}], {"foo": "bar", "child": {"g": {}}}),
    ({"foo": 1}, [{"op": "add", "path": "/baz", "value": 2, "xyz": 3}], {"foo": 1, "baz": 2}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
    ({"a": [1]}, [{"op": "replace", "path": "/a/0", "value": 2}], {"a": [2]}),
    ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
]

_MISFITS: list[Any] = [
    [{"op": "remove", "path": "/none"}],
    [{"op": "replace", "path": "/none", "value": 1}],
    [{"op": "add", "path": "/none/below", "value": 1}],
    [{"op": "add", "path": "/list/9", "value": 1}],
    [{"op": "add", "path": "/list/01", "value": 1}],
    [{"op": "replace", "path": "/list/-", "value": 1}],
    [{"op": "remove", "path": "/list/-1"}],
    [{"op": "add", "path": "/text/x", "value": 1}],
    [{"op": "add", "path": "no-slash", "value": 1}],
    [{"op": "add", "path": "/a"}],
    [{"op": "test", "path": "/one", "value": True}],
    [{"op": "test", "path": "/text", "value": "z"}],
    [{"op": "move", "from": "/map", "path": "/map/in"}],
    [{"op": "copy", "from": "/none", "path": "/a"}],
    [{"op": "spell", "path": "/a"}],
    [{"path": "/a"}],
    [{"op": "remove", "path": ""}],
]


@pytest.mark.parametrize(("document", "ops", "result"), _FITS)
def test_operations_follow_the_rfc(document: json_values.Json, ops: json_values.Json, result: json_values.Json) -> None:
    """Every example of RFC 6902 that fits comes out as printed there, and the argument stays as it was."""
    before = copy.deepcopy(document)
    assert jsonpatching.json_patch(document, ops) == result
    assert document == before


@pytest.mark.parametrize("ops", _MISFITS)
def test_an_operation_that_does_not_fit_is_refused_in_the_recorded_words(ops: json_values.Json) -> None:
    """Whatever does not fit, the answer is the one sentence that the real API server has."""
    expected = json_values.recorded("json patch that does not fit")["response"]
    document = {"one": 1, "text": "x", "list": [1], "map": {}}
    with pytest.raises(merging.PatchError) as caught:
        jsonpatching.json_patch(document, ops)
    said = caught.value
    assert (said.code, said.reason, said.message) == (expected["code"], expected["reason"], expected["message"])


@pytest.mark.parametrize("ops", [{}, "x", None, [1], [[]]])
def test_what_is_no_json_patch_is_a_bad_request(ops: json_values.Json) -> None:
    """A patch that is no list of operations can't be read at all."""
    with pytest.raises(merging.PatchError) as caught:
        jsonpatching.json_patch({}, ops)
    assert caught.value.code == 400


def test_all_operations_or_none() -> None:
    """A patch whose last operation does not fit leaves nothing of its first."""
    document = {"a": 1}
    with pytest.raises(merging.PatchError):
        jsonpatching.json_patch(document, [{"op": "add", "path": "/b", "value": 2}, {"op": "remove", "path": "/c"}])
    assert document == {"a": 1}


@json_values.PURE
@hypothesis.given(json_values.objects(), json_values.KEYS, json_values.values())
def test_what_was_added_can_be_tested_and_removed(document: dict[str, Any], key: str, value: json_values.Json) -> None:
    """Adding makes the test of that value pass, and removing takes it away again."""
    path = f"/{key}"
    ops = [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}]
    added = jsonpatching.json_patch(document, ops)
    assert added[key] == value
    assert key not in jsonpatching.json_patch(added, [{"op": "remove", "path": path}])


@json_values.PURE
@hypothesis.given(st.text("~/01a", max_size=5), st.integers())
def test_any_key_can_be_reached(key: str, value: int) -> None:
    """A key is found by its pointer, whatever characters are in it."""
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    assert jsonpatching.json_patch({}, [{"op": "add", "path": pointer, "value": value}]) == {key: value}


def test_json_patch_gives_what_was_recorded() -> None:
    """The recorded ConfigMap changes as the real API server changed it."""
    step = json_values.recorded("json patch")
    before = json_values.answer("merge patch null deletes")
    assert jsonpatching.json_patch(before, step["request"]["body"]) == json_values.settled(step["response"])
