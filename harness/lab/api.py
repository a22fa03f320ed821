"""The Kubernetes API as the lab's agents and controllers use it: over HTTP, with list and watch.

It stands on ``requests`` and a kubeconfig, not on the ``kubernetes`` package: a dozen small programs run side by
side, and that package costs each of them a second of start-up and some sixty megabytes.

A ``Mirror`` keeps a copy of whole collections and wakes its owner at each change. Each watched collection has a
daemon thread of its own; the owner's thread reads the copy and is the only one that acts on it. A watch that
breaks, or is too old (410), is listed anew.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import requests

from harness.core import errors

log = logging.getLogger("harness.lab.api")

Object = dict[str, Any]
PatchType = Literal["merge", "strategic", "json", "apply"]

_PATCH_CONTENT = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_CONNECT_S = 5.0
_READ_S = 30.0
_RETRY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a watch.

    Attributes:
        type: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``.
        object: The object as it is (for ``DELETED``: as it last was).
    """

    type: str
    object: Object


class Api:
    """One connection to the API server. Safe for one thread; ``clone`` makes another.

    Every method raises ``errors.ApiError`` for a Status of failure, and ``errors.ApiError`` with code 0 and
    reason ``Unreachable`` where no answer came.
    """

    def __init__(self, server: str, *, token: str, ca_file: str, agent: str) -> None:
        self._server = server.rstrip("/")
        self._token = token
        self._ca_file = ca_file
        self._agent = agent
        self._session = requests.Session()
        self._session.verify = ca_file
        # The environment's proxies and .netrc have no say in how an agent reaches its own cluster.
        self._session.trust_env = False
        self._session.headers.update({"Authorization": f"Bearer {token}", "User-Agent": agent})

    @classmethod
    def from_kubeconfig(cls, path: Path | str, *, agent: str) -> Self:
        """Read a kubeconfig in JSON form, with a certificate authority's file and a token.

        Raises:
            ParseError: It has not that form.
        """
        try:
            config = json.loads(Path(path).read_text())
            cluster = config["clusters"][0]["cluster"]
            token = config["users"][0]["user"]["token"]
            return cls(cluster["server"], token=token, ca_file=cluster["certificate-authority"], agent=agent)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise errors.ParseError(f"{path}: not a kubeconfig of the lab: {error!r}") from error

    def clone(self) -> Api:
        """A second connection with the same rights, for another thread."""
        return Api(self._server, token=self._token, ca_file=self._ca_file, agent=self._agent)

    def get(self, path: str, **params: str) -> Object:
        """GET one object, such as ``/api/v1/nodes/kind-worker``."""
        return self._call("GET", path, params)

    def list(self, path: str, **params: str) -> tuple[list[Object], str]:
        """GET a collection: its items, each with apiVersion and kind filled in, and the resourceVersion."""
        answer = self._call("GET", path, params)
        kind = str(answer.get("kind", "List")).removesuffix("List")
        items = answer.get("items") or []
        for item in items:
            item.setdefault("kind", kind)
            item.setdefault("apiVersion", answer.get("apiVersion", ""))
        return items, str(answer.get("metadata", {}).get("resourceVersion", ""))

    def create(self, path: str, body: Mapping[str, Any], **params: str) -> Object:
        """POST an object to a collection."""
        return self._call("POST", path, params, body)

    def update(self, path: str, body: Mapping[str, Any], **params: str) -> Object:
        """PUT an object; with a resourceVersion in it, only if nobody else wrote since."""
        return self._call("PUT", path, params, body)

    def patch(
        self, path: str, body: Mapping[str, Any] | Sequence[Any], *, kind: PatchType = "merge", **params: str
    ) -> Object:
        """PATCH an object."""
        return self._call("PATCH", path, params, body, _PATCH_CONTENT[kind])

    def delete(self, path: str, **params: str) -> Object:
        """DELETE an object."""
        return self._call("DELETE", path, params)

    def watch(self, path: str, *, resource_version: str, **params: str) -> Iterator[Event]:
        """Watch a collection from a resourceVersion on, until the server ends it.

        Raises:
            ApiError: As every call; 410 ``Expired`` when the resourceVersion is too old.
        """
        query = {
            **params,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
        }
        try:
            # No read timeout: a watch is quiet as long as nothing changes.
            with self._session.get(
                self._server + path, params=query, stream=True, timeout=(_CONNECT_S, None)
            ) as answer:
                _raise_for_status(answer)
                yield from _events(answer)
        except requests.RequestException as error:
            raise errors.ApiError(0, "Unreachable", str(error)) from error

    def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        content: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"} | ({} if data is None else {"Content-Type": content})
        try:
            answer = self._session.request(
                method,
                self._server + path,
                params=params,
                data=data,
                headers=headers,
                timeout=(_CONNECT_S, _READ_S),
            )
            _raise_for_status(answer)
            parsed: Object = answer.json()
            return parsed
        except requests.RequestException as error:
            raise errors.ApiError(0, "Unreachable", str(error)) from error


def _raise_for_status(answer: requests.Response) -> None:
    if answer.status_code < 400:
        return
    try:
        status = answer.json()
    except requests.JSONDecodeError:
        status = {}
    raise errors.ApiError(
        answer.status_code, str(status.get("reason", "")), str(status.get("message", answer.text[:500]))
    )


def _events(answer: requests.Response) -> Iterator[Event]:
    # chunk_size=None hands over what has arrived at once; a fixed size would hold small events back.
    for line in answer.iter_lines(chunk_size=None):
        if not line:
            continue
        item = _parsed(line)
        if item["type"] == "ERROR":
            status = item["object"]
            raise errors.ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
        yield Event(type=item["type"], object=item["object"])


def _parsed(line: bytes) -> Object:
    try:
        item: Object = json.loads(line)
        return item
    except ValueError as error:
        # A server that is ended in the middle of an event leaves half a line.
        raise errors.ApiError(0, "Unreachable", f"half an event: {error}") from error


class Mirror:
    """Copies of whole collections, kept up to date by watches.

    One thread owns a mirror: it calls ``wait`` and then reads. What ``items`` returns is a list of the caller's
    own, but the objects in it are shared and must not be changed.
    """

    def __init__(self, api: Api, paths: Sequence[str] | Mapping[str, Mapping[str, str]]) -> None:
        """Watch these collections; with a mapping, each with parameters such as a fieldSelector."""
        self._api = api
        self._queries = dict(paths) if isinstance(paths, Mapping) else {path: {} for path in paths}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._objects: dict[str, dict[tuple[str, str], Object]] = {path: {} for path in self._queries}
        self._synced: set[str] = set()

    def start(self) -> None:
        """Start watching, one daemon thread a collection."""
        for path, params in self._queries.items():
            threading.Thread(target=self._follow, args=(path, dict(params)), name=f"mirror {path}", daemon=True).start()

    def stop(self) -> None:
        """Wake the owner and let the threads end at their next event; they are daemons and need no join."""
        self._stopping.set()
        self._changed.set()

    def wake(self) -> None:
        """Make ``wait`` return at once, as a change would: for a signal handler or a retry."""
        self._changed.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a change; False if none came in that many seconds.

        The flag is cleared before the caller reads, so a change during the reading wakes it again.
        """
        changed = self._changed.wait(timeout_s)
        self._changed.clear()
        return changed

    @property
    def synced(self) -> bool:
        """Whether every collection has been listed at least once."""
        with self._lock:
            return self._synced == set(self._queries)

    def items(self, path: str) -> list[Object]:
        """The objects of that collection, ordered by namespace and name."""
        with self._lock:
            return [item for _, item in sorted(self._objects[path].items())]

    def get(self, path: str, name: str, namespace: str = "") -> Object | None:
        """One object of that collection, or None."""
        with self._lock:
            return self._objects[path].get((namespace, name))

    def _follow(self, path: str, params: dict[str, str]) -> None:
        api = self._api.clone()
        version = ""
        while not self._stopping.is_set():
            try:
                if not version:
                    items, version = api.list(path, **params)
                    self._replace(path, items)
                for event in api.watch(path, resource_version=version, **params):
                    version = str(event.object["metadata"]["resourceVersion"])
                    self._take(path, event)
                    if self._stopping.is_set():
                        return
            except errors.ApiError as error:
                log.debug("watch of %s: %s", path, error)
                # Only a server that is not there keeps its place; any other refusal means to list anew.
                version = version if error.code == 0 else ""
                self._stopping.wait(_RETRY_S)

    def _replace(self, path: str, items: list[Object]) -> None:
        with self._lock:
            self._objects[path] = {_key(item): item for item in items}
            self._synced.add(path)
        self._changed.set()

    def _take(self, path: str, event: Event) -> None:
        if event.type == "BOOKMARK":
            return
        with self._lock:
            if event.type == "DELETED":
                self._objects[path].pop(_key(event.object), None)
            else:
                self._objects[path][_key(event.object)] = event.object
        self._changed.set()


def _key(item: Object) -> tuple[str, str]:
    meta = item["metadata"]
    return meta.get("namespace", ""), meta["name"]
