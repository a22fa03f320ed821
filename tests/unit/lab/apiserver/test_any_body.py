"""Whatever a client sends, the answer is an object or a refusal."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from harness.lab.apiserver import decoding, options, patching, registry, schema, statuses
from tests.unit.lab.apiserver import cluster

Json = Any

_WORDS = ("", "a", "A b", "None", "Local", "NodePort", "Recreate", "10.96.0.1", "50%", "default")
_BODIES = 60
"""Bodies a kind; each seed is one, so that a failure comes again."""
_CONTENT = (
    "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml",
    "application/json-patch+json",
)  # fmt: skip


def _scalar(dice: random.Random) -> Json:
    return dice.choice((None, True, False, dice.randint(-5, 70000), 0.5, dice.choice(_WORDS)))


def _value(dice: random.Random, kind: str) -> Json:
    """A value of a type of the schema, now and then of another one."""
    if dice.random() < 0.05:
        return dice.choice((_scalar(dice), [], {}, [_scalar(dice)], {"a": _scalar(dice)}))
    if kind[0] == "[":
        return [_value(dice, kind[1:]) for _ in range(dice.randint(0, 2))]
    if kind[0] == "{":
        return {dice.choice(_WORDS): _value(dice, kind[1:]) for _ in range(dice.randint(0, 2))}
    fields = schema.fields_of(kind)
    if fields is not None:
        return _object(dice, fields)
    fitting = {"int": dice.randint(-5, 70000), "bool": dice.random() < 0.5, "str": dice.choice(_WORDS)}
    return fitting.get(kind, _scalar(dice))


def _object(dice: random.Random, fields: schema.Fields) -> Json:
    # Few fields each: the types refer to each other in circles.
    names = dice.sample(sorted(fields), min(len(fields), dice.randint(0, 3)))
    return {name: _value(dice, fields[name]) for name in names if name not in ("kind", "apiVersion")}


_ROWS = [row for row in registry.RESOURCES if "patch" in row.verbs and row.stored_as is None]


@pytest.mark.parametrize("resource", _ROWS, ids=[row.plural for row in _ROWS])
def test_any_body_is_kept_or_refused(resource: registry.Resource) -> None:
    """Creating and patching with values of all shapes raises refusals and nothing else."""
    api = cluster.Cluster()
    namespace = "demo" if resource.namespaced else ""
    for seed in range(_BODIES):
        dice = random.Random(f"{resource.plural} {seed}")
        body = _object(dice, schema.fields_of(resource.schema) or {})
        body["metadata"] = {"name": "n"} if dice.random() < 0.7 else body.get("metadata")
        _send(api, resource, namespace, body)
        for content in _CONTENT:
            patch = _object(dice, schema.fields_of(resource.schema) or {})
            _change(api, resource, namespace, patch, content)


def _send(api: cluster.Cluster, resource: registry.Resource, namespace: str, body: Json) -> None:
    try:
        given = decoding.body_object(json.dumps(body).encode(), decoding.JSON, resource)
        api.api.create(resource, namespace, given, options.Write(), options.Warnings())
    except statuses.Refusal as refusal:
        _check(refusal)


def _change(api: cluster.Cluster, resource: registry.Resource, namespace: str, patch: Json, content: str) -> None:
    try:
        parsed = patching.parsed(json.dumps(patch).encode(), content, resource)
        api.api.patch(resource, namespace, "n", parsed, options.Write(), options.Warnings())
    except statuses.Refusal as refusal:
        _check(refusal)


def _check(refusal: statuses.Refusal) -> None:
    # A list element without its merge key and an applied field of another type are 500 in a real server too.
    known = ("merge key", "failed to create typed patch object")
    assert 400 <= refusal.code < 500 or any(text in refusal.message for text in known), refusal
    assert refusal.status()["message"]
