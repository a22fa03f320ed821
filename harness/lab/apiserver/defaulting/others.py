"""Defaults of the small kinds."""

from __future__ import annotations

import base64
from typing import Any

Object = dict[str, Any]


def nothing(_item: Object, _old: Object | None) -> None:
    """This kind has no defaults."""


def namespace(item: Object, old: Object | None) -> None:
    """A namespace carries its name as a label, and a finalizer of its own in its spec."""
    if item["metadata"].get("name"):
        item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = item["metadata"]["name"]
    if old is None:
        item.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])


def secret(item: Object, _old: Object | None) -> None:
    """``stringData`` is written into ``data``; a secret without a type is ``Opaque``."""
    for key, text in item.pop("stringData", {}).items():
        item.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
    item.setdefault("type", "Opaque")


def endpoints(item: Object, _old: Object | None) -> None:
    """A port without a protocol is TCP."""
    for subset in item.get("subsets") or []:
        for port in subset.get("ports") or []:
            port.setdefault("protocol", "TCP")


def endpoint_slice(item: Object, _old: Object | None) -> None:
    """A port without a name has the empty one, without a protocol it is TCP; both lists are always there."""
    item.setdefault("endpoints", None)
    item["endpoints"] = item["endpoints"] or []
    item["ports"] = item.get("ports") or []
    for port in item["ports"]:
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")
