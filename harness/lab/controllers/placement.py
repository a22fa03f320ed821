"""Which nodes a pod may run on: selectors, affinity, taints. Pure; shared by the scheduler and DaemonSets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.lab.controllers import metadata

Object = dict[str, Any]

REPELLING = ("NoSchedule", "NoExecute")


def fits(spec: Object, node: Object, tolerations: Sequence[Object] | None = None) -> bool:
    """Whether a pod's spec allows a node, by nodeName, nodeSelector, required affinity and taints.

    Args:
        spec: The pod's spec.
        node: The node.
        tolerations: Used in place of the spec's own where a DaemonSet adds some.
    """
    tolerated = spec.get("tolerations") or [] if tolerations is None else tolerations
    return wanted(spec, node) and not repelled(tolerated, node)


def wanted(spec: Object, node: Object) -> bool:
    """Whether the pod's own choice allows the node, taints aside."""
    if spec.get("nodeName") and spec["nodeName"] != metadata.name(node):
        return False
    values = metadata.labels(node)
    selector: Object = spec.get("nodeSelector") or {}
    if any(values.get(key) != value for key, value in selector.items()):
        return False
    return _affinity(spec, node)


def _affinity(spec: Object, node: Object) -> bool:
    node_affinity: Object = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    # Terms are alternatives; an empty term matches nothing.
    return any(_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def _term(term: Object, node: Object) -> bool:
    expressions: list[Object] = term.get("matchExpressions") or []
    fields: list[Object] = term.get("matchFields") or []
    if not expressions and not fields:
        return False
    values = metadata.labels(node)
    by_field = {"metadata.name": metadata.name(node)}
    return all(_holds(item, values) for item in expressions) and all(_holds(item, by_field) for item in fields)


def _holds(item: Object, values: dict[str, str]) -> bool:
    return metadata.operator_holds(item["operator"], values.get(item["key"]), item.get("values") or [])


def repelled(tolerations: Sequence[Object], node: Object) -> bool:
    """Whether a taint of the node keeps a pod with these tolerations away."""
    taints = [taint for taint in _taints(node) if taint.get("effect") in REPELLING]
    return any(not any(tolerates(item, taint) for item in tolerations) for taint in taints)


def _taints(node: Object) -> list[Object]:
    spec: Object = node.get("spec") or {}
    taints = list(spec.get("taints") or [])
    if spec.get("unschedulable"):
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    return taints


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether one toleration covers one taint; an empty key with Exists covers every key, an empty effect all."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return not toleration.get("key") or toleration["key"] == taint.get("key")
    return toleration.get("key") == taint.get("key") and toleration.get("value", "") == taint.get("value", "")
