"""Kubernetes' binary form of requests, for the kinds that kubectl sends in it. Pure.

Since v1.32 kubectl's ``create SUBCOMMAND`` and ``auth can-i`` send protobuf and can't fall back, so a server for stock
kubectl has to read it; answers stay JSON, which every client takes. The envelope is that of Kubernetes' API concepts
page; field numbers are those of the published ``generated.proto`` files, in ``protobuf_fields``. A field that is not
in the table is refused by name rather than lost.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from harness.lab.apiserver import protobuf_fields

Object = dict[str, Any]
Json = Any

_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def decoded(body: bytes) -> Object:
    """The object in a body, as its JSON form would have it.

    Raises:
        ValueError: It is no protobuf, or of a kind or with a field that is not in the table.
    """
    if not body.startswith(_MAGIC):
        raise ValueError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    envelope = _message(body[len(_MAGIC) :], "Unknown")
    names = envelope.get("typeMeta", {})
    kind = names.get("kind", "")
    if kind not in protobuf_fields.KINDS:
        raise ValueError(f"{kind or 'an object'} can't be read in binary form by this server: send JSON")
    found = _message(base64.b64decode(envelope.get("raw", "")), kind)
    return {"kind": kind, "apiVersion": names.get("apiVersion", ""), **found}


def _message(data: bytes, name: str) -> Object:
    fields = protobuf_fields.MESSAGES[name]
    found: Object = {}
    for number, value in _wire(data):
        field = fields.get(number)
        if field is not None:
            _add(found, field, value)
        elif value:
            # Go writes every field that is no pointer, so an empty one says nothing.
            raise ValueError(f"field {number} of {name} can't be read in binary form by this server: send JSON")
    return found


def _add(found: Object, field: protobuf_fields.Field, value: int | bytes) -> None:
    if field.shape == "map":
        entry = dict(_wire(_expected_bytes(value)))
        key = _text(entry.get(1, b""))
        found.setdefault(field.name, {})[key] = _value(field.type, entry.get(2, b""))
    elif field.shape == "list":
        found.setdefault(field.name, []).append(_value(field.type, value))
    else:
        one = _value(field.type, value)
        # An empty value of a field that is no pointer is what the JSON form leaves out; an empty structure stays.
        if one or field.shape == "pointer" or isinstance(one, dict):
            found[field.name] = one


def _value(kind: str, value: int | bytes) -> Json:
    if kind == "int":
        return _signed(_expected_int(value))
    if kind == "bool":
        return bool(_expected_int(value))
    data = _expected_bytes(value)
    if kind == "string":
        return _text(data)
    if kind == "bytes":
        return base64.b64encode(data).decode()
    return _SPECIAL[kind](_message(data, kind)) if kind in _SPECIAL else _message(data, kind)


def _time(parts: Object) -> str | None:
    seconds = parts.get("seconds")
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _int_or_string(parts: Object) -> int | str:
    value: int | str = parts.get("strVal", "") if parts.get("type") else parts.get("intVal", 0)
    return value


def _quantity(parts: Object) -> str:
    return str(parts.get("string", ""))


_SPECIAL = {"Time": _time, "IntOrString": _int_or_string, "Quantity": _quantity}


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _expected_int(value: int | bytes) -> int:
    if isinstance(value, int):
        return value
    raise ValueError("proto: wrong wireType: a number is expected")


def _expected_bytes(value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ValueError("proto: wrong wireType: bytes are expected")


def _text(value: int | bytes) -> str:
    return _expected_bytes(value).decode()


def _wire(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: numbers with what was sent, in order."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, sort = key >> 3, key & 7
        if sort == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        size, place = _varint(data, place) if sort == _BYTES else (_size(sort), place)
        if place + size > len(data):
            raise ValueError("unexpected EOF")
        yield number, data[place : place + size]
        place += size


def _size(sort: int) -> int:
    sizes = {_FIXED64: 8, _FIXED32: 4}
    if sort not in sizes:
        raise ValueError(f"proto: illegal wireType {sort}")
    return sizes[sort]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("unexpected EOF")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("proto: integer overflow")
