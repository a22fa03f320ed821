"""Server-side apply, and the record of who owns which field. Pure.

The semantics are those of Kubernetes' page on server-side apply and of structured-merge-diff, on which the API
server stands: who applies a field owns it; who applies another value for a field of somebody else's is told so,
unless forced; what a manager no longer applies and nobody else owns goes away.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from harness.core import errors
from harness.lab.apiserver import fieldsets, listtypes, managers, merging

Object = dict[str, Any]
Json = Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Conflict(errors.ApiError):
    """A manager applied other values for fields that others own.

    Attributes:
        causes: The Status's ``details.causes``, one a field.
    """

    def __init__(self, conflicts: Mapping[managers.Manager, fieldsets.FieldSet]) -> None:
        found = sorted((owner, path) for owner, paths in conflicts.items() for path in paths)
        self.causes = [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {owner.shown()}",
                "field": fieldsets.shown(path),
            }
            for owner, path in found
        ]
        super().__init__(409, "Conflict", _conflict_message(found))


def _conflict_message(found: Sequence[tuple[managers.Manager, fieldsets.Path]]) -> str:
    if len(found) == 1:
        owner, path = found[0]
        return f"Apply failed with 1 conflict: conflict with {owner.shown()}: {fieldsets.shown(path)}"
    lines: list[str] = []
    for owner in dict.fromkeys(owner for owner, _ in found):
        lines.append(f"conflicts with {owner.shown()}:")
        lines += [f"- {fieldsets.shown(path)}" for other, path in found if other == owner]
    return f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)


def apply(
    existing: Object | None,
    applied: Object,
    *,
    manager: str,
    force: bool,
    api_version: str,
    kind: str,
    now: datetime,
    subresource: str = "",
) -> Object:
    """The object that results when a manager applies a configuration; no argument is changed.

    Args:
        existing: The object as it is; None to create it.
        applied: The configuration: what the manager wants, and nothing else.
        manager: The request's ``fieldManager``.
        force: Whether to take over fields that others own.
        api_version: The version that the request is made in, such as ``apps/v1``.
        kind: The object's kind, which decides how its lists merge.
        now: The time of the request.
        subresource: ``status`` or ``scale`` if the request went there.

    Raises:
        Conflict: Others own fields that would change, and ``force`` is not set.
        PatchError: The configuration names owners itself (400).
    """
    if (applied.get("metadata") or {}).get("managedFields"):
        raise merging.PatchError(400, "BadRequest", "metadata.managedFields must be nil")
    types = listtypes.of_kind(kind)
    me = managers.Manager(name=manager, operation="Apply", api_version=api_version, subresource=subresource)
    live, owned = managers.separated(existing or {})
    wanted = _without_nulls(applied)
    mine = fieldsets.of_applied(wanted, types)
    others = {owner: entry for owner, entry in owned.items() if not owner.same(me)}
    previous = frozenset().union(*(entry.fields for owner, entry in owned.items() if owner.same(me)))
    merged = _pruned(_merged(live, wanted, types), previous, mine, others, types)
    changes = fieldsets.compare(live, merged, types)
    if not force:
        _refuse_conflicts(live, changes, me, others, types)
    merged = _with_last_applied(merged, wanted, manager)
    after = managers.handed_over(owned, me, managers.tracked(mine), changes, now)
    return managers.joined(merged, after)


def track_update(
    old: Object | None,
    new: Object,
    *,
    manager: str,
    operation: Literal["Update", "Apply"] = "Update",
    api_version: str,
    now: datetime,
    subresource: str = "",
) -> Object:
    """A written object with its ``managedFields`` brought up to date, for every write but apply.

    Who changes a field comes to own it, and whoever owned it before does so no longer. A write that carries other
    ``managedFields`` than the old object's replaces them, as ``kubectl apply --server-side`` does when it migrates
    from client-side apply; one that carries none keeps the old. What it returns shares its parts with ``new``.

    Args:
        old: The object before; None when it is created.
        new: The object as it is to be stored.
        manager: The request's ``fieldManager``, or what the server made of the client's name.
        operation: ``Update``; the word for the entry.
        api_version: The version that the request is made in.
        now: The time of the request.
        subresource: ``status`` or ``scale`` if the request went there.
    """
    types = listtypes.of_kind(str(new.get("kind", "")))
    me = managers.Manager(name=manager, operation=operation, api_version=api_version, subresource=subresource)
    before, owned_before = managers.separated(old or {})
    after, owned = managers.separated(new)
    if not owned and not managers.resets(new):
        owned = owned_before
    changes = fieldsets.compare(before, after, types)
    previous = frozenset().union(*(entry.fields for owner, entry in owned.items() if owner == me))
    mine = (previous | managers.tracked(changes.written)) - changes.removed
    return managers.joined(after, managers.handed_over(owned, me, mine, changes, now))


def _without_nulls(value: Json) -> Json:
    """A configuration without its nulls: to apply null is not to apply the field."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _merged(live: Json, wanted: Json, kind: listtypes.FieldType) -> Json:
    """The live value with the wanted one laid over it: parts that have owners of their own merge."""
    ours, theirs = fieldsets.children(wanted, kind), fieldsets.children(live, kind)
    if ours is None or theirs is None or type(live) is not type(wanted):
        return copy.deepcopy(wanted)
    parts = {word: copy.deepcopy(item) for word, item, _ in theirs}
    for word, item, item_kind in ours:
        parts[word] = _merged(parts[word], item, item_kind) if word in parts else copy.deepcopy(item)
    if isinstance(wanted, dict):
        return {word.removeprefix("f:"): item for word, item in parts.items()}
    return [parts[word] for word in _order([word for word, *_ in theirs], [word for word, *_ in ours])]


def _order(live: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The wanted elements in their order, and those that only the live list has where they were among them."""
    result: list[str] = []
    queue = list(wanted)
    for word in live:
        if word not in wanted:
            result.append(word)
        while word in queue:
            result.append(queue.pop(0))
    return result + queue


def _pruned(
    merged: Object,
    previous: fieldsets.FieldSet,
    mine: fieldsets.FieldSet,
    others: Mapping[managers.Manager, managers.Entry],
    kind: listtypes.FieldType,
) -> Object:
    """The merged object without what the manager applied before, does not any more, and nobody else owns."""
    kept = fieldsets.with_parents(mine.union(*(entry.fields for entry in others.values())))
    # Nobody owns the metadata as such: the server writes most of it.
    doomed = fieldsets.with_parents(previous) - kept - {("f:metadata",)}
    pruned: Object = fieldsets.without(merged, doomed, kind)
    return pruned


def _refuse_conflicts(
    live: Object,
    changes: fieldsets.Comparison,
    me: managers.Manager,
    others: Mapping[managers.Manager, managers.Entry],
    kind: listtypes.FieldType,
) -> None:
    allowed = _last_applied_fields(live, kind) if me.name == "kubectl" else fieldsets.EMPTY
    found = {owner: (entry.fields & changes.written) - allowed for owner, entry in others.items()}
    conflicts = {owner: fields for owner, fields in found.items() if fields}
    if conflicts:
        raise Conflict(conflicts)


def _last_applied_fields(live: Object, kind: listtypes.FieldType) -> fieldsets.FieldSet:
    """The fields that client-side ``kubectl apply`` set last and that nobody changed since.

    The same person may take them over with server-side apply without force.
    """
    applied = _last_applied(live)
    present = fieldsets.nodes(live, kind)
    fields = fieldsets.nodes(_without_nulls(applied), kind)
    return frozenset(path for path, node in fields.items() if path in present and present[path].value == node.value)


def _last_applied(live: Object) -> Json:
    try:
        return json.loads(_annotations(live).get(LAST_APPLIED, "{}"))
    except ValueError:
        return {}


def _annotations(obj: Object) -> dict[str, str]:
    found: dict[str, str] = (obj.get("metadata") or {}).get("annotations") or {}
    return found


def _with_last_applied(merged: Object, wanted: Object, manager: str) -> Object:
    """The object with client-side apply's annotation brought up to date, where kubectl applies and it is there.

    Otherwise a later client-side apply would compare with a configuration that is no longer the last one.
    """
    if manager != "kubectl" or LAST_APPLIED not in _annotations(merged):
        return merged
    config = copy.deepcopy(wanted)
    _annotations(config).pop(LAST_APPLIED, None)
    text = json.dumps(config, separators=(",", ":")) + "\n"
    return merging.merge_patch(merged, {"metadata": {"annotations": {LAST_APPLIED: text}}})
