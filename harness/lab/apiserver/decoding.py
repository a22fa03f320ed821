"""A request's body becomes an object whose fields are known: kube-apiserver's decoding, by the schema.

What Go's decoder does silently is done here too: nulls, empty lists and empty maps of a built-in kind are left out,
as ``omitempty`` leaves them out of what is stored. Objects of custom kinds keep theirs, only nulls go.
"""

from __future__ import annotations

import collections
import copy
import json
import sys
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.lab.apiserver import golang, protobuf, registry, schema, statuses

Object = dict[str, Any]
Json = Any

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
BODY_TYPES = (JSON, YAML, PROTOBUF)


@dataclass
class Findings:
    """What strict decoding finds: fields that nobody knows, fields that are there twice."""

    unknown: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    """The findings in the words of Kubernetes, in their order."""

    def add_unknown(self, path: str) -> None:
        """Nobody knows this field."""
        self.unknown.append(path)
        self.sentences.append(f'unknown field "{path}"')

    def add_duplicates(self, path: str, found: Object) -> None:
        """These of the object's fields were there twice."""
        names = getattr(found, "twice", ())
        self.sentences += [f'duplicate field "{_joined(path, name)}"' for name in names]


class WrongType(Exception):
    """A value has not the type that its field has; the text is encoding/json's sentence.

    Attributes:
        path: Where it is, with list positions.
        value: What it is.
        go_type: What its field is.
        cause: The same as the validation of a CustomResourceDefinition says it.
    """

    def __init__(self, message: str, *, path: str, value: Json, go_type: str) -> None:
        self.path = path
        self.value = value
        self.go_type = go_type
        have, wanted = golang.schema_kind(value), golang.schema_kind_of(go_type)
        detail = f'Invalid value: "{have}": {path} in body must be of type {wanted}: "{have}"'
        self.cause = statuses.Cause(field=path, reason="FieldValueTypeInvalid", message=detail)
        super().__init__(message)


class _Twice(dict[str, Any]):
    """A JSON object that remembers which keys came more than once."""

    twice: tuple[str, ...] = ()


def _pairs(pairs: list[tuple[str, Any]]) -> _Twice:
    found = _Twice(pairs)
    if len(found) != len(pairs):
        counted = collections.Counter(key for key, _ in pairs)
        found.twice = tuple(key for key, times in counted.items() if times > 1)
    return found


def parsed(body: bytes, content_type: str) -> Json:
    """The body as plain values.

    Raises:
        ValueError: It is neither, with the reason as Go's decoders give it.
        Refusal: The content type is one that the server does not read (415).
    """
    if content_type == JSON:
        try:
            return json.loads(body, object_pairs_hook=_pairs)
        except ValueError as error:
            raise ValueError(golang.json_error(error)) from error
    if content_type == PROTOBUF:
        return protobuf.decoded(body)
    try:
        return _with_text_keys(yaml.load(body, Loader=_YAML_LOADER))
    except yaml.YAMLError as error:
        raise ValueError(f"error converting YAML to JSON: yaml: {str(error).splitlines()[0]}") from error


def _with_text_keys(value: Json) -> Json:
    """YAML's keys as JSON has them: all are text."""
    if isinstance(value, dict):
        return {_key(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _key(key: Json) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as Kubernetes reads it: times stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_YAML_LOADER = _Loader


def media_type(header: str) -> str:
    """The media type of a Content-Type header; JSON where there is none.

    Raises:
        Refusal: The server does not read that type (415).
    """
    found = header.partition(";")[0].strip().lower() or JSON
    if found not in BODY_TYPES:
        raise statuses.unsupported_media_type(BODY_TYPES)
    return found


def body_object(body: bytes, content_type: str, resource: registry.Resource) -> Object:
    """The body as an object of that kind, its fields not yet looked at.

    Raises:
        Refusal: It cannot be read, or is of another kind (400), or the server does not read such bodies (415).
    """
    kind = resource.kind
    try:
        found = parsed(body, media_type(content_type))
    except ValueError as error:
        raise statuses.bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
            f"json parse error: {error} ({golang.excerpt(body)})"
        ) from error
    if not isinstance(found, dict):
        raise statuses.bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
            f"json parse error: json: cannot unmarshal {golang.json_kind(found)} into Go value of type "
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
            f" ({golang.excerpt(body)})"
        )
    _check_kind(found, resource)
    return found


def _check_kind(found: Object, resource: registry.Resource) -> None:
    kind, version = found.get("kind"), found.get("apiVersion")
    # Go's decoder takes a kind that is left out from the path.
    kind, version = kind or resource.kind, version or resource.group_version
    found["kind"], found["apiVersion"] = kind, version
    if version != resource.group_version:
        raise statuses.bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.group_version})"
        )
    if kind != resource.kind:
        group = resource.group or "core"
        raise statuses.bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"converting (v1.{kind}) to ({group}.{resource.kind}): unknown conversion"
        )


def typed(found: Object, resource: registry.Resource) -> tuple[Object, Findings]:
    """The object with exactly the fields that its kind has, and what was found on the way.

    Raises:
        WrongType: A value has not the type that its field has.
    """
    findings = Findings()
    walk = _Walk(findings, keep_empty=resource.custom)
    return walk.struct(found, resource.schema, "", resource.kind), findings


def struct(body: bytes, content_type: str, schema_name: str, kind: str) -> Object:
    """The body as an object of a type that is no kind of the registry, such as ``V1DeleteOptions``.

    Raises:
        Refusal: It cannot be read (400), or the server does not read such bodies (415).
    """
    try:
        found = parsed(body, media_type(content_type))
        if not isinstance(found, dict):
            raise ValueError(f"json: cannot unmarshal {golang.json_kind(found)} into Go value of type v1.{kind}")
    except ValueError as error:
        raise statuses.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    return checked(found, schema_name, kind)


def checked(found: Object, schema_name: str, kind: str) -> Object:
    """An object with exactly the fields of a type; what it has more is lost.

    Raises:
        Refusal: A value has not the type that its field has (400).
    """
    try:
        return _Walk(Findings(), keep_empty=False).struct(found, schema_name, "", kind)
    except WrongType as error:
        raise statuses.bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {error}') from error


_SCALARS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "str": (str, "string"),
    "bool": (bool, "bool"),
    "int": (int, "int32"),
    "float": ((int, float), "float64"),
    "datetime": (str, "string"),
    "date": (str, "string"),
    "bytes": (str, "[]uint8"),
}


class _Walk:
    """One pass over one object."""

    def __init__(self, findings: Findings, *, keep_empty: bool) -> None:
        self._findings = findings
        self._keep_empty = keep_empty

    def struct(self, found: Object, type_name: str, path: str, go_name: str) -> Object:
        """An object with fields of its own."""
        fields = schema.fields_of(type_name) or {}
        clean: Object = {}
        for key, value in found.items():
            kind = fields.get(key)
            if kind is None:
                self._findings.add_unknown(_joined(path, key))
                continue
            taken = self._value(value, kind, _joined(path, key), go_name)
            if not self._is_left_out(taken, kind, type_name, key):
                # Field names are the same few hundred everywhere: one copy of each is enough.
                clean[sys.intern(key)] = taken
        self._findings.add_duplicates(path, found)
        return clean

    def _is_left_out(self, value: Json, kind: str, type_name: str, key: str) -> bool:
        if value is None:
            return (type_name, key) not in golang.NULL_IS_SHOWN
        if self._keep_empty and type_name != "V1ObjectMeta":
            return False
        if kind[0] in "[{":
            return not value and (type_name, key) not in golang.EMPTY_IS_SHOWN
        return not isinstance(value, dict) and not value and golang.zero_is_left_out(type_name, key, kind)

    def _value(self, value: Json, kind: str, path: str, go_name: str) -> Json:
        if value is None:
            return None
        if kind == "object":
            return golang.plain(value)
        if kind[0] == "[":
            return self._list(value, kind, path, go_name)
        if kind[0] == "{":
            return self._map(value, kind, path, go_name)
        if kind in _SCALARS:
            return self._scalar(value, kind, path, go_name)
        if not isinstance(value, dict):
            raise _wrong(value, path, go_name, golang.type_name(kind))
        return self.struct(value, kind, path, golang.struct_name(kind))

    def _list(self, value: Json, kind: str, path: str, go_name: str) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong(value, path, go_name, golang.type_name(kind))
        items = (self._value(item, kind[1:], f"{path}[{number}]", go_name) for number, item in enumerate(value))
        # Go reads a null in a list as the zero value of its type.
        empty: Json = {} if schema.fields_of(kind[1:]) is not None else "" if kind[1:] == "str" else None
        return [copy.copy(empty) if item is None else item for item in items]

    def _map(self, value: Json, kind: str, path: str, go_name: str) -> Object:
        if not isinstance(value, dict):
            raise _wrong(value, path, go_name, golang.type_name(kind))
        self._findings.add_duplicates(path, value)
        quantity = golang.is_quantity(path)
        taken = {
            key: str(item) if quantity and isinstance(item, int | float) else self._value(item, kind[1:], path, go_name)
            for key, item in value.items()
        }
        # A null is Go's zero value here: it stays as an empty string.
        return {key: "" if item is None and kind[1:] in ("str", "bytes") else item for key, item in taken.items()}

    def _scalar(self, value: Json, kind: str, path: str, go_name: str) -> Json:
        wanted, name = _SCALARS[kind]
        if kind == "int":
            name = golang.int_name(path)
            if isinstance(value, float) and value.is_integer():
                return int(value)
        wrong = not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool")
        if not wrong:
            return value
        if golang.is_quantity(path):
            return str(value)
        raise _wrong(value, path, go_name, name)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _wrong(value: Json, path: str, go_name: str, go_type: str) -> WrongType:
    # encoding/json leaves list positions out of the path that it names.
    bare = golang.without_positions(path)
    shown = golang.json_kind(value)
    if isinstance(value, float) and go_type.startswith("int"):
        shown = f"number {value}"
    message = f"json: cannot unmarshal {shown} into Go struct field {go_name}.{bare} of type {go_type}"
    return WrongType(message, path=path, value=value, go_type=go_type)
