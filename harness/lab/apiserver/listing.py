"""One page of a collection: selectors, order, limit and continue."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from harness.lab.apiserver import options, registry, selectors, statuses, store

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a collection.

    Attributes:
        items: The objects, not to be changed.
        version: The resourceVersion of the list.
        token: Where the next page begins; empty on the last.
        remaining: How many objects follow; None where a selector makes that unknown.
    """

    items: list[Object]
    version: str
    token: str = ""
    remaining: int | None = None

    def metadata(self) -> Object:
        """The list's ``metadata``."""
        found: Object = {"resourceVersion": self.version}
        if self.token:
            found["continue"] = self.token
        if self.remaining:
            found["remainingItemCount"] = self.remaining
        return found


def page(objects: store.Store, resource: registry.Resource, namespace: str, wanted: options.Listing) -> Page:
    """The page that was asked for.

    Raises:
        Refusal: A selector or the continue token cannot be read (400), or the version lies ahead (504).
    """
    predicate = selectors.predicate(wanted.labels, wanted.fields, resource)
    _check_version(wanted.version, objects.version)
    items = objects.items(resource.storage, namespace)
    if predicate is not None:
        items = [item for item in items if predicate(item)]
    version = objects.version
    if wanted.token:
        version, start = _started(wanted.token)
        items = [item for item in items if _position(item, resource, namespace) >= start]
    rest = items[wanted.limit :] if wanted.limit > 0 else []
    if not rest:
        return Page(items=items, version=str(version))
    kept = items[: wanted.limit]
    token = _token(version, _position(kept[-1], resource, namespace) + "\0")
    return Page(items=kept, version=str(version), token=token, remaining=None if predicate else len(rest))


def _check_version(wanted: str, current: int) -> None:
    if not wanted:
        return
    if not wanted.isdigit():
        raise statuses.bad_request(f'invalid resource version "{wanted}": strconv.ParseUint: parsing "{wanted}": '
                                   "invalid syntax")  # fmt: skip
    if int(wanted) > current:
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        message = f"Timeout: Too large resource version: {wanted}, current: {current}"
        raise statuses.Refusal(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def _position(item: Object, resource: registry.Resource, namespace: str) -> str:
    meta = item["metadata"]
    name: str = meta["name"]
    # Events are listed past kube-apiserver's watch cache, whose positions begin with a slash.
    slash = "" if resource.storage == ("", "events") else "/"
    return slash + (name if namespace or not resource.namespaced else f"{meta.get('namespace', '')}/{name}")


def _token(version: int, start: str) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _started(token: str) -> tuple[int, str]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(found["rv"]), str(found["start"])
    except (ValueError, binascii.Error, LookupError, TypeError) as error:
        raise statuses.bad_request(f"continue key is not valid: {error}") from error
