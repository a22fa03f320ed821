"""A pod's row: how its phase, its conditions and its containers' states become one word. Pure.

The rules are those of Kubernetes' own pod printer, which every ``kubectl get pods`` shows. Later rules win: the
phase, the pod's own reason, init containers, containers, deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness.lab.apiserver.tables import ages

Object = dict[str, Any]
NONE = "<none>"

_COMPLETED = {
    "Succeeded": {
        "type": "Completed",
        "status": "True",
        "reason": "Succeeded",
        "message": "The pod has completed successfully.",
    },
    "Failed": {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."},
}


@dataclass
class _Summary:
    """What is being gathered while the containers are walked through."""

    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""
    sidecars: set[str] = field(default_factory=set)
    initializing: bool = False

    def count_restarts(self, status: Object) -> None:
        self.restarts += status.get("restartCount", 0)
        ended = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        # Times of the API are of one width and in UTC, so their text sorts as they do.
        self.last_restart = max(self.last_restart, ended)


def cells(pod: Object, now: datetime) -> list[Any]:
    """The cells of a pod, wide ones included."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    summary = _summary(spec, status)
    meta = pod["metadata"]
    return [
        meta["name"],
        f"{summary.ready}/{summary.total}",
        _deleted(pod, summary.reason),
        _restarts(summary, now),
        ages.since(meta.get("creationTimestamp"), now),
        _first_ip(status),
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, status),
    ]


def conditions(pod: Object) -> list[Object]:
    """The row's own conditions: a pod that has ended is marked so that kubectl can tell."""
    ended = _COMPLETED.get((pod.get("status") or {}).get("phase", ""))
    return [dict(ended)] if ended else []


def _summary(spec: Object, status: Object) -> _Summary:
    inits = spec.get("initContainers") or []
    sidecars = {item["name"] for item in inits if item.get("restartPolicy") == "Always"}
    summary = _Summary(
        reason=status.get("reason") or status.get("phase") or "",
        total=len(spec.get("containers") or []) + len(sidecars),
        sidecars=sidecars,
    )
    found = status.get("conditions") or []
    if any(item["type"] == "PodScheduled" and item.get("reason") == "SchedulingGated" for item in found):
        summary.reason = "SchedulingGated"
    _add_inits(summary, status.get("initContainerStatuses") or [], len(inits))
    if not summary.initializing or _holds(found, "Initialized"):
        _add_containers(summary, status)
    return summary


def _holds(found: Sequence[Object], kind: str) -> bool:
    return any(item["type"] == kind and item.get("status") == "True" for item in found)


def _add_inits(summary: _Summary, statuses: Sequence[Object], count: int) -> None:
    """Walk through the init containers up to the first that is not done; it names the pod's state."""
    for n, status in enumerate(statuses):
        summary.count_restarts(status)
        state = status.get("state") or {}
        ended = state.get("terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        if status["name"] in summary.sidecars and status.get("started"):
            summary.ready += bool(status.get("ready"))
            continue
        summary.initializing = True
        summary.reason = f"Init:{_init_reason(state, n, count)}"
        return


def _init_reason(state: Object, n: int, count: int) -> str:
    if ended := state.get("terminated"):
        return _ended_reason(ended)
    waiting = (state.get("waiting") or {}).get("reason") or ""
    return waiting if waiting not in ("", "PodInitializing") else f"{n}/{count}"


def _ended_reason(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _add_containers(summary: _Summary, status: Object) -> None:
    """Walk through the containers, last to first, so that the first one's trouble names the pod's state."""
    inits = [item for item in status.get("initContainerStatuses") or [] if item["name"] in summary.sidecars]
    summary.restarts, summary.last_restart = 0, ""
    running = False
    for item in inits:
        summary.count_restarts(item)
    for item in reversed(status.get("containerStatuses") or []):
        summary.count_restarts(item)
        running = _add_container(summary, item) or running
    if summary.reason == "Completed" and running:
        ready = _holds(status.get("conditions") or [], "Ready")
        summary.reason = "Running" if ready else "NotReady"


def _add_container(summary: _Summary, status: Object) -> bool:
    """Count one container; True if it runs and is ready."""
    state = status.get("state") or {}
    waiting = (state.get("waiting") or {}).get("reason")
    if waiting:
        summary.reason = waiting
    elif state.get("terminated") is not None:
        summary.reason = _ended_reason(state["terminated"])
    elif status.get("ready") and state.get("running") is not None:
        summary.ready += 1
        return True
    return False


def _deleted(pod: Object, reason: str) -> str:
    status = pod.get("status") or {}
    if not pod["metadata"].get("deletionTimestamp"):
        return reason
    if status.get("reason") == "NodeLost":
        return "Unknown"
    return reason if status.get("phase") in _COMPLETED else "Terminating"


def _restarts(summary: _Summary, now: datetime) -> str:
    if not summary.restarts or not summary.last_restart:
        return str(summary.restarts)
    return f"{summary.restarts} ({ages.since(summary.last_restart, now)} ago)"


def _first_ip(status: Object) -> str:
    ips = [item.get("ip") for item in status.get("podIPs") or []]
    return (ips[0] if ips else status.get("podIP")) or NONE


def _gates(spec: Object, status: Object) -> str:
    gates = spec.get("readinessGates") or []
    true = sum(_holds(status.get("conditions") or [], gate["conditionType"]) for gate in gates)
    return f"{true}/{len(gates)}" if gates else NONE
