"""Kubernetes' binary form of requests."""

from __future__ import annotations

import contextlib
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from harness.lab.apiserver import protobuf, protobuf_fields
from tests.unit.lab.apiserver import json_values

Object = dict[str, Any]

# What kubectl v1.32.4 sent for `kubectl create namespace foo`.
_NAMESPACE = bytes.fromhex(
    "6b3873000a0f0a02763112094e616d657370616365121b0a130a03666f6f12001a0022002a0032003800420012001a020a001a002200"
)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _entry(key: str, value: str) -> bytes:
    return _field(1, key.encode()) + _field(2, value.encode())


def _body(kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + _field(1, _field(1, b"v1") + _field(2, kind.encode())) + _field(2, raw)


def test_a_namespace_is_read_as_kubectl_sends_it() -> None:
    """Bytes captured from kubectl become the object, without what Go writes for empty fields."""
    assert protobuf.decoded(_NAMESPACE) == {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": "foo", "creationTimestamp": None},
        "spec": {},
        "status": {},
    }


def test_every_shape_of_field_is_read() -> None:
    """Lists, maps, pointers, numbers, texts and numbers-or-texts come out as in the JSON form."""
    port = _field(1, b"http") + _field(3, 80) + _field(4, _field(1, 1) + _field(3, b"web")) + _field(5, 30180)
    plain = _field(3, 81) + _field(4, b"")
    spec = _field(1, port) + _field(1, plain) + _field(2, _entry("app", "x")) + _field(18, b"None") + _field(20, 0)
    stamp = _field(8, _field(1, 1795414509))
    assert protobuf.decoded(_body("Service", _field(1, stamp) + _field(2, spec))) == {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"creationTimestamp": "2026-11-23T06:15:09Z"},
        "spec": {
            "ports": [{"name": "http", "port": 80, "targetPort": "web", "nodePort": 30180}, {"port": 81}],
            "selector": {"app": "x"},
            "clusterIPs": ["None"],
            "allocateLoadBalancerNodePorts": False,
        },
    }


def test_bytes_are_base64_and_numbers_may_be_negative() -> None:
    """A secret's data are base64 as in JSON, and a negative number is one."""
    secret = protobuf.decoded(_body("Secret", _field(2, _entry("k", "v"))))
    assert secret["data"] == {"k": "dg=="}
    options = protobuf.decoded(_body("DeleteOptions", _field(1, 0) + _field(4, b"Foreground")))
    assert (options["gracePeriodSeconds"], options["propagationPolicy"]) == (0, "Foreground")
    deployment = protobuf.decoded(_body("Deployment", _field(2, _field(1, -1))))
    assert deployment["spec"] == {"replicas": -1}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{}", "expected prefix"),
        (_body("Lease", b""), "Lease can't be read in binary form"),
        (_body("Namespace", _field(99, 1)), "field 99 of Namespace"),
        (_body("Namespace", _field(1, 1)), "bytes are expected"),
        (_body("Deployment", _field(2, _field(1, b"x"))), "a number is expected"),
        (_NAMESPACE[:-30], "unexpected EOF"),
        (_body("Namespace", b"\x0b"), "illegal wireType 3"),
        (_body("Namespace", b"\xff" * 11), "integer overflow"),
        (_body("Namespace", b"\x80"), "unexpected EOF"),
        (_body("Namespace", _field(1, _field(1, b"\xff"))), "utf-8"),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, why: str) -> None:
    """Nothing is lost in silence: a foreign form, kind or field is an error that names it."""
    with pytest.raises(ValueError, match=why):
        protobuf.decoded(body)


@json_values.PURE
@hypothesis.given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Any bytes are an object or a ValueError, never anything else."""
    with contextlib.suppress(ValueError):
        assert protobuf.decoded(_body("ConfigMap", raw))["kind"] == "ConfigMap"


def test_the_table_names_only_types_that_are_there() -> None:
    """Every type in the table is a scalar or a message of the table."""
    types = {field.type for fields in protobuf_fields.MESSAGES.values() for field in fields.values()}
    assert types <= {"string", "int", "bool", "bytes", *protobuf_fields.MESSAGES}
    assert set(protobuf_fields.KINDS) <= set(protobuf_fields.MESSAGES)
