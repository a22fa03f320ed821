"""TigeraStatus and the Installation's conditions: what they say, in which order they come to say it. Pure.

Recorded: the real operator writes TigeraStatus one condition at a time, Available before Progressing before Degraded,
and copies the outcome to the Installation, where Available is called Ready and every message is at least empty. A pod
that runs but is not ready yet makes the whole Degraded, again and again in every healthy switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.lab.controllers import actions, metadata, paths, pods

Object = dict[str, Any]
Words = tuple[str, str, str]

AVAILABLE = "All objects available"
_ORDER = ("Available", "Progressing", "Degraded")
# The order of a status' list is that in which its conditions were first written.
FIRST_ORDER = {
    "calico": ("Progressing", "Degraded", "Available"),
    "ippools": ("Degraded", "Available", "Progressing"),
}


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a component's objects show.

    Attributes:
        progressing: What is still on its way, a sentence each.
        failing: Pods that fail, a sentence each.
        degraded: Why the operator can't do what it is asked: a reason in one word, and a sentence.
    """

    progressing: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    degraded: tuple[str, str] | None = None

    def conditions(self) -> dict[str, Words]:
        """Status, reason and message of each condition."""
        well = not (self.progressing or self.failing or self.degraded)
        calm: Words = ("False", "AllObjectsAvailable", AVAILABLE) if well else ("False", "Unknown", "")
        found: dict[str, Words] = {"Available": ("True", *calm[1:]) if well else calm}
        moving = self.progressing and not self.failing
        found["Progressing"] = ("True", "ResourceNotReady", "\n".join(self.progressing)) if moving else calm
        found["Degraded"] = self._degraded() or calm
        return found

    def _degraded(self) -> Words | None:
        if self.degraded is not None:
            reason, message = self.degraded
            return "True", reason, "\n".join((message, *self.failing))
        return ("True", "PodFailure", "\n".join(self.failing)) if self.failing else None


def rollout(daemonset: Object) -> list[str]:
    """What a DaemonSet's status says is still to come, in the operator's words."""
    status: Object = daemonset.get("status") or {}
    called = f'DaemonSet "{metadata.namespace(daemonset)}/{metadata.name(daemonset)}"'
    desired, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    if updated < desired:
        return [f"{called} update is rolling out ({updated} out of {desired} updated)"]
    if status.get("numberUnavailable", 0):
        return [f"{called} is not available (awaiting {status['numberUnavailable']} nodes)"]
    return []


def failing_pods(owned: Sequence[Object]) -> list[str]:
    """The pods that run without being ready, or whose containers end, in the operator's words."""
    found = []
    for pod in owned:
        if metadata.deleting(pod):
            continue
        trouble = _trouble(pod)
        if trouble:
            found.append(f"Pod {metadata.namespace(pod)}/{metadata.name(pod)} {trouble}")
    return found[:1]


def _trouble(pod: Object) -> str:
    status: Object = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        state: Object = container.get("state") or {}
        if (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff":
            return f"has crash looping container: {container['name']}"
        if state.get("terminated"):
            return f"has terminated container: {container['name']}"
    return "is running but not ready" if status.get("phase") == "Running" and not pods.ready(pod) else ""


def tigera_status(view: actions.View, name: str, findings: Findings, generation: int, now: str) -> list[actions.Action]:
    """The writes, one condition each, that bring ``TigeraStatus/NAME`` up to date; the first makes it."""
    current = view.get(paths.TIGERASTATUSES, name)
    if current is None:
        body = {"apiVersion": "operator.tigera.io/v1", "kind": "TigeraStatus", "metadata": {"name": name}, "spec": {}}
        return [actions.Create(path=paths.TIGERASTATUSES, body=body)]
    listed: list[Object] = list((current.get("status") or {}).get("conditions") or [])
    wanted = findings.conditions()
    writes: list[actions.Action] = []
    for kind in _ORDER if listed else FIRST_ORDER[name]:
        changed = _with(listed, kind, wanted[kind], generation, now)
        if changed != listed:
            listed = changed
            body = {"status": {"conditions": listed}}
            writes.append(actions.Patch(path=paths.TIGERASTATUSES, name=name, subresource="status", body=body))
    return writes


def _with(listed: list[Object], kind: str, words: Words, generation: int, now: str) -> list[Object]:
    known = next((entry for entry in listed if entry["type"] == kind), None)
    value, reason, message = words
    since = known["lastTransitionTime"] if known is not None and known["status"] == value else now
    entry: Object = {"lastTransitionTime": since, "message": message, "observedGeneration": generation}
    entry |= {"reason": reason, "status": value, "type": kind}
    if not message:
        del entry["message"]
    if known is None:
        return [*listed, entry]
    return [entry if item is known else item for item in listed]


def installation_conditions(installation: Object, findings: Findings, now: str) -> list[Object] | None:
    """The Installation's conditions after TigeraStatus ``calico``; None if they say so already."""
    words = findings.conditions()
    kinds = (("Progressing", "Progressing"), ("Degraded", "Degraded"), ("Ready", "Available"))
    known: list[Object] = (installation.get("status") or {}).get("conditions") or []
    wanted = [
        {
            "lastTransitionTime": now,
            "message": words[source][2],
            "observedGeneration": installation["metadata"].get("generation", 0),
            "reason": words[source][1],
            "status": words[source][0],
            "type": kind,
        }
        for kind, source in kinds
    ]
    return None if [_timeless(item) for item in known] == [_timeless(item) for item in wanted] else wanted


def _timeless(entry: Object) -> Object:
    return {key: value for key, value in entry.items() if key != "lastTransitionTime"}
