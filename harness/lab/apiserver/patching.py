"""Patches: which kinds of patch there are, what they make of an object, and whose fields the result has."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from harness.core import errors
from harness.lab.apiserver import (
    applying,
    decoding,
    golang,
    jsonpatching,
    merging,
    options,
    registry,
    statuses,
    strategic,
)

Object = dict[str, Any]
PatchKind = Literal["merge", "strategic", "json", "apply"]

_KINDS: dict[str, PatchKind] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A patch as it came.

    Attributes:
        kind: Which of the four it is.
        value: Its content, parsed.
    """

    kind: PatchKind
    value: Any

    def applied_to(self, old: Object, resource: registry.Resource) -> Object:
        """What it makes of an object.

        Raises:
            Refusal: It does not fit.
        """
        with _refusals():
            if self.kind == "json":
                return jsonpatching.json_patch(old, self.value)
            if self.kind == "strategic":
                return strategic.strategic_merge(old, self.value, resource.kind)
            return merging.merge_patch(old, self.value)

    def checked_for_apply(self, resource: registry.Resource, namespace: str, name: str) -> Object:
        """The configuration of a server-side apply, if it names the object that the path names.

        Raises:
            Refusal: It does not (400).
        """
        found = self.value
        if not isinstance(found, dict) or not isinstance(found.get("metadata") or {}, dict):
            raise statuses.bad_request("error decoding YAML: a configuration is a mapping, and so is its metadata")
        version, kind = found.get("apiVersion", ""), found.get("kind", "")
        if not kind or not version:
            what = "kind" if not kind else "apiVersion"
            raise statuses.bad_request(f"invalid object type: /, Kind=: {what} must be set")
        if (version, kind) != (resource.group_version, resource.kind):
            raise statuses.bad_request(
                f"invalid object type: {_gvk(version, kind)}: expected {_gvk(resource.group_version, resource.kind)}"
            )
        meta = found.get("metadata") or {}
        if meta.get("name", name) != name:
            raise statuses.bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
            )
        if meta.get("namespace", namespace) != namespace:
            raise statuses.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        return {**found, "metadata": {**meta, "name": name, **({"namespace": namespace} if namespace else {})}}


def _gvk(version: str, kind: str) -> str:
    return f"{version}, Kind={kind}" if "/" in version else f"/{version}, Kind={kind}"


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the pure patch functions raise into refusals."""
    try:
        yield
    except applying.Conflict as error:
        raise statuses.Refusal(error.code, error.reason, error.message, {"causes": error.causes}) from error
    except errors.ApiError as error:
        details: Object | None = {} if error.code == 422 else None
        raise statuses.Refusal(error.code, error.reason, error.message, details) from error


def parsed(body: bytes, content_type: str, resource: registry.Resource) -> Patch:
    """A patch from a request's body.

    Raises:
        Refusal: The server does not know such patches (415), or the body is none (400).
    """
    kind = _KINDS.get(content_type.partition(";")[0].strip().lower())
    if kind is None:
        raise statuses.unsupported_patch_type()
    if kind == "strategic" and resource.custom:
        # Custom kinds have no list types that a strategic merge could go by.
        raise statuses.unsupported_media_type([name for name, one in _KINDS.items() if one != "strategic"])
    try:
        value = decoding.parsed(body, decoding.YAML if kind == "apply" else decoding.JSON)
    except ValueError as error:
        prefix = "error decoding YAML" if kind == "apply" else "error decoding patch"
        raise statuses.bad_request(f"{prefix}: {error}") from error
    return Patch(kind=kind, value=value)


def decoded(
    raw: Object, patch: Patch, resource: registry.Resource, wanted: options.Write, warnings: options.Warnings
) -> Object:
    """A patch's result with exactly its kind's fields.

    Raises:
        Refusal: A field has the wrong type or (Strict) is not known (422, with the patch in its text).
    """
    try:
        item, findings = decoding.typed(raw, resource)
    except decoding.WrongType as error:
        if resource.custom:
            meta = raw.get("metadata")
            name = meta.get("name", "") if isinstance(meta, dict) else ""
            raise statuses.invalid_object(resource, str(name), [error.cause]) from error
        raise _refused(raw, patch, str(error)) from error
    sentences = findings.sentences
    if sentences and wanted.validation == "Strict":
        raise _refused(raw, patch, "strict decoding error: " + ", ".join(sentences))
    if wanted.validation == "Warn":
        warnings.texts += sentences
    return item


def _refused(raw: Object, patch: Patch, why: str) -> statuses.Refusal:
    text = golang.formatted(patch.value) if patch.kind == "strategic" else golang.quoted(raw)
    return statuses.invalid_kind("", "", "", [statuses.invalid("patch", json.dumps(text, ensure_ascii=False), why)])


def check_manager(query_manager: str) -> None:
    """A server-side apply says who applies.

    Raises:
        Refusal: It does not (422).
    """
    if not query_manager:
        cause = statuses.required("fieldManager", "is required for apply patch")
        raise statuses.invalid_kind("meta.k8s.io", "PatchOptions", "", [cause])


def applied(
    existing: Object | None,
    given: Object,
    resource: registry.Resource,
    wanted: options.Write,
    now: datetime.datetime,
    subresource: str,
) -> Object:
    """What a server-side apply makes of an object, its managers settled.

    Raises:
        Refusal: Others own fields that would change (409).
    """
    with _refusals():
        return applying.apply(
            existing,
            given,
            manager=wanted.manager,
            force=wanted.force,
            api_version=resource.group_version,
            kind=resource.kind,
            now=now,
            subresource=subresource,
        )


def tracked(
    old: Object | None,
    new: Object,
    resource: registry.Resource,
    wanted: options.Write,
    now: datetime.datetime,
    subresource: str,
) -> Object:
    """A written object with its managers brought up to date."""
    with _refusals():
        return applying.track_update(
            old,
            new,
            manager=wanted.manager,
            api_version=resource.group_version,
            now=now,
            subresource=subresource,
        )
