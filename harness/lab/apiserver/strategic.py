"""Strategic merge patch, as ``kubectl patch`` and client-side ``kubectl apply`` send it. Pure.

The semantics are those of Kubernetes' design document on strategic merge: lists merge by the keys of
``listtypes``, and directives in the patch say what a plain merge can't: ``$patch``, ``$retainKeys``,
``$setElementOrder/FIELD`` and ``$deleteFromPrimitiveList/FIELD``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

from harness.lab.apiserver import listtypes, merging

Object = dict[str, Any]
Json = Any

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def strategic_merge(obj: Object, patch: Json, kind: str) -> Object:
    """An object with a strategic merge patch applied; neither argument is changed.

    Args:
        obj: The object as it is.
        patch: The patch.
        kind: The object's kind, which decides how its lists merge.

    Raises:
        PatchError: The patch is no object (400), a directive has not the form it must have (400), or a list's
            element has no merge key (500, as the real API server answers).
    """
    if not isinstance(patch, dict):
        raise _bad("invalid JSON document")
    return _merge_map(obj, patch, listtypes.of_kind(kind))


def _bad(message: str) -> merging.PatchError:
    return merging.PatchError(400, "BadRequest", message)


def _merge_map(original: Object, patch: Object, kind: listtypes.FieldType) -> Object:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return _merge_map({}, {key: value for key, value in patch.items() if key != _PATCH}, kind)
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise _bad(f"Unknown patch type: {directive} in map: {patch}")
    merged = _retained(original, patch)
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(merged, key, value, kind.child(key))
    for name in _list_directives(patch):
        _merge_directed(merged, patch, name, kind.child(name))
    return merged


def _retained(original: Object, patch: Object) -> Object:
    """A copy of the original with only those fields that ``$retainKeys`` keeps."""
    copied = copy.deepcopy(original)
    if _RETAIN not in patch:
        return copied
    keep = patch[_RETAIN]
    if not isinstance(keep, list):
        raise _bad(f"The {_RETAIN} directive is not in the right format")
    stray = [key for key, value in patch.items() if not key.startswith("$") and value is not None and key not in keep]
    if stray:
        raise _bad(f"The {_RETAIN} directive doesn't contain the fields {stray} of the patch")
    return {key: value for key, value in copied.items() if key in keep}


def _merge_field(merged: Object, key: str, value: Json, kind: listtypes.FieldType) -> None:
    present = merged.get(key)
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict):
        merged[key] = _merge_map(present if isinstance(present, dict) else {}, value, kind)
    elif isinstance(value, list):
        merged[key] = _merge_list(present if isinstance(present, list) else [], value, kind)
    else:
        merged[key] = copy.deepcopy(value)


def _merge_list(original: list[Any], patch: list[Any], kind: listtypes.FieldType) -> list[Any]:
    if not kind.merges:
        return [_clean(item, kind.element) for item in patch if not _is_directive_only(item)]
    if not kind.merge_key:
        merged = list({_itself(item): item for item in [*original, *patch]}.values())
        return _ordered(merged, patch, original, _itself)
    return _merge_elements(original, patch, kind)


def _clean(item: Json, kind: listtypes.FieldType) -> Json:
    return _merge_map({}, item, kind) if isinstance(item, dict) else copy.deepcopy(item)


def _is_directive_only(item: Json) -> bool:
    return isinstance(item, dict) and list(item) == [_PATCH]


def _merge_elements(original: list[Any], patch: list[Any], kind: listtypes.FieldType) -> list[Any]:
    identity = _identity(kind.merge_key)
    merged = [] if any(_replaces_list(item) for item in patch) else copy.deepcopy(original)
    for item in patch:
        if _replaces_list(item):
            continue
        key = identity(item)
        place = next((n for n, present in enumerate(merged) if identity(present) == key), None)
        if item.get(_PATCH) == "delete":
            merged = [present for present in merged if identity(present) != key]
        elif place is None:
            merged.append(_merge_map({}, item, kind.element))
        else:
            merged[place] = _merge_map(merged[place], item, kind.element)
    return _ordered(merged, [item for item in patch if not _replaces_list(item)], original, identity)


def _replaces_list(item: Json) -> bool:
    """Whether an element only says that the patch's list replaces the original one."""
    return _is_directive_only(item) and item[_PATCH] == "replace"


def _identity(merge_key: str) -> Callable[[Any], str]:
    def identity(item: Json) -> str:
        if not isinstance(item, dict):
            raise _bad("invalid JSON document: elements of a merging list must be objects")
        if merge_key not in item:
            raise merging.PatchError(
                500, "InternalError", f"map: {item} does not contain declared merge key: {merge_key}"
            )
        return _itself(item[merge_key])

    return identity


def _itself(item: Json) -> str:
    """A value's identity: as JSON, so that 1 and true differ and whatever a client sends can be compared."""
    return json.dumps(item, sort_keys=True)


def _ordered(
    merged: Sequence[Any],
    patch_order: Sequence[Any],
    live_order: Sequence[Any],
    identity: Callable[[Any], str],
) -> list[Any]:
    """The merged elements: those of the patch in the patch's order, the others in among them.

    An element that only the live list has comes before the first of the patch's that follows it in the live
    list; a new element of the patch comes before the live ones. Recorded: env [A] patched with [B] is [B, A].
    """
    wanted = {identity(item): n for n, item in enumerate(patch_order)}
    live = {identity(item): n for n, item in enumerate(live_order)}
    patched = sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted[identity(item)])
    others = [item for item in merged if identity(item) not in wanted]
    result: list[Any] = []
    for item in patched:
        place = live.get(identity(item), -1)
        while others and live.get(identity(others[0]), place) < place:
            result.append(others.pop(0))
        result.append(item)
    return result + others


def _list_directives(patch: Object) -> list[str]:
    names = [key.removeprefix(prefix) for prefix in (_DELETE, _ORDER) for key in patch if key.startswith(prefix)]
    return list(dict.fromkeys(names))


def _merge_directed(merged: Object, patch: Object, name: str, kind: listtypes.FieldType) -> None:
    """Delete from a list of scalars, then order a list as the patch says."""
    present = merged.get(name)
    if not isinstance(present, list):
        return
    doomed, order = patch.get(_DELETE + name, []), patch.get(_ORDER + name)
    if not isinstance(doomed, list) or not isinstance(order, list | None):
        raise _bad(f"The directives for {name} are not lists")
    present = [item for item in present if item not in doomed]
    if order is not None:
        present = _ordered(present, order, present, _identity(kind.merge_key) if kind.merge_key else _itself)
    merged[name] = present
