"""The options of a request: its query parameters, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.lab.apiserver import statuses

Validation = Literal["Strict", "Warn", "Ignore"]


@dataclass(frozen=True, kw_only=True)
class Write:
    """What a create, update or patch asks for besides its object.

    Attributes:
        dry_run: Whether nothing is kept.
        manager: The field manager.
        validation: What becomes of fields that nobody knows.
        force: Whether a server-side apply takes other managers' fields.
    """

    dry_run: bool = False
    manager: str = "unknown"
    validation: Validation = "Warn"
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Delete:
    """What a deletion asks for.

    Attributes:
        dry_run: Whether nothing is deleted.
        grace_s: Seconds that a pod is given; None takes the pod's own.
        propagation: What becomes of what the object owns: ``Foreground``, ``Background``, ``Orphan`` or empty.
        uid: Delete only the object with this uid; empty takes any.
        version: Delete only this resourceVersion; empty takes any.
    """

    dry_run: bool = False
    grace_s: int | None = None
    propagation: str = ""
    uid: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a list or watch asks for.

    Attributes:
        labels: The label selector, as text.
        fields: The field selector, as text.
        limit: The most items of one answer; 0 is all.
        token: Where a continued list goes on.
        version: The resourceVersion to start from; empty is the newest.
        bookmarks: Whether a watch gets bookmarks.
        initial_events: Whether a watch begins with what there is, closed by a bookmark.
        timeout_s: Seconds after which a watch ends; None leaves it to the server.
        match: ``resourceVersionMatch``.
    """

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    version: str = ""
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout_s: int | None = None
    match: str = ""


@dataclass
class Warnings:
    """Sentences that go into the answer's ``Warning`` headers."""

    texts: list[str] = field(default_factory=list)


_VALIDATIONS: tuple[Validation, ...] = ("Ignore", "Strict", "Warn")
_PROPAGATIONS = ("Orphan", "Background", "Foreground")


def truth(text: str) -> bool:
    """A boolean query parameter as apimachinery reads it: everything but ``false`` and ``0`` is true."""
    return text.lower() not in ("", "false", "0")


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number of the query.

    Raises:
        Refusal: It is none (400).
    """
    text = query.get(name, "")
    if not text:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise statuses.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _dry_run(values: list[str], kind: str) -> bool:
    unknown = [value for value in values if value and value != "All"]
    if unknown:
        listed = "[" + ",".join(f'"{value}"' for value in values) + "]"
        cause = statuses.unsupported("dryRun", "", ("All",))
        cause = statuses.Cause(
            field="dryRun", reason=cause.reason, message=f'Unsupported value: {listed}: supported values: "All"'
        )
        raise statuses.invalid_kind("meta.k8s.io", kind, "", [cause])
    return bool([value for value in values if value])


def write(query: Mapping[str, str], dry_runs: list[str], *, kind: str, agent: str) -> Write:
    """The options of a create, update or patch (``kind`` names them in refusals).

    Raises:
        Refusal: One of them has a value that it can't have (422).
    """
    wanted = query.get("fieldValidation", "")
    found: Validation = "Warn"
    for one in _VALIDATIONS:
        found = one if one == wanted else found
    if wanted and wanted not in _VALIDATIONS:
        cause = statuses.unsupported("fieldValidation", wanted, _VALIDATIONS)
        raise statuses.invalid_kind("meta.k8s.io", kind, "", [cause])
    # Without a name, kube-apiserver takes the program's from its User-Agent.
    manager = query.get("fieldManager") or agent.partition("/")[0] or "unknown"
    return Write(
        dry_run=_dry_run(dry_runs, kind),
        manager=manager[:128],
        validation=found,
        force=truth(query.get("force", "")),
    )


def delete(query: Mapping[str, str], dry_runs: list[str], body: Mapping[str, Any]) -> Delete:
    """The options of a deletion, from its query and its ``DeleteOptions``, which win.

    Raises:
        Refusal: One of them has a value that it can't have (400, 422).
    """
    grace = body.get("gracePeriodSeconds", number(query, "gracePeriodSeconds"))
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy", "")
    if propagation and propagation not in _PROPAGATIONS:
        cause = statuses.unsupported("propagationPolicy", propagation, (*_PROPAGATIONS, "nil"))
        raise statuses.invalid_kind("meta.k8s.io", "DeleteOptions", "", [cause])
    orphan = body.get("orphanDependents")
    if orphan is not None and not propagation:
        propagation = "Orphan" if orphan else "Background"
    conditions = body.get("preconditions") or {}
    return Delete(
        dry_run=_dry_run(list(body.get("dryRun") or dry_runs), "DeleteOptions"),
        grace_s=grace,
        propagation=propagation,
        uid=conditions.get("uid", ""),
        version=conditions.get("resourceVersion", ""),
    )


def listing(query: Mapping[str, str]) -> Listing:
    """The options of a list or watch.

    Raises:
        Refusal: One of them is not what it should be (400).
    """
    initial = query.get("sendInitialEvents", "")
    return Listing(
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        limit=number(query, "limit") or 0,
        token=query.get("continue", ""),
        version=query.get("resourceVersion", ""),
        bookmarks=truth(query.get("allowWatchBookmarks", "")),
        initial_events=truth(initial) if initial else None,
        timeout_s=number(query, "timeoutSeconds"),
        match=query.get("resourceVersionMatch", ""),
    )
