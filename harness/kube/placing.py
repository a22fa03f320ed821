"""Which node the echo servers stand on, chosen from what the API says of the nodes. Pure.

The matrix needs nodes with and without a backend, and the same one from run to run, so it is chosen here and not by
the scheduler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core import errors
from harness.kube import client, conditions

HOSTNAME = "kubernetes.io/hostname"
OS = "kubernetes.io/os"
PART_OF, ROLE = "app.kubernetes.io/part-of", "role"
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def backend_node(nodes: Sequence[client.Object]) -> str:
    """The host name label of ``backend``; raises ParseError."""
    return _host_name(backend(nodes))


def backend(nodes: Sequence[client.Object]) -> client.Object:
    """The node for the backends: the first ready Linux worker by name, else the first ready node.

    Raises:
        ParseError: No node is ready and takes pods.
    """
    able = sorted((item for item in nodes if _fit(item)), key=_is_no_worker)
    if not able:
        raise errors.ParseError("no node is ready and takes pods, so there is none for the echo servers")
    return able[0]


def placed(objects: Sequence[client.Object], host_name: str) -> tuple[client.Object, ...]:
    """These objects with every backend Deployment bound to that node, the others as they are."""
    return tuple(_bound(item, host_name) if _is_backend(item) else item for item in objects)


def takes_pods(item: client.Object) -> bool:
    """Whether a node is ready and takes pods, so that nobody waits for one there in vain."""
    return conditions.node_is_ready(item) and not item.get("spec", {}).get("unschedulable")


def _fit(item: client.Object) -> bool:
    # Our image is a Linux image; a node without the label is older than it.
    return takes_pods(item) and _labels(item).get(OS, "linux") == "linux"


def _is_no_worker(item: client.Object) -> tuple[bool, str]:
    return _CONTROL_PLANE in _labels(item), str(item["metadata"]["name"])


def _host_name(item: client.Object) -> str:
    return str(_labels(item).get(HOSTNAME) or item["metadata"]["name"])


def _labels(item: client.Object) -> dict[str, Any]:
    return item["metadata"].get("labels") or {}


def _is_backend(item: client.Object) -> bool:
    return item["kind"] == "Deployment" and _labels(item).get(ROLE) == "backend"


def _bound(item: client.Object, host_name: str) -> client.Object:
    template = item["spec"]["template"]
    pod = {**template["spec"], "nodeSelector": {HOSTNAME: host_name}}
    return {**item, "spec": {**item["spec"], "template": {**template, "spec": pod}}}
