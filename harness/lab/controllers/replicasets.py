"""ReplicaSets: as many pods of one template as asked for."""

from __future__ import annotations

from typing import Any

from harness.lab.controllers import actions, metadata, paths, pods

Object = dict[str, Any]


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Create or delete pods of every ReplicaSet, then say how many there are."""
    del now
    writes: list[actions.Action] = []
    everything = view.items(paths.PODS)
    for replicaset in view.items(paths.REPLICASETS):
        owned = metadata.controlled_by(replicaset, everything)
        if not metadata.deleting(replicaset):
            writes += _scaled(replicaset, [pod for pod in owned if pods.active(pod)])
        writes += pods.status_written(paths.REPLICASETS, replicaset, status(replicaset, owned))
    return writes


def _scaled(replicaset: Object, alive: list[Object]) -> list[actions.Action]:
    missing = replicaset["spec"].get("replicas", 1) - len(alive)
    if missing >= 0:
        return [pods.created(replicaset, replicaset["spec"]["template"], {}) for _ in range(missing)]
    return [pods.deleted(pod) for pod in sorted(alive, key=_expendability)[:-missing]]


def _expendability(pod: Object) -> tuple[bool, bool, bool, str]:
    """First to go: without a node, not running, not ready, newest. Kubernetes' order in essence."""
    running = (pod.get("status") or {}).get("phase") == "Running"
    newest_first = "".join(chr(0x10FFFF - ord(letter)) for letter in pod["metadata"].get("creationTimestamp", ""))
    return bool(pods.node(pod)), running, pods.ready(pod), newest_first


def status(replicaset: Object, owned: list[Object]) -> Object:
    """The status as kube-controller-manager writes it."""
    alive = [pod for pod in owned if pods.active(pod)]
    wanted: Object = replicaset["spec"]["template"]["metadata"].get("labels") or {}
    ready = sum(1 for pod in alive if pods.ready(pod))
    counts = {
        "replicas": len(alive),
        "fullyLabeledReplicas": sum(1 for pod in alive if wanted.items() <= metadata.labels(pod).items()),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "terminatingReplicas": sum(1 for pod in owned if metadata.deleting(pod) and not pods.finished(pod)),
        "observedGeneration": replicaset["metadata"].get("generation", 0),
    }
    return metadata.without_zeros(counts, keep=("replicas", "terminatingReplicas"))
