"""The ``scale`` subresource: one number of a workload in a form that all workloads share."""

from __future__ import annotations

from typing import Any

from harness.lab.apiserver import decoding, statuses

Object = dict[str, Any]


def scale_of(item: Object) -> Object:
    """A workload's ``autoscaling/v1`` Scale."""
    meta = item["metadata"]
    shown = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    status = {"replicas": (item.get("status") or {}).get("replicas", 0), "selector": _selector(item)}
    replicas = item["spec"].get("replicas", 0)
    return {
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": shown,
        "spec": {"replicas": replicas} if replicas else {}, "status": status,
    }  # fmt: skip


def _selector(item: Object) -> str:
    selector = item["spec"].get("selector") or {}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or []:
        values = ",".join(sorted(one.get("values") or []))
        words = {"In": f"{one['key']} in ({values})", "NotIn": f"{one['key']} notin ({values})",
                 "Exists": one["key"], "DoesNotExist": f"!{one['key']}"}  # fmt: skip
        terms.append(words[one["operator"]])
    return ",".join(terms)


def replicas_of(scale: Object, name: str) -> int:
    """The number that a Scale asks for.

    Raises:
        Refusal: It is none (400), or less than zero (422).
    """
    replicas = int(decoding.checked(scale, "V1Scale", "Scale").get("spec", {}).get("replicas", 0))
    if replicas < 0:
        cause = statuses.invalid("spec.replicas", str(replicas), "must be greater than or equal to 0")
        raise statuses.invalid_kind("autoscaling", "Scale", name, [cause])
    return replicas
