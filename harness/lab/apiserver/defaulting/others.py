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


_NODE_INFO = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
    "kubeProxyVersion", "operatingSystem", "architecture",
)  # fmt: skip


def node(item: Object, _old: Object | None) -> None:
    """A node says of itself what it knows; what it does not is shown as empty."""
    item.setdefault("spec", {})
    status = item.setdefault("status", {})
    status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {}).setdefault("Port", 0)
    info = status.setdefault("nodeInfo", {})
    for key in _NODE_INFO:
        info.setdefault(key, "")


def event(item: Object, _old: Object | None) -> None:
    """Go has no way to leave out a struct or a time that is empty."""
    for key in ("involvedObject", "source"):
        item.setdefault(key, {})
    for key in ("firstTimestamp", "lastTimestamp", "eventTime"):
        item.setdefault(key, None)
    for key in ("reportingComponent", "reportingInstance"):
        item.setdefault(key, "")


def endpoints(item: Object, _old: Object | None) -> None:
    """A port without a protocol is TCP."""
    for subset in item.get("subsets") or []:
        for port in subset.get("ports") or []:
            port.setdefault("protocol", "TCP")


def endpoint_slice(item: Object, _old: Object | None) -> None:
    """A port without a name has the empty one, without a protocol it is TCP; an empty list is null (recorded)."""
    for key in ("endpoints", "ports"):
        item[key] = item.get(key) or None
    for endpoint in item["endpoints"] or []:
        endpoint.setdefault("conditions", {})
    for port in item["ports"] or []:
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")
