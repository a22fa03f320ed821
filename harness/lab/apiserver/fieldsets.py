"""Sets of fields: who owns what of an object. Pure.

A path is a tuple of the words that ``metadata.managedFields[].fieldsV1`` nests: ``f:name`` for a field,
``k:{"name":"web"}`` for a list's element known by keys, ``v:"x"`` for an element of a set. A set of paths is a
``frozenset``, so ownership is plain set arithmetic. The form is that of Kubernetes' API reference for
``FieldsV1``; which lists have keyed elements is in ``listtypes``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.lab.apiserver import listtypes

Json = Any
Path = tuple[str, ...]
FieldSet = frozenset[Path]
Fields = dict[str, Any]

EMPTY: FieldSet = frozenset()


@dataclass(frozen=True, kw_only=True)
class Node:
    """One place in an object.

    Attributes:
        value: A leaf's value; None for a map or list that is owned piece by piece.
        leaf: Whether it has nothing below it.
        element: Whether it is an element of a list.
        always: Whether the kind writes it even into an empty object.
    """

    value: Json
    leaf: bool
    element: bool
    always: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What differs between two versions of an object."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def written(self) -> FieldSet:
        """What whoever made the change gave a value."""
        return self.added | self.modified


def word_of_key(keys: Mapping[str, Json]) -> str:
    """The path's word for a list's element with these key fields."""
    return "k:" + json.dumps(dict(keys), sort_keys=True, separators=(",", ":"))


def children(value: Json, kind: listtypes.FieldType) -> list[tuple[str, Json, listtypes.FieldType]] | None:
    """The parts of a value that can have owners of their own, each with its word; None for a leaf.

    A list whose elements lack their keys, or share one, is owned whole: there is nothing to tell them apart by.
    """
    if isinstance(value, dict) and not kind.atomic:
        return [(f"f:{key}", item, kind.child(key)) for key, item in value.items()]
    if not isinstance(value, list) or kind.list_type == "atomic":
        return None
    words = [_element_word(item, kind) for item in value]
    if None in words or len(set(words)) < len(words):
        return None
    return [(word or "", item, kind.element) for word, item in zip(words, value, strict=True)]


def _element_word(item: Json, kind: listtypes.FieldType) -> str | None:
    if kind.list_type == "set":
        return "v:" + json.dumps(item, sort_keys=True, separators=(",", ":"))
    key = kind.key_of(item)
    return None if key is None else word_of_key(dict(zip(kind.keys, key, strict=True)))


def nodes(value: Json, kind: listtypes.FieldType) -> dict[Path, Node]:
    """Every place in an object, by path; the root is left out."""
    return dict(_walk(value, kind, ()))


def _walk(value: Json, kind: listtypes.FieldType, path: Path) -> Iterator[tuple[Path, Node]]:
    for word, item, item_kind in children(value, kind) or []:
        yield from _walk_one(word, item, item_kind, path)


def _walk_one(word: str, item: Json, kind: listtypes.FieldType, path: Path) -> Iterator[tuple[Path, Node]]:
    below = children(item, kind)
    yield (
        (*path, word),
        Node(
            value=item if below is None else None,
            leaf=not below,
            element=not word.startswith("f:"),
            always=kind.always,
        ),
    )
    yield from _walk(item, kind, (*path, word))


def of_applied(value: Json, kind: listtypes.FieldType) -> FieldSet:
    """What a manager owns who applies an object: every leaf, and every list element as such."""
    return frozenset(path for path, node in nodes(value, kind).items() if node.leaf or node.element)


def compare(old: Json, new: Json, kind: listtypes.FieldType) -> Comparison:
    """What an update from one version to another added, modified and removed.

    A map or list that comes into being counts as added itself, unless the kind writes it into an empty object too.
    What is equal on both sides is not looked into: every write passes here.
    """
    found = _Differences()
    found.add(old, new, kind, ())
    return Comparison(
        added=frozenset(found.added), modified=frozenset(found.modified), removed=frozenset(found.removed)
    )


class _Differences:
    """Gathers what differs while two values are walked through side by side."""

    def __init__(self) -> None:
        self.added: set[Path] = set()
        self.modified: set[Path] = set()
        self.removed: set[Path] = set()

    def add(self, old: Json, new: Json, kind: listtypes.FieldType, path: Path) -> None:
        if old == new:
            return
        before, after = children(old, kind), children(new, kind)
        if (before is None or after is None) and path:
            self.modified.add(path)
        was = {word: item for word, item, _ in before or []}
        for word, item, item_kind in after or []:
            if word in was:
                self.add(was.pop(word), item, item_kind, (*path, word))
            else:
                self.added |= {place for place, node in _walk_one(word, item, item_kind, path) if _is_owned(node)}
        for word, item, item_kind in before or []:
            if word in was:
                self.removed |= {place for place, _ in _walk_one(word, item, item_kind, path)}


def _is_owned(node: Node) -> bool:
    return node.leaf or not node.always


def with_parents(paths: Iterable[Path]) -> FieldSet:
    """The paths and everything that they lie in."""
    return frozenset(path[:depth] for path in paths for depth in range(1, len(path) + 1))


def without(value: Json, doomed: FieldSet, kind: listtypes.FieldType, path: Path = ()) -> Json:
    """A copy of a value without the parts at these paths, nor anything in them."""
    parts = children(value, kind)
    if parts is None:
        return value
    kept = [
        (word, without(item, doomed, item_kind, (*path, word)))
        for word, item, item_kind in parts
        if (*path, word) not in doomed
    ]
    if isinstance(value, dict):
        return {word.removeprefix("f:"): item for word, item in kept}
    return [item for _, item in kept]


def to_fields(paths: FieldSet) -> Fields:
    """A set in the nested form of ``fieldsV1``."""
    fields: Fields = {}
    inner = {path[:depth] for path in paths for depth in range(1, len(path))}
    for path in sorted(paths):
        place = fields
        for word in path:
            place = place.setdefault(word, {})
        if path in inner:
            place["."] = {}
    return fields


def from_fields(fields: Mapping[str, Any]) -> FieldSet:
    """A set from the nested form of ``fieldsV1``; anything that is no object in it counts as a leaf."""
    return _from_text(json.dumps(fields))


@functools.lru_cache(maxsize=256)
def _from_text(text: str) -> FieldSet:
    """The same few managers' sets are read at every write."""
    return frozenset(_unnested(json.loads(text), ()))


def _unnested(fields: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for word, below in fields.items():
        if word == ".":
            if path:
                yield path
        elif isinstance(below, dict) and below:
            yield from _unnested(below, (*path, word))
        else:
            yield (*path, word)


def shown(path: Path) -> str:
    """A path in the words of the API server's messages, such as ``.spec.containers[name="web"].image``."""
    return "".join(map(_shown_word, path))


def _shown_word(word: str) -> str:
    sort, _, rest = word.partition(":")
    if sort == "k":
        keys = json.loads(rest)
        return "[" + ",".join(f"{key}={json.dumps(keys[key])}" for key in sorted(keys)) + "]"
    return f"[={rest}]" if sort == "v" else f".{rest}"
