"""Configurations that are applied: only fields that the kind has, each of its type.

Server-side apply does not go by field validation: who says what it wants must say it in the kind's own fields. The
words are those of structured-merge-diff, which names list elements by their keys.
"""

from __future__ import annotations

import json
import re
from typing import Any

from harness.lab.apiserver import decoding, golang, listtypes, registry, statuses

Object = dict[str, Any]
Json = Any

_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[]+)")


def typed(found: Object, resource: registry.Resource) -> Object:
    """The configuration with exactly its kind's fields.

    Raises:
        Refusal: It has others, or values of other types (500, without a reason, as the real server answers).
    """
    try:
        item, findings = decoding.typed(found, resource)
    except decoding.WrongType as error:
        at = keyed(error.path, found, resource.kind)
        raise _refused(found, resource, f"{at}: {_expected(error)}") from error
    if findings.unknown:
        problems = [f"{keyed(path, found, resource.kind)}: field not declared in schema" for path in findings.unknown]
        one = problems[0] if len(problems) == 1 else "errors:\n" + "\n".join(f"  {text}" for text in problems)
        raise _refused(found, resource, one)
    return item


def _refused(found: Object, resource: registry.Resource, problem: str) -> statuses.Refusal:
    meta = found["metadata"]
    which = f"{meta.get('namespace', '')}/{meta['name']}; {resource.group}/{resource.version}, Kind={resource.kind}"
    return statuses.Refusal(500, "", f"failed to create typed patch object ({which}): {problem}")


def _expected(error: decoding.WrongType) -> str:
    wanted = golang.schema_kind_of(error.go_type)
    if wanted == "string":
        return f"expected string, got &value.valueUnstructured{{Value:{golang.quoted(error.value)}}}"
    if wanted in ("integer", "number"):
        name = {"boolean": "bool", "array": "[]interface {}", "object": "map[string]interface {}"}
        have = golang.schema_kind(error.value)
        return f"expected numeric (int or float), got {name.get(have, have)}"
    word = {"array": "list", "object": "map"}.get(wanted, wanted)
    return f"expected {word}, got &{{{golang.formatted(error.value)}}}"


def keyed(path: str, item: Json, kind: str) -> str:
    """A path whose list positions are replaced by the elements' keys, where the list has keys."""
    at, shown = listtypes.of_kind(kind), ""
    for position, name in _STEP.findall(path):
        if name:
            shown += f".{name}"
            item, at = item.get(name) if isinstance(item, dict) else None, at.child(name)
            continue
        item = item[int(position)] if isinstance(item, list) else None
        keys = at.key_of(item)
        pairs = sorted(zip(at.keys, keys, strict=True)) if keys else []
        shown += (
            "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in pairs) + "]" if pairs else f"[{position}]"
        )
        at = at.element
    return shown
