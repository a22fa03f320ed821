"""``metadata``: what the server fills in, what an update may not change, what is refused."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from harness.lab.apiserver import golang, naming, registry
from harness.lab.apiserver.statuses import Cause, invalid, required

Object = dict[str, Any]

_LABEL_NAMED = frozenset({"namespaces", "services"})
_SYSTEM_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def timestamp(at: datetime.datetime) -> str:
    """A time as ``metav1.Time`` writes it: RFC 3339, whole seconds, UTC."""
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fill_in(item: Object, resource: registry.Resource, namespace: str, now: datetime.datetime) -> None:
    """Make the metadata of a new object: what the client may not choose is set, the rest is kept."""
    given = item.get("metadata") or {}
    kept = {key: value for key, value in given.items() if key not in (*_SYSTEM_FIELDS, "resourceVersion", "selfLink")}
    name = given.get("name") or (naming.generated(given["generateName"]) if given.get("generateName") else "")
    meta: Object = {"name": name} if name else {}
    if kept.get("generateName"):
        meta["generateName"] = kept["generateName"]
    if resource.namespaced:
        meta["namespace"] = namespace
    meta["uid"] = str(uuid.uuid4())
    if resource.generation:
        meta["generation"] = 1
    meta["creationTimestamp"] = timestamp(now)
    item["metadata"] = meta | {key: value for key, value in kept.items() if key not in meta and key != "namespace"}


def keep_system_fields(new: Object, old: Object) -> None:
    """Give an update the fields that only the server sets, as they were."""
    meta, before = new["metadata"], old["metadata"]
    for key in (*_SYSTEM_FIELDS, "generateName", "namespace", "name"):
        meta.pop(key, None)
        if key in before:
            meta[key] = before[key]


def causes(item: Object, resource: registry.Resource) -> list[Cause]:
    """What is wrong with an object's metadata."""
    meta = item["metadata"]
    found = _name_causes(meta, resource)
    found += naming.label_causes(meta.get("labels") or {}, "metadata.labels")
    found += naming.annotation_causes(meta.get("annotations") or {}, "metadata.annotations")
    for number, owner in enumerate(meta.get("ownerReferences") or []):
        found += _owner_causes(owner, f"metadata.ownerReferences[{number}]")
    for finalizer in meta.get("finalizers") or []:
        found += [
            invalid("metadata.finalizers", golang.quoted(finalizer), text)
            for text in naming.qualified_problems(finalizer)
        ]
    return found


def _name_causes(meta: Object, resource: registry.Resource) -> list[Cause]:
    name = meta.get("name")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    problems = naming.label_problems if resource.plural in _LABEL_NAMED else naming.subdomain_problems
    return [invalid("metadata.name", golang.quoted(name), text) for text in problems(name)]


def _owner_causes(owner: Object, field: str) -> list[Cause]:
    wanted = (("apiVersion", "version must not be empty"), ("kind", "must not be empty"),
              ("name", "must not be empty"), ("uid", "must not be empty"))  # fmt: skip
    return [invalid(f"{field}.{key}", '""', text) for key, text in wanted if not owner.get(key)]
