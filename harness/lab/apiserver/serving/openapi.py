"""OpenAPI v3, as far as kubectl reads it: which kinds can be patched and validated by the server.

kubectl leaves validation to the server when the PATCH operation of a kind has the parameter ``fieldValidation``. The
documents name no request bodies: kubectl then knows by itself how lists of built-in kinds merge.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from harness.lab.apiserver import golang, registry, schema

Object = dict[str, Any]

_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force", "pretty")
_FORMATS = {"datetime": "date-time", "bytes": "byte", "int": "int32", "float": "double"}
_TYPES = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "datetime": "string",
          "date": "string", "bytes": "string"}  # fmt: skip


OLD_BINARY_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
OLD_BINARY = b"\x0a\x032.0"
"""The document of ``old`` in the binary form that kubectl asks for: its first field, the version."""


def old() -> Object:
    """``/openapi/v2``: a document without definitions.

    kubectl asks for it when the newer ones don't know a kind, or before v1.27 always, and skips its own validation of
    kinds that are not in it: the server's validation is the one that counts.
    """
    return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.36.2"}, "paths": {}, "definitions": {}}


def document_names() -> dict[str, str]:
    """Each document's name and the group that it describes."""
    return {"api/v1": ""} | {f"apis/{name}/v1": name for name in registry.GROUPS}


def index() -> Object:
    """``/openapi/v3``: where the documents are, with a hash that changes when they do."""
    return {
        "paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={_digest(name)}"} for name in document_names()}
    }


def _digest(name: str) -> str:
    return hashlib.sha512(json.dumps(document(name), sort_keys=True).encode()).hexdigest().upper()


def document(name: str) -> Object:
    """The document of one group's version.

    Raises:
        LookupError: There is no such document.
    """
    rows = registry.of_group(document_names()[name])
    paths: Object = {}
    for resource in rows:
        paths |= _paths(f"/{name}", resource)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": paths,
        "components": {"schemas": _schemas(rows)},
    }


def _paths(prefix: str, resource: registry.Resource) -> Object:
    base = prefix + ("/namespaces/{namespace}/" if resource.namespaced else "/") + resource.plural
    collection: Object = {"get": _operation("list", resource), "post": _operation("post", resource)}
    if "get" not in resource.verbs:
        return {base: {"post": collection["post"]}}
    single: Object = {}
    for method, action in (("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete")):
        single[method] = _operation(action, resource)
    return {base: collection, base + "/{name}": single}


def _operation(action: str, resource: registry.Resource) -> Object:
    found: Object = {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _kind(resource),
        "responses": {"200": {"description": "OK"}},
    }
    if action in ("post", "put", "patch"):
        found["parameters"] = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _PARAMETERS]
    return found


def _kind(resource: registry.Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _schemas(rows: tuple[registry.Resource, ...]) -> Object:
    found: Object = {}
    todo = [resource.schema for resource in rows]
    while todo:
        name = todo.pop()
        fields = schema.fields_of(name)
        if _named(name) in found or fields is None:
            continue
        found[_named(name)] = {"type": "object", "properties": {key: _property(kind) for key, kind in fields.items()}}
        todo.extend(kind.lstrip("[{") for kind in fields.values())
    for resource in rows:
        found[_named(resource.schema)]["x-kubernetes-group-version-kind"] = [_kind(resource)]
    return found


def _named(kind: str) -> str:
    """A type's name in a document: kubectl shows what follows the last dot, which is the Go name."""
    return f"{kind}.{golang.struct_name(kind)}"


def _property(kind: str) -> Object:
    if kind[0] == "[":
        return {"type": "array", "items": _property(kind[1:])}
    if kind[0] == "{":
        return {"type": "object", "additionalProperties": _property(kind[1:])}
    if kind == "object":
        return {}
    if kind in _TYPES:
        return {"type": _TYPES[kind]} | ({"format": _FORMATS[kind]} if kind in _FORMATS else {})
    return {"$ref": f"#/components/schemas/{_named(kind)}"}
