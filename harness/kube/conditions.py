"""What an object's status says, as pure predicates that read as statements.

Field meanings are those of the Kubernetes API reference; a controller's status counts only when it has seen the
object's current generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def is_current(obj: Object) -> bool:
    """The controller has seen this generation of the object."""
    observed: int = obj.get("status", {}).get("observedGeneration", 0)
    wanted: int = obj["metadata"].get("generation", 0)
    return observed >= wanted


def deployment_is_available(obj: Object) -> bool:
    """Every wanted replica of the current template is available, and no other is left."""
    wanted = obj["spec"].get("replicas", 1)
    status = obj.get("status", {})
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return is_current(obj) and counts == [wanted] * 3


def daemon_set_is_available(obj: Object) -> bool:
    """Its controller has placed it, and it is available and of the current template on every node that it wants."""
    status = obj.get("status", {})
    wanted: int = status.get("desiredNumberScheduled", 0)
    counts = [status.get(name, 0) for name in ("updatedNumberScheduled", "numberAvailable")]
    return is_current(obj) and wanted > 0 and counts == [wanted] * 2


def node_is_ready(obj: Object) -> bool:
    """The node's kubelet says that it is ready."""
    return _is_true(obj, "Ready")


def pod_is_ready(obj: Object) -> bool:
    """The pod runs, is ready and is not being deleted."""
    return _is_true(obj, "Ready") and "deletionTimestamp" not in obj["metadata"]


def pod_is_running(obj: Object) -> bool:
    """The pod runs and is not being deleted, ready or not."""
    return obj.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in obj["metadata"]


def _is_true(obj: Object, condition: str) -> bool:
    found = obj.get("status", {}).get("conditions") or ()
    return any(item["type"] == condition and item["status"] == "True" for item in found)
