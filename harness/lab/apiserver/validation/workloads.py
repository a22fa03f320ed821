"""Rules of Deployments, ReplicaSets and DaemonSets (``pkg/apis/apps/validation``)."""

from __future__ import annotations

import re
from typing import Any

from harness.lab.apiserver import golang, naming, selectors
from harness.lab.apiserver.statuses import Cause, forbidden_field, invalid, required, unsupported
from harness.lab.apiserver.validation import templates

Object = dict[str, Any]
Json = Any

_PERCENT = re.compile(r"^[0-9]+%$")
_PERCENT_RULE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)


def deployment(item: Object) -> list[Cause]:
    """What is wrong with a Deployment."""
    spec = item["spec"]
    causes = templates.not_negative(spec.get("replicas"), "spec.replicas")
    causes += _selector(spec, "deployment", needed=True) + _template(spec)
    causes += _strategy(spec["strategy"])
    for key in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        causes += templates.not_negative(spec.get(key), f"spec.{key}")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        causes.append(invalid("spec.progressDeadlineSeconds", str(deadline), "must be greater than minReadySeconds"))
    return causes


def replica_set(item: Object) -> list[Cause]:
    """What is wrong with a ReplicaSet."""
    spec = item["spec"]
    causes = templates.not_negative(spec.get("replicas"), "spec.replicas")
    causes += templates.not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    return causes + _selector(spec, "replicaset", needed=True) + _template(spec)


def daemon_set(item: Object) -> list[Cause]:
    """What is wrong with a DaemonSet."""
    spec = item["spec"]
    causes = _selector(spec, "daemonset", needed=False) + _template(spec)
    causes += templates.not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    return causes + _update_strategy(spec["updateStrategy"])


def changed_selector(new: Object, old: Object) -> list[Cause]:
    """A workload's selector stays as it is."""
    if new["spec"].get("selector") == old["spec"].get("selector"):
        return []
    return [invalid("spec.selector", golang.quoted(new["spec"].get("selector")), "field is immutable")]


def _selector(spec: Object, what: str, *, needed: bool) -> list[Cause]:
    selector = spec.get("selector")
    if selector is None:
        return [required("spec.selector")] if needed else []
    causes = naming.label_causes(selector.get("matchLabels") or {}, "spec.selector.matchLabels")
    for number, one in enumerate(selector.get("matchExpressions") or []):
        causes += _expression(one, f"spec.selector.matchExpressions[{number}]")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(invalid("spec.selector", golang.quoted(selector), f"empty selector is invalid for {what}"))
    return causes


def _expression(one: Object, field: str) -> list[Cause]:
    operator, values = one.get("operator", ""), one.get("values") or []
    if operator in ("In", "NotIn"):
        return [] if values else [required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")]
    if operator in ("Exists", "DoesNotExist"):
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return [forbidden_field(f"{field}.values", detail)] if values else []
    return [invalid(f"{field}.operator", golang.quoted(operator), "not a valid selector operator")]


def _selects(selector: Object | None, labels: Object) -> bool:
    if selector is None:
        return False
    wanted = [selectors.Requirement(key=key, operator="in", values=(value,))
              for key, value in (selector.get("matchLabels") or {}).items()]  # fmt: skip
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    for one in selector.get("matchExpressions") or []:
        operator = operators.get(one.get("operator", ""), "exists")
        values = tuple(one.get("values") or ())
        wanted.append(selectors.Requirement(key=one.get("key", ""), operator=operator, values=values))
    return all(requirement.matches(labels) for requirement in wanted)


def _template(spec: Object) -> list[Cause]:
    template = spec["template"]
    meta = template.get("metadata") or {}
    labels = meta.get("labels") or {}
    causes = []
    if not _selects(spec.get("selector"), labels):
        shown = golang.quoted(labels or None)
        detail = "`selector` does not match template `labels`"
        causes.append(invalid("spec.template.metadata.labels", shown, detail))
    causes += naming.label_causes(labels, "spec.template.metadata.labels")
    causes += naming.annotation_causes(meta.get("annotations") or {}, "spec.template.metadata.annotations")
    causes += templates.pod_spec(template["spec"], "spec.template.spec")
    policy = template["spec"].get("restartPolicy")
    if policy in ("OnFailure", "Never"):
        causes.append(unsupported("spec.template.spec.restartPolicy", policy, ("Always",)))
    if "activeDeadlineSeconds" in template["spec"]:
        detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
        causes.append(forbidden_field("spec.template.spec.activeDeadlineSeconds", detail))
    return causes


def _strategy(strategy: Object) -> list[Cause]:
    kind = strategy["type"]
    if kind == "Recreate":
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden_field("spec.strategy.rollingUpdate", detail)] if "rollingUpdate" in strategy else []
    if kind != "RollingUpdate":
        return [unsupported("spec.strategy.type", kind, ("Recreate", "RollingUpdate"))]
    rolling = strategy["rollingUpdate"]
    causes = []
    for key in ("maxUnavailable", "maxSurge"):
        causes += _share(rolling[key], f"spec.strategy.rollingUpdate.{key}")
    if not causes and _is_zero(rolling["maxUnavailable"]) and _is_zero(rolling["maxSurge"]):
        shown = golang.quoted(rolling["maxUnavailable"])
        causes.append(invalid("spec.strategy.rollingUpdate.maxUnavailable", shown, "may not be 0 when `maxSurge` is 0"))
    return causes


def _update_strategy(strategy: Object) -> list[Cause]:
    if strategy["type"] == "OnDelete":
        return []
    if strategy["type"] != "RollingUpdate":
        return [unsupported("spec.updateStrategy", strategy["type"], ("OnDelete", "RollingUpdate"))]
    rolling, at = strategy["rollingUpdate"], "spec.updateStrategy.rollingUpdate"
    causes = [
        *_share(rolling["maxUnavailable"], f"{at}.maxUnavailable"),
        *_share(rolling["maxSurge"], f"{at}.maxSurge"),
    ]
    if causes:
        return causes
    unavailable, surge = (not _is_zero(rolling[key]) for key in ("maxUnavailable", "maxSurge"))
    if unavailable and surge:
        shown = golang.quoted(rolling["maxSurge"])
        return [invalid(f"{at}.maxSurge", shown, "may not be set when maxUnavailable is non-zero")]
    if not unavailable and not surge:
        return [required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0")]
    return []


def _share(value: Json, field: str) -> list[Cause]:
    """A number, or a part in percent."""
    if isinstance(value, int):
        return templates.not_negative(value, field)
    if not isinstance(value, str) or not _PERCENT.match(value):
        return [invalid(field, golang.quoted(value), _PERCENT_RULE)]
    return (
        [invalid(field, golang.quoted(value), "must not be greater than 100%")]
        if int(value[:-1]) > 100 and (field.endswith("maxUnavailable"))
        else []
    )


def _is_zero(value: Json) -> bool:
    return str(value).rstrip("%").strip("0") == ""
