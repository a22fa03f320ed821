"""DaemonSets: one pod on every node that its template allows, replaced node by node when the template changes.

Semantics and status as kube-controller-manager's: a node counts as updated when its pod carries the current
template's hash, a pod that is being deleted still occupies its node, and the new one is made when it has gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.lab.controllers import actions, metadata, paths, placement, pods

Object = dict[str, Any]

HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"

_TOLERATED = (
    ("NoExecute", "not-ready"),
    ("NoExecute", "unreachable"),
    ("NoSchedule", "disk-pressure"),
    ("NoSchedule", "memory-pressure"),
    ("NoSchedule", "pid-pressure"),
    ("NoSchedule", "unschedulable"),
)


@dataclass(frozen=True, kw_only=True)
class _Observed:
    """One DaemonSet with the nodes it wants and the pods it has, by node."""

    daemonset: Object
    hash: str
    wanted: list[str]
    pods: dict[str, list[Object]]

    def on(self, node: str) -> list[Object]:
        return self.pods.get(node, [])

    def updated(self, pod: Object) -> bool:
        return metadata.labels(pod).get(HASH_LABEL) == self.hash


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Say how far each DaemonSet is, then create, delete and replace its pods."""
    del now
    writes: list[actions.Action] = []
    for daemonset in view.items(paths.DAEMONSETS):
        observed = _observe(view, daemonset)
        places = [] if metadata.deleting(daemonset) else _places(observed)
        # The status of what is comes before the writes that change it, as recorded; but the first status of a new
        # template tells of the pods that were made for it, so it is left to the next pass.
        if not (_unseen(daemonset) and any(isinstance(write, actions.Create) for write in places)):
            writes += pods.status_written(paths.DAEMONSETS, daemonset, status(observed))
        writes += places
        if not metadata.deleting(daemonset):
            writes += _replacements(observed)
    return writes


def _unseen(daemonset: Object) -> bool:
    return bool((daemonset.get("status") or {}).get("observedGeneration") != daemonset["metadata"].get("generation"))


def _observe(view: actions.View, daemonset: Object) -> _Observed:
    template = daemonset["spec"]["template"]
    by_node: dict[str, list[Object]] = {}
    for pod in metadata.controlled_by(daemonset, view.items(paths.PODS)):
        by_node.setdefault(_node(pod), []).append(pod)
    tolerations = [*(template["spec"].get("tolerations") or []), *_tolerations(template["spec"])]
    wanted = [
        metadata.name(node) for node in view.items(paths.NODES) if placement.fits(template["spec"], node, tolerations)
    ]
    return _Observed(daemonset=daemonset, hash=metadata.template_hash(template), wanted=wanted, pods=by_node)


def _node(pod: Object) -> str:
    """The node of a daemon's pod, bound or not yet: it carries its node as an affinity."""
    if pods.node(pod):
        return pods.node(pod)
    try:
        affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        return str(affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])
    except (LookupError, TypeError):
        return ""


def _tolerations(spec: Object) -> list[Object]:
    names = [*_TOLERATED, *([("NoSchedule", "network-unavailable")] if spec.get("hostNetwork") else [])]
    return [{"effect": effect, "key": f"node.kubernetes.io/{key}", "operator": "Exists"} for effect, key in names]


def _places(observed: _Observed) -> list[actions.Action]:
    writes: list[actions.Action] = []
    for node in observed.wanted:
        there = observed.on(node)
        if not there:
            writes.append(_created(observed, node))
        # A pod that ended is replaced; of two on one node the newer goes.
        alive = sorted(
            (pod for pod in there if pods.active(pod)), key=lambda pod: pod["metadata"].get("creationTimestamp", "")
        )
        surplus = [pod for pod in there if pods.finished(pod) and not metadata.deleting(pod)] + alive[1:]
        writes += [pods.deleted(pod) for pod in surplus]
    for node, there in observed.pods.items():
        if node not in observed.wanted:
            writes += [pods.deleted(pod) for pod in there if not metadata.deleting(pod)]
    return writes


def _created(observed: _Observed, node: str) -> actions.Create:
    daemonset = observed.daemonset
    generation = metadata.annotations_of(daemonset).get(GENERATION_ANNOTATION) or str(
        daemonset["metadata"]["generation"]
    )
    marks = {HASH_LABEL: observed.hash, GENERATION_LABEL: generation}
    made = pods.created(daemonset, daemonset["spec"]["template"], marks)
    spec = made.body["spec"]
    spec["affinity"] = _only(node)
    spec["tolerations"] = [*(spec.get("tolerations") or []), *_tolerations(spec)]
    return made


def _only(node: str) -> Object:
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _replacements(observed: _Observed) -> list[actions.Action]:
    strategy: Object = observed.daemonset["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return []
    allowed = metadata.scaled(
        (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1), len(observed.wanted), up=True
    )
    old = [
        pod for node in observed.wanted for pod in observed.on(node) if pods.active(pod) and not observed.updated(pod)
    ]
    # An old pod that is not available costs nothing to replace.
    broken = [pod for pod in old if not pods.ready(pod)]
    budget = max(0, max(1, allowed) - _unavailable(observed))
    healthy = [pod for pod in old if pods.ready(pod)][:budget]
    return [pods.deleted(pod) for pod in [*broken, *healthy]]


def _available(observed: _Observed, node: str) -> bool:
    return any(pods.ready(pod) and not metadata.deleting(pod) for pod in observed.on(node))


def _unavailable(observed: _Observed) -> int:
    return sum(1 for node in observed.wanted if not _available(observed, node))


def status(observed: _Observed) -> Object:
    """The status as kube-controller-manager writes it; counts of zero are left out where it leaves them out."""
    desired = len(observed.wanted)
    ready = [node for node in observed.wanted if any(pods.ready(pod) for pod in observed.on(node))]
    available = [node for node in ready if _available(observed, node)]
    updated = [node for node in observed.wanted if any(observed.updated(pod) for pod in observed.on(node))]
    counts = {
        "currentNumberScheduled": sum(1 for node in observed.wanted if observed.on(node)),
        "numberMisscheduled": sum(1 for node in observed.pods if node not in observed.wanted),
        "desiredNumberScheduled": desired,
        "numberReady": len(ready),
        "observedGeneration": observed.daemonset["metadata"].get("generation", 0),
        "updatedNumberScheduled": len(updated),
        "numberAvailable": len(available),
        "numberUnavailable": desired - len(available),
    }
    required = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    return metadata.without_zeros(counts, keep=required)
