"""The scheduler: binds pods that have no node yet.

Of the nodes that a pod may run on it takes the one with the fewest pods of the pod's own owner, then the fewest pods
at all (host-network pods aside, which every node has alike), then the first in the order of the nodes. Kubernetes
scores differently, but spreads alike: two replicas land on two workers.
"""

from __future__ import annotations

from typing import Any

from harness.lab.controllers import actions, metadata, paths, placement, pods

Object = dict[str, Any]


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Bind every pod that can be bound, in the order in which the pods were made; say so of the others."""
    everything = view.items(paths.PODS)
    nodes = sorted(view.items(paths.NODES), key=_order)
    placed = [pod for pod in everything if pods.node(pod) and not pods.finished(pod)]
    writes: list[actions.Action] = []
    for pod in sorted(filter(_waiting, everything), key=_age):
        chosen = choose(pod, nodes, placed)
        if chosen is None:
            writes += _unschedulable(pod, nodes, now)
            continue
        writes.append(_binding(pod, chosen))
        placed.append({**pod, "spec": {**pod["spec"], "nodeName": chosen}})
    return writes


def choose(pod: Object, nodes: list[Object], placed: list[Object]) -> str | None:
    """The best node for a pod, or None if none will do.

    Args:
        pod: The pod.
        nodes: All nodes, in order of preference among equals.
        placed: The pods that have a node.
    """
    fitting = [metadata.name(node) for node in nodes if placement.fits(pod["spec"], node)]
    if not fitting:
        return None
    return min(fitting, key=lambda node: _load(pod, node, placed))


def _load(pod: Object, node: str, placed: list[Object]) -> tuple[int, int]:
    there = [other for other in placed if pods.node(other) == node and not metadata.deleting(other)]
    siblings = sum(1 for other in there if _owner(other) == _owner(pod) != "")
    return siblings, sum(1 for other in there if not other["spec"].get("hostNetwork"))


def _owner(pod: Object) -> str:
    references = pod["metadata"].get("ownerReferences") or [{}]
    return str(references[0].get("uid", ""))


def _waiting(pod: Object) -> bool:
    ours = pod["spec"].get("schedulerName", "default-scheduler") == "default-scheduler"
    return ours and not pods.node(pod) and pods.active(pod)


def _age(item: Object) -> tuple[str, str, str]:
    meta = item["metadata"]
    # Creation times are whole seconds; resourceVersions would change with every status.
    return str(meta.get("creationTimestamp", "")), metadata.namespace(item), metadata.name(item)


def _order(node: Object) -> tuple[int, str]:
    # Names of kind's workers count up, so the shorter name is the lower number.
    return len(metadata.name(node)), metadata.name(node)


def _binding(pod: Object, node: str) -> actions.Create:
    name, namespace = metadata.name(pod), metadata.namespace(pod)
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, "namespace": namespace, "uid": metadata.uid(pod)},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }
    return actions.Create(path=paths.PODS, name=name, namespace=namespace, subresource="binding", body=body)


def unschedulable_message(pod: Object, nodes: list[Object]) -> str:
    """Why a pod can't be placed, in the real scheduler's words."""
    if not nodes:
        return "no nodes available to schedule pods"
    unwanted = sum(1 for node in nodes if not placement.wanted(pod["spec"], node))
    counts = {
        "node(s) had untolerated taint(s)": len(nodes) - unwanted,
        "node(s) didn't match Pod's node affinity/selector": unwanted,
    }
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items() if count))
    none = f"0/{len(nodes)} nodes are available: "
    helpless = f"{len(nodes)} Preemption is not helpful for scheduling."
    return f"{none}{reasons}. no new claims to deallocate, preemption: {none}{helpless}"


def _unschedulable(pod: Object, nodes: list[Object], now: str) -> list[actions.Action]:
    message = unschedulable_message(pod, nodes)
    known = metadata.condition(pod, "PodScheduled")
    if known is not None and known.get("message") == message:
        return []
    entry = {
        "type": "PodScheduled",
        "observedGeneration": pod["metadata"].get("generation", 1),
        "status": "False",
        "lastProbeTime": None,
        "lastTransitionTime": now,
        "reason": "Unschedulable",
        "message": message,
    }
    others = [item for item in (pod.get("status") or {}).get("conditions") or [] if item["type"] != "PodScheduled"]
    patch = {"status": {"conditions": [*others, entry]}}
    name, namespace = metadata.name(pod), metadata.namespace(pod)
    return [actions.Patch(path=paths.PODS, name=name, namespace=namespace, subresource="status", body=patch)]
