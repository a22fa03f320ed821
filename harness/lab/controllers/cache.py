"""A mirror that believes its owner's own writes at once.

A level-driven controller that acts on a copy must not act twice because the copy lags behind its own writes: a
ReplicaSet would get a second pod before the watch has shown the first. kube-controller-manager keeps expectations
for that; here the API's answer to a write goes into the copy, where the watch's later events replace it.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

from harness.lab import api

Object = dict[str, Any]

_REMEMBERED = 4096


class Cache(api.Mirror):
    """A mirror plus what its owner wrote. The owner's thread calls ``believe`` and ``forget`` after a write."""

    def __init__(self, client: api.Api, queries: Sequence[str] | Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(client, queries)
        # An answer to a write can be read after the watch has already shown that the object is gone.
        self._gone: collections.deque[str] = collections.deque(maxlen=_REMEMBERED)

    def believe(self, path: str, item: Object) -> None:
        """Take the API's answer to a write as an observation, unless something newer is known."""
        with self._lock:
            if item["metadata"].get("uid") in self._gone:
                return
            known = self._objects[path].get(_key(item))
            if known is None or _version(item) >= _version(known):
                self._objects[path][_key(item)] = item

    def forget(self, path: str, name: str, namespace: str, uid: str) -> None:
        """Take an object as gone, because the API said so."""
        with self._lock:
            self._gone.append(uid)
            known = self._objects[path].get((namespace, name))
            if known is not None and known["metadata"].get("uid") == uid:
                del self._objects[path][namespace, name]

    def _take(self, path: str, event: api.Event) -> None:
        if event.type != "BOOKMARK" and self._stale(path, event):
            return
        super()._take(path, event)

    def _stale(self, path: str, event: api.Event) -> bool:
        with self._lock:
            uid = event.object["metadata"].get("uid", "")
            known = self._objects[path].get(_key(event.object))
            if event.type == "DELETED":
                self._gone.append(uid)
                return known is not None and known["metadata"].get("uid") != uid
            return uid in self._gone or (known is not None and _version(known) > _version(event.object))


def _key(item: Object) -> tuple[str, str]:
    meta = item["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _version(item: Object) -> int:
    # Kubernetes promises since 1.35 that resourceVersions of one resource can be compared as numbers.
    version = str(item["metadata"].get("resourceVersion", "0"))
    return int(version) if version.isdigit() else 0
