"""Objects in memory, one counter of versions, and the history that watches replay.

The store knows no rules: it keeps what it is handed. Objects in it are never changed in place; whoever wants another
state puts another object. All of it runs in the event loop's one thread.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Json = Any
Key = tuple[str, str]
"""Namespace (empty for cluster-wide kinds) and name."""
Kind = tuple[str, str]
"""Group and plural."""

HISTORY = 1000
"""How many changes are remembered; a watch that starts before them is told to list anew (410)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change of one object.

    Attributes:
        version: The resourceVersion that it made.
        kind: Whose object changed.
        key: Which object.
        before: The object before; None for a new one.
        after: The object after; None for a deleted one.
    """

    version: int
    kind: Kind
    key: Key
    before: Object | None
    after: Object | None


Listener = Callable[[Change], None]


class TooOld(Exception):
    """The history does not reach back that far; ``oldest`` is the first version that it reaches."""

    def __init__(self, oldest: int) -> None:
        self.oldest = oldest
        super().__init__(str(oldest))


class Store:
    """Every object of the cluster."""

    def __init__(self, *, history: int = HISTORY) -> None:
        self._objects: dict[Kind, dict[Key, Object]] = {}
        self._history: collections.deque[Change] = collections.deque(maxlen=history)
        self._forgotten = 0
        self._listeners: dict[int, Listener] = {}
        self._next_listener = 0
        self.version = 1

    def get(self, kind: Kind, key: Key) -> Object | None:
        """The object, or None; not to be changed."""
        return self._objects.get(kind, {}).get(key)

    def items(self, kind: Kind, namespace: str = "") -> list[Object]:
        """The objects of a kind, in the order of namespace and name; not to be changed."""
        items = sorted(self._objects.get(kind, {}).items())
        return [item for key, item in items if not namespace or key[0] == namespace]

    def put(self, kind: Kind, key: Key, item: Object) -> Object:
        """Keep an object under the next version, which it is given; returns it."""
        before = self.get(kind, key)
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        if before is not None:
            _share(item, before)
        self._objects.setdefault(kind, {})[key] = item
        self._record(Change(version=self.version, kind=kind, key=key, before=before, after=item))
        return item

    def remove(self, kind: Kind, key: Key, last: Object | None = None) -> Object:
        """Forget an object (``last`` is its last state); returns it under the version that the deletion made."""
        before = self._objects[kind].pop(key)
        gone = dict(last or before)
        self.version += 1
        gone["metadata"] = gone["metadata"] | {"resourceVersion": str(self.version)}
        self._record(Change(version=self.version, kind=kind, key=key, before=gone, after=None))
        return gone

    def since(self, version: int, kind: Kind) -> list[Change]:
        """The changes of a kind after a version.

        Raises:
            TooOld: The history does not reach back that far.
        """
        if version < self._forgotten:
            raise TooOld(self._forgotten)
        return [change for change in self._history if change.version > version and change.kind == kind]

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call this for every change from now on; returns what ends it."""
        number = self._next_listener
        self._next_listener += 1
        self._listeners[number] = listener
        return lambda: (self._listeners.pop(number, None), None)[1]

    def _record(self, change: Change) -> None:
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].version
        self._history.append(change)
        for listener in list(self._listeners.values()):
            listener(change)


def _share(new: Object, old: Object) -> None:
    """Let a new version hold what it has in common with the one before: the history then costs little memory."""
    for key, value in new.items():
        if key in old:
            new[key] = _shared(value, old[key])


def _shared(value: Json, before: Json) -> Json:
    if value == before:
        return before
    if isinstance(value, dict) and isinstance(before, dict):
        _share(value, before)
    if isinstance(value, list) and isinstance(before, list):
        value[: len(before)] = [_shared(*pair) for pair in zip(value, before, strict=False)]
    return value
