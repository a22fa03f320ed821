"""Watches: what happened since a version, then what happens, one JSON line an event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from harness.lab.apiserver import options, registry, selectors, statuses, store
from harness.lab.apiserver.serving import negotiation, rendering

Object = dict[str, Any]

BOOKMARK_S = 30.0
LONGEST_S = 3600
"""kube-apiserver ends a watch without a timeout of its own after half an hour to an hour."""
MOST_WAITING = 20000
"""Events that may wait for a slow client before its watch is ended."""


class Watch:
    """One watch, from its request to its end."""

    def __init__(
        self,
        objects: store.Store,
        resource: registry.Resource,
        target: tuple[str, str],
        wanted: options.Listing,
        form: negotiation.Form,
        query: Mapping[str, str],
        stopping: asyncio.Event,
    ) -> None:
        """Watch a collection, or with a name one object (``target`` is namespace and name).

        Raises:
            Refusal: A selector or the version cannot be read (400).
        """
        self._objects = objects
        self._resource = resource
        self._namespace, self._name = target
        self._wanted = wanted
        self._form = form
        self._query = query
        self._stopping = stopping
        self._predicate = selectors.predicate(wanted.labels, wanted.fields, resource)
        self._first = True
        self._queue: asyncio.Queue[store.Change | None] = asyncio.Queue()
        self._backlog = self._history()

    def _history(self) -> list[store.Change] | statuses.Refusal:
        """What the client gets before what happens from now on."""
        text = self._wanted.version
        if text and not text.isdigit():
            raise statuses.bad_request(f'invalid resource version "{text}": strconv.ParseUint: parsing "{text}": '
                                       "invalid syntax")  # fmt: skip
        version = int(text or 0)
        if version == 0 or self._wanted.initial_events:
            return [self._initial(item) for item in self._objects.items(self._resource.storage, self._namespace)]
        try:
            return self._objects.since(version, self._resource.storage)
        except store.TooOld as error:
            return statuses.expired(f"too old resource version: {version} ({error.oldest})")

    def _initial(self, item: Object) -> store.Change:
        meta = item["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        version = int(meta["resourceVersion"])
        return store.Change(version=version, kind=self._resource.storage, key=key, before=None, after=item)

    async def lines(self) -> AsyncIterator[bytes]:
        """The events, each as the bytes of its line, until the watch ends."""
        if isinstance(self._backlog, statuses.Refusal):
            yield self._line("ERROR", self._backlog.status())
            return
        end = self._objects.listen(self._queue_up)
        try:
            for line in self._begun(self._backlog):
                yield line
            async for line in self._following():
                yield line
        finally:
            end()

    def _begun(self, backlog: list[store.Change]) -> list[bytes]:
        found = [line for change in backlog for line in self._of(change)]
        if self._wanted.initial_events and self._wanted.bookmarks:
            found.append(self._bookmark({"k8s.io/initial-events-end": "true"}))
        return found

    def _queue_up(self, change: store.Change) -> None:
        if change.kind == self._resource.storage:
            self._queue.put_nowait(change if self._queue.qsize() < MOST_WAITING else None)

    async def _following(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._wanted.timeout_s or LONGEST_S)
        stopping = asyncio.ensure_future(self._stopping.wait())
        taking = asyncio.ensure_future(self._queue.get())
        try:
            while not self._stopping.is_set() and (left := deadline - loop.time()) > 0:
                done, _ = await asyncio.wait(
                    {taking, stopping}, timeout=min(left, BOOKMARK_S), return_when=asyncio.FIRST_COMPLETED
                )
                if taking not in done:
                    if self._wanted.bookmarks and not stopping.done():
                        yield self._bookmark({})
                    continue
                change = taking.result()
                taking = asyncio.ensure_future(self._queue.get())
                if change is None:
                    return
                for line in self._of(change):
                    yield line
        finally:
            stopping.cancel()
            taking.cancel()

    def _of(self, change: store.Change) -> list[bytes]:
        namespace, name = change.key
        if (self._namespace and namespace != self._namespace) or (self._name and name != self._name):
            return []
        before, after = self._selected(change.before), self._selected(change.after)
        if after is not None:
            return [self._event("MODIFIED" if before is not None else "ADDED", after)]
        if before is None:
            return []
        # An object that stops matching leaves with its last state and the version at which it left.
        last = change.after if change.after is not None else before
        version = {"resourceVersion": str(change.version)}
        return [self._event("DELETED", before | {"metadata": last["metadata"] | version})]

    def _selected(self, item: Object | None) -> Object | None:
        return item if item is not None and (self._predicate is None or self._predicate(item)) else None

    def _event(self, kind: str, item: Object) -> bytes:
        if self._form.shape == "Table":
            shown = rendering.table([item], self._resource, self._query, first=self._first)
            shown["metadata"] = {"resourceVersion": item["metadata"]["resourceVersion"]}
            self._first = False
            return self._line(kind, shown)
        return self._line(kind, rendering.one(item, self._resource, self._form, self._query))

    def _bookmark(self, annotations: Mapping[str, str]) -> bytes:
        meta: Object = {"resourceVersion": str(self._objects.version), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = dict(annotations)
        item: Object = {"kind": self._resource.kind, "apiVersion": self._resource.group_version, "metadata": meta}
        return self._line("BOOKMARK", item)

    def _line(self, kind: str, item: Object) -> bytes:
        return json.dumps({"type": kind, "object": item}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
