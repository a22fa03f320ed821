"""Defaults of Deployments, ReplicaSets and DaemonSets."""

from __future__ import annotations

from typing import Any

from harness.lab.apiserver.defaulting import pods

Object = dict[str, Any]

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _template(spec: Object) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    pods.fill_in_spec(template.setdefault("spec", {}))


def deployment(item: Object, _old: Object | None) -> None:
    """A rolling update by a quarter, ten revisions, ten minutes."""
    spec = item.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    item.setdefault("status", {})


def replica_set(item: Object, _old: Object | None) -> None:
    """One replica."""
    spec = item.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)
    item.setdefault("status", {}).setdefault("replicas", 0)


def daemon_set(item: Object, old: Object | None) -> None:
    """A rolling update, one node at a time; the annotation counts the template's changes."""
    spec = item.setdefault("spec", {})
    _template(spec)
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    count = "1" if old is None else (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "1")
    item["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = count
    status = item.setdefault("status", {})
    for key in ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"):
        status.setdefault(key, 0)


def count_template_generation(new: Object, old: Object) -> None:
    """Count the template's change in the annotation that the DaemonSet API keeps for old clients."""
    if new["spec"].get("template") != old["spec"].get("template"):
        annotations = new["metadata"].setdefault("annotations", {})
        annotations[TEMPLATE_GENERATION] = str(int(annotations.get(TEMPLATE_GENERATION, "0")) + 1)
