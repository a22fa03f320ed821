"""JSON patch (RFC 6902). Pure.

The real API server says the same sentence whatever it was that did not fit (recorded); only a patch that it cannot
read at all is told apart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from harness.lab.apiserver import merging

Object = dict[str, Any]
Json = Any


class _Misfit(Exception):
    """An operation does not fit the object."""


def json_patch(obj: Object, ops: Json) -> Object:
    """An object with a list of operations applied, all or none; neither argument is changed.

    Raises:
        PatchError: The patch has not the form of RFC 6902 (400), or an operation does not fit the object (422).
    """
    if not isinstance(ops, list) or not all(isinstance(op, dict) for op in ops):
        raise merging.PatchError(400, "BadRequest", "error decoding patch: a JSON patch is a list of operations")
    document: Json = copy.deepcopy(obj)
    try:
        for op in ops:
            document = _apply(document, op)
    except _Misfit as misfit:
        raise _refused() from misfit
    if not isinstance(document, dict):
        raise _refused()
    return document


def _refused() -> merging.PatchError:
    return merging.PatchError(422, "Invalid", "the server rejected our request due to an error in our request")


def _apply(document: Json, op: Object) -> Json:
    step = _OPERATIONS.get(op.get("op", ""))
    if step is None:
        raise _Misfit(f"no such operation: {op.get('op')}")
    return step(document, op)


def _add(document: Json, op: Object) -> Json:
    return _put(document, _pointer(op, "path"), copy.deepcopy(_value(op)), replace=False)


def _replace(document: Json, op: Object) -> Json:
    return _put(document, _pointer(op, "path"), copy.deepcopy(_value(op)), replace=True)


def _remove(document: Json, op: Object) -> Json:
    return _cut(document, _pointer(op, "path"))


def _move(document: Json, op: Object) -> Json:
    source, target = _pointer(op, "from"), _pointer(op, "path")
    if source != target and target[: len(source)] == source:
        raise _Misfit("a value cannot move into itself")
    value = _read(document, source)
    return _put(_cut(document, source), target, value, replace=False)


def _copy(document: Json, op: Object) -> Json:
    value = copy.deepcopy(_read(document, _pointer(op, "from")))
    return _put(document, _pointer(op, "path"), value, replace=False)


def _test(document: Json, op: Object) -> Json:
    if not _same(_read(document, _pointer(op, "path")), _value(op)):
        raise _Misfit("the value differs")
    return document


_OPERATIONS: Mapping[str, Callable[[Json, Object], Json]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _value(op: Object) -> Json:
    if "value" not in op:
        raise _Misfit("an operation without its value")
    return op["value"]


def _pointer(op: Object, member: str) -> tuple[str, ...]:
    """A JSON pointer (RFC 6901) as its reference tokens."""
    text = op.get(member)
    if text == "":
        return ()
    if not isinstance(text, str) or not text.startswith("/"):
        raise _Misfit(f"{member} is no JSON pointer")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))


def _read(document: Json, path: tuple[str, ...]) -> Json:
    for token in path:
        document = _member(document, token)
    return document


def _member(container: Json, token: str) -> Json:
    if isinstance(container, list):
        return container[_index(token, len(container) - 1)]
    if isinstance(container, dict) and token in container:
        return container[token]
    raise _Misfit(f"nothing at {token}")


def _index(token: str, largest: int) -> int:
    # RFC 6901 section 4: digits without a leading zero, and nothing else.
    plain = token.isascii() and token.isdigit() and (token == "0" or not token.startswith("0"))
    if not plain or int(token) > largest:
        raise _Misfit(f"no index: {token}")
    return int(token)


def _put(document: Json, path: tuple[str, ...], value: Json, *, replace: bool) -> Json:
    if not path:
        return value
    container, token = _read(document, path[:-1]), path[-1]
    if replace:
        _member(container, token)
    if isinstance(container, list):
        last = len(container)
        place = last if token == "-" and not replace else _index(token, last - 1 if replace else last)
        container[place : place + replace] = [value]
    elif isinstance(container, dict):
        container[token] = value
    else:
        raise _Misfit("a scalar has no members")
    return document


def _cut(document: Json, path: tuple[str, ...]) -> Json:
    if not path:
        return None
    container, token = _read(document, path[:-1]), path[-1]
    _member(container, token)
    del container[int(token) if isinstance(container, list) else token]
    return document


def _same(left: Json, right: Json) -> bool:
    """Equality of JSON values: numbers by value, but true is not 1 as it is in Python."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
