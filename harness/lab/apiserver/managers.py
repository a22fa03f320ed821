"""The entries of ``metadata.managedFields``: which manager owns which fields. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.lab.apiserver import fieldsets

Object = dict[str, Any]
Owned = dict["Manager", "Entry"]

_UNTRACKED = frozenset(
    ("f:metadata", f"f:{name}")
    for name in (
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
    )
) | frozenset([("f:apiVersion",), ("f:kind",), ("f:metadata",)])


@dataclass(frozen=True, kw_only=True, order=True)
class Manager:
    """Who wrote: one manager by one kind of operation on one (sub)resource in one version.

    Attributes:
        name: The ``fieldManager``.
        operation: ``Apply`` or ``Update``.
        api_version: The version that it wrote in.
        subresource: Where it wrote; empty for the object itself.
    """

    name: str
    operation: str
    api_version: str
    subresource: str

    def same(self, other: Manager) -> bool:
        """Whether two are one owner: one who applies is the same in every version."""
        if self.operation == other.operation == "Apply":
            return (self.name, self.subresource) == (other.name, other.subresource)
        return self == other

    def shown(self) -> str:
        """The manager in the words of a conflict's message."""
        text = f'"{self.name}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one manager owns.

    Attributes:
        fields: The fields.
        time: When they last changed (RFC 3339).
        written: The entry as the object has it; None for one that is new or has changed.
    """

    fields: fieldsets.FieldSet
    time: str
    written: Object | None = None


def tracked(fields: fieldsets.FieldSet) -> fieldsets.FieldSet:
    """The fields without those that nobody owns, such as the name."""
    return fields - _UNTRACKED


def separated(obj: Object) -> tuple[Object, Owned]:
    """An object without its ``managedFields``, and these parsed."""
    meta = obj.get("metadata") or {}
    bare = {key: value for key, value in meta.items() if key != "managedFields"}
    owned = dict(_parsed(item) for item in meta.get("managedFields") or [] if isinstance(item, dict) and item)
    return ({**obj, "metadata": bare} if "metadata" in obj else obj), owned


def resets(obj: Object) -> bool:
    """Whether an object asks to forget all owners: by a list of one empty entry, as Kubernetes documents."""
    return (obj.get("metadata") or {}).get("managedFields") == [{}]


def _parsed(item: Object) -> tuple[Manager, Entry]:
    manager = Manager(
        name=str(item.get("manager", "")),
        operation=str(item.get("operation", "")),
        api_version=str(item.get("apiVersion", "")),
        subresource=str(item.get("subresource", "")),
    )
    fields = item.get("fieldsV1")
    owned = fieldsets.from_fields(fields if isinstance(fields, dict) else {})
    return manager, Entry(fields=owned, time=str(item.get("time", "")), written=item)


def handed_over(
    owned: Mapping[Manager, Entry],
    me: Manager,
    mine: fieldsets.FieldSet,
    changes: fieldsets.Comparison,
    now: datetime,
) -> Owned:
    """The owners after a write: what it changed is the writer's, what it removed is nobody's."""
    lost = changes.written | changes.removed
    after = {owner: _without(entry, lost) for owner, entry in owned.items() if not owner.same(me)}
    before = owned.get(me)
    if before is None or before.fields != mine:
        after[me] = Entry(fields=mine, time=_text(now))
    else:
        after[me] = before if not lost else _renewed(before, _text(now))
    return {owner: entry for owner, entry in after.items() if entry.fields or (owner == me and me.operation == "Apply")}


def _renewed(entry: Entry, time: str) -> Entry:
    """The same fields at another time: their written form can stay."""
    return Entry(fields=entry.fields, time=time, written={**(entry.written or {}), "time": time})


def _without(entry: Entry, lost: fieldsets.FieldSet) -> Entry:
    if entry.fields.isdisjoint(lost):
        return entry
    return Entry(fields=entry.fields - lost, time=entry.time)


def joined(bare: Object, owned: Mapping[Manager, Entry]) -> Object:
    """An object with its ``managedFields``: appliers first, then by time and name."""
    order = sorted(owned.items(), key=lambda item: (item[0].operation, item[1].time, item[0]))
    if not order:
        return bare
    return {**bare, "metadata": {**bare.get("metadata", {}), "managedFields": [_written(*item) for item in order]}}


def _written(manager: Manager, entry: Entry) -> Object:
    if entry.written is not None:
        return entry.written
    written: Object = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldsets.to_fields(entry.fields),
    }
    return written | ({"subresource": manager.subresource} if manager.subresource else {})


def _text(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
