"""A pod's status from what its containers do. Pure; the rules are the kubelet's own (``getPhase`` and conditions)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.lab.kubelet import specs


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A container that does not run yet, or not now."""

    reason: str
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A container that runs since then."""

    started: str


@dataclass(frozen=True, kw_only=True)
class Terminated:
    """A container that ended."""

    exit_code: int
    reason: str
    started: str
    finished: str
    container_id: str
    message: str = ""


State = Waiting | Running | Terminated


@dataclass(frozen=True, kw_only=True)
class ContainerView:
    """What there is to say about one container.

    Attributes:
        spec: What was asked for.
        state: What it does now.
        last: How its run before this one ended.
        ready: Whether it takes requests.
        restarts: How often it was started again.
        container_id: The name of its current run; empty before the first.
    """

    spec: specs.Container
    state: State
    last: Terminated | None
    ready: bool
    restarts: int
    container_id: str


@dataclass(frozen=True, kw_only=True)
class PodView:
    """What there is to say about one pod.

    Attributes:
        pod: What was asked for.
        init: Its init containers.
        containers: Its containers.
        ip: Its address; empty before it has one.
        host_ip: Its node's address.
        started: When the kubelet first saw it.
    """

    pod: specs.Pod
    init: Sequence[ContainerView]
    containers: Sequence[ContainerView]
    ip: str
    host_ip: str
    started: str


def status_of(view: PodView, reported: Mapping[str, Any], *, now: str) -> dict[str, Any]:
    """The whole ``status`` that the kubelet owns; conditions that others own are kept.

    Args:
        view: What there is to say.
        reported: The status that was made before, whose conditions keep their time while they stay as they are.
        now: The time of those that change.
    """
    phase = phase_of(view)
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": _conditions(view, phase, reported, now),
        "hostIP": view.host_ip,
        "hostIPs": [{"ip": view.host_ip}],
        "startTime": view.started,
        "observedGeneration": view.pod.raw["metadata"].get("generation", 1),
        "containerStatuses": [_container(each, started=isinstance(each.state, Running)) for each in view.containers],
    }
    if view.init:
        status["initContainerStatuses"] = [_init_container(each) for each in view.init]
    if view.ip:
        status |= {"podIP": view.ip, "podIPs": [{"ip": view.ip}]}
    return status


def phase_of(view: PodView) -> str:
    """``Pending``, ``Running``, ``Succeeded`` or ``Failed``."""
    if not _initialized(view):
        failed = any(isinstance(each.state, Terminated) and each.state.exit_code for each in view.init)
        return "Failed" if failed and view.pod.restart_policy == "Never" else "Pending"
    states = [each.state for each in view.containers]
    if any(isinstance(each.state, Waiting) and each.last is None for each in view.containers):
        return "Pending"
    if any(isinstance(state, Running) for state in states) or view.pod.restart_policy == "Always":
        return "Running"
    codes = [state.exit_code for state in states if isinstance(state, Terminated)]
    if len(codes) < len(states):
        return "Running"
    if not any(codes):
        return "Succeeded"
    return "Failed" if view.pod.restart_policy == "Never" else "Running"


def _initialized(view: PodView) -> bool:
    return all(isinstance(each.state, Terminated) and each.state.exit_code == 0 for each in view.init)


def _conditions(view: PodView, phase: str, reported: Mapping[str, Any], now: str) -> list[dict[str, Any]]:
    own = [
        _condition("PodReadyToStartContainers", bool(view.ip)),
        _initialized_condition(view),
        _readiness("Ready", view, phase),
        _readiness("ContainersReady", view, phase),
    ]
    stored: Mapping[str, Any] = view.pod.raw.get("status") or {}
    old = {each["type"]: each for each in stored.get("conditions") or ()}
    names = {each["type"] for each in own}
    # The stored object may not have caught up with what was reported last.
    old |= {each["type"]: each for each in reported.get("conditions") or () if each["type"] in names}
    generation = view.pod.raw["metadata"].get("generation", 1)
    dated = [_dated({**each, "observedGeneration": generation}, old.get(each["type"]), now) for each in own]
    return dated + [each for name, each in old.items() if name not in names]


def _dated(condition: dict[str, Any], old: Mapping[str, Any] | None, now: str) -> dict[str, Any]:
    same = old is not None and old.get("status") == condition["status"]
    moment = old["lastTransitionTime"] if old is not None and same else now
    return {"lastProbeTime": None, "lastTransitionTime": moment, **condition}


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, "status": "True" if holds else "False"}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def _initialized_condition(view: PodView) -> dict[str, Any]:
    if _initialized(view):
        return _condition("Initialized", holds=True)
    names = [
        each.spec.name for each in view.init if not (isinstance(each.state, Terminated) and each.state.exit_code == 0)
    ]
    return _condition(
        "Initialized", False, "ContainersNotInitialized", f"containers with incomplete status: {_names(names)}"
    )


def _readiness(kind: str, view: PodView, phase: str) -> dict[str, Any]:
    unready = [each.spec.name for each in view.containers if not each.ready]
    if phase in ("Succeeded", "Failed"):
        return _condition(kind, False, "PodCompleted" if phase == "Succeeded" else "PodFailed")
    if not unready:
        return _condition(kind, holds=True)
    return _condition(kind, False, "ContainersNotReady", f"containers with unready status: {_names(unready)}")


def _names(names: Iterable[str]) -> str:
    return f"[{' '.join(names)}]"


def _container(view: ContainerView, *, started: bool) -> dict[str, Any]:
    status: dict[str, Any] = {
        "name": view.spec.name,
        "image": view.spec.image,
        "imageID": image_id(view.spec.image) if view.container_id else "",
        "ready": view.ready,
        "started": started,
        "restartCount": view.restarts,
        "state": _state(view.state),
        "lastState": _state(view.last) if view.last else {},
    }
    if view.container_id:
        status["containerID"] = view.container_id
    return status


def _init_container(view: ContainerView) -> dict[str, Any]:
    # "Ready" means for an init container that it has done its work.
    done = isinstance(view.state, Terminated) and view.state.exit_code == 0
    return {**_container(view, started=False), "ready": done}


def image_id(image: str) -> str:
    """A stable stand-in for a digest: there is no image to take one of."""
    return "sha256:" + hashlib.sha256(image.encode()).hexdigest()


def _state(state: State) -> dict[str, Any]:
    match state:
        case Waiting():
            message = {"message": state.message} if state.message else {}
            return {"waiting": {"reason": state.reason, **message}}
        case Running():
            return {"running": {"startedAt": state.started}}
        case Terminated():
            message = {"message": state.message} if state.message else {}
            return {
                "terminated": {
                    "exitCode": state.exit_code,
                    "reason": state.reason,
                    **message,
                    "startedAt": state.started,
                    "finishedAt": state.finished,
                    "containerID": state.container_id,
                }
            }
