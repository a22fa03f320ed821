"""What every controller reads from and writes into objects: owners, labels, conditions, template hashes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from harness.lab.controllers import merging

Object = dict[str, Any]

_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def uid(item: Object) -> str:
    """The object's uid."""
    return str(item["metadata"].get("uid", ""))


def name(item: Object) -> str:
    """The object's name."""
    return str(item["metadata"]["name"])


def namespace(item: Object) -> str:
    """The object's namespace, empty for one of the cluster."""
    return str(item["metadata"].get("namespace", ""))


def labels(item: Object) -> dict[str, str]:
    """The object's labels."""
    return dict(item["metadata"].get("labels") or {})


def annotations_of(item: Object) -> dict[str, str]:
    """The object's annotations."""
    return dict(item["metadata"].get("annotations") or {})


def deleting(item: Object) -> bool:
    """Whether the object has been asked to go."""
    return bool(item["metadata"].get("deletionTimestamp"))


def controller_reference(owner: Object) -> Object:
    """The ownerReference by which ``owner`` controls what it makes."""
    return {
        "apiVersion": owner["apiVersion"],
        "blockOwnerDeletion": True,
        "controller": True,
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
    }


def controlled_by(owner: Object, items: Iterable[Object]) -> list[Object]:
    """Those of the items whose controller is that owner."""
    return [item for item in items if _controller_uid(item) == uid(owner)]


def _controller_uid(item: Object) -> str:
    for reference in item["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference.get("uid", ""))
    return ""


def matches(selector: Object | None, values: Mapping[str, str]) -> bool:
    """Whether labels satisfy a LabelSelector; an empty or absent one selects nothing here, as workloads mean it."""
    if not selector:
        return False
    wanted: Object = selector.get("matchLabels") or {}
    if any(values.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(item, values) for item in selector.get("matchExpressions") or ())


def _expression(item: Object, values: Mapping[str, str]) -> bool:
    return operator_holds(item["operator"], values.get(item["key"]), item.get("values") or [])


def operator_holds(operator: str, value: str | None, wanted: list[str]) -> bool:
    """Whether a label's value (None: not there) satisfies an operator of a selector or of a node's affinity."""
    match operator:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _number(value) > _number(wanted[0])
        case "Lt":
            return value is not None and _number(value) < _number(wanted[0])
    return False


def _number(value: str | None) -> float:
    return float(value) if value is not None and value.lstrip("-").isdigit() else float("-inf")


def template_hash(template: Object) -> str:
    """A hash of a pod template in the alphabet of Kubernetes' own: ten digits without vowels, 0, 1 and 3.

    It is FNV-1a as Kubernetes' is, but over the template's JSON rather than over Go's in-memory form, so the values
    are the lab's own.
    """
    value = 0x811C9DC5
    for octet in json.dumps(template, sort_keys=True).encode():
        value = ((value ^ octet) * 0x01000193) & 0xFFFFFFFF
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(value))


def condition(item: Object, kind: str) -> Object | None:
    """The status condition of that type, or None."""
    for entry in (item.get("status") or {}).get("conditions") or ():
        if entry["type"] == kind:
            found: Object = entry
            return found
    return None


def is_true(item: Object, kind: str) -> bool:
    """Whether the status condition of that type is True."""
    found = condition(item, kind)
    return found is not None and found["status"] == "True"


def status_patch(item: Object, desired: Object) -> Object | None:
    """The merge patch that makes an object's status exactly ``desired``; None if it is so already."""
    changes = merging.difference(item.get("status") or {}, desired)
    return {"status": changes} if changes else None


def without_zeros(status: Object, *, keep: Iterable[str] = ()) -> Object:
    """A status as Go writes one: counts that are zero are left out, but for those in ``keep``."""
    kept = set(keep)
    return {key: value for key, value in status.items() if value not in (0, None) or key in kept}


def scaled(value: object, total: int, *, up: bool) -> int:
    """An IntOrString such as ``1`` or ``"25%"`` of a total, rounded up or down."""
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    share = int(text[:-1]) * total
    return -(-share // 100) if up else share // 100
