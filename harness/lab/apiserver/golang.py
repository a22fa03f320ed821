"""What the words and the stored form of a Go program look like: names of types, zero values, printed values.

kube-apiserver's messages carry Go's own ways of saying things, and what it stores is what Go's JSON encoder leaves of a
struct. The tables below name the fields whose ``omitempty`` differs from the rule, by Kubernetes' published Go types.
"""

from __future__ import annotations

import json
import re
from typing import Any

Json = Any

_INT64 = re.compile(
    r"(generation|observedGeneration|deletionGracePeriodSeconds|terminationGracePeriodSeconds|activeDeadlineSeconds"
    r"|tolerationSeconds|runAsUser|runAsGroup|fsGroup|supplementalGroups|expirationSeconds|revision|remainingItemCount"
    r"|linuxPolicySetupTimeoutSeconds)(\[\d+\])?$"
)
_QUANTITY = re.compile(r"(^|\.)(limits|requests|capacity|allocatable|overhead|sizeLimit|divisor|allocatedResources)$")
_POSITION = re.compile(r"\[\d+\]")

NULL_IS_SHOWN = frozenset({("V1PodCondition", "lastProbeTime"), ("CoreV1Event", "eventTime")})
"""Times without ``omitempty``."""

EMPTY_IS_SHOWN = frozenset({("V1EndpointSlice", "endpoints"), ("V1EndpointSlice", "ports")})
"""Lists without ``omitempty``."""

_EMPTY_STRING_IS_SHOWN = frozenset(
    {
        ("V1HostPathVolumeSource", "type"), ("DiscoveryV1EndpointPort", "name"), ("CoreV1Event", "reportingComponent"),
        ("CoreV1Event", "reportingInstance"), ("V1Condition", "message"), ("V1Condition", "reason"),
        ("V1NodeSystemInfo", "kernelVersion"), ("V1NodeSystemInfo", "kubeProxyVersion"), ("V1NodeSystemInfo", "bootID"),
        ("V1NodeSystemInfo", "machineID"), ("V1NodeSystemInfo", "systemUUID"),
        ("V1ContainerStatus", "imageID"), ("V1ContainerStatus", "image"),
        ("V1Container", "name"), ("V1LocalObjectReference", "name"), ("V1KeyToPath", "path"), ("V1EnvVar", "name"),
    }
)  # fmt: skip
_ZERO_IS_LEFT_OUT = frozenset(
    {
        "nodePort", "hostPort", "minReadySeconds", "hostNetwork", "hostPID", "hostIPC", "stdin", "tty", "stdinOnce",
        "readOnly", "unschedulable", "generation", "observedGeneration", "publishNotReadyAddresses",
        "healthCheckNodePort", "successThreshold", "updatedReplicas", "readyReplicas", "availableReplicas",
        "unavailableReplicas", "fullyLabeledReplicas", "updatedNumberScheduled", "numberAvailable",
        "numberUnavailable", "count", "initialDelaySeconds",
    }
)  # fmt: skip
"""Numbers and booleans that are plain values with ``omitempty`` in Go; every other one is a pointer or always shown."""
_ALWAYS_SHOWN = frozenset({("V1DaemonSetStatus", "observedGeneration")})


def zero_is_left_out(type_name: str, key: str, kind: str) -> bool:
    """Whether a zero in that field is not stored."""
    if kind == "str":
        return (type_name, key) not in _EMPTY_STRING_IS_SHOWN
    return kind in ("int", "bool") and key in _ZERO_IS_LEFT_OUT and (type_name, key) not in _ALWAYS_SHOWN


def struct_name(kind: str) -> str:
    """The Go struct of a type of the schema: ``V1PodSpec`` is ``PodSpec``."""
    return re.sub(r"^(Core|Events|Discovery|Authentication|Storage)?V\d+(?=[A-Z])", "", kind)


def type_name(kind: str) -> str:
    """The Go type of a schema's type: ``[V1Container`` is ``[]v1.Container``."""
    if kind[0] == "[":
        return "[]" + type_name(kind[1:])
    if kind[0] == "{":
        return "map[string]" + type_name(kind[1:])
    simple = {"str": "string", "int": "int32", "bool": "bool", "bytes": "[]uint8", "object": "interface {}"}
    return simple.get(kind) or "v1." + struct_name(kind)


def int_name(path: str) -> str:
    """Which of Go's integers a field is."""
    return "int64" if _INT64.search(path) else "int32"


def is_quantity(path: str) -> bool:
    """Whether the field holds quantities, which may be written as numbers."""
    return bool(_QUANTITY.search(path))


def without_positions(path: str) -> str:
    """A path without its list positions, as encoding/json names fields."""
    return _POSITION.sub("", path)


def json_kind(value: Json) -> str:
    """What encoding/json calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def schema_kind(value: Json) -> str:
    """What OpenAPI calls a value's type."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "integer"
    return {"bool": "boolean"}.get(json_kind(value), json_kind(value))


def schema_kind_of(go_type: str) -> str:
    """What OpenAPI calls a Go type."""
    if go_type.startswith("["):
        return "array"
    simple = {"string": "string", "bool": "boolean", "int32": "integer", "int64": "integer", "float64": "number"}
    return simple.get(go_type, "object")


def plain(value: Json) -> Json:
    """A copy without the subclasses that the parser leaves."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def excerpt(body: bytes) -> str:
    """A body as the decoder's error shows it: whole when short, else its beginning."""
    text = body.decode(errors="replace")
    return text if len(text) <= 1024 else text[:1024] + "..."


def quoted(value: Json) -> str:
    """A value as ``field.Error`` prints it: strings quoted, lists and maps as JSON."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def formatted(value: Json) -> str:
    """A value as ``%+v`` prints a decoded JSON value: ``map[data:map[K:1]]``."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{formatted(item)}" for key, item in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(formatted(item) for item in value) + "]"
    return str(value)


def json_error(error: ValueError) -> str:
    """encoding/json's sentence for a body that Python's decoder refused at the same place."""
    if not isinstance(error, json.JSONDecodeError):
        return "invalid character in string"
    text = error.doc
    at = error.pos + len(text[error.pos :]) - len(text[error.pos :].lstrip()) if error.pos < len(text) else len(text)
    if at >= len(text):
        return "unexpected end of JSON input"
    return f"invalid character {_character(text[at])} {_place(error.msg, text, at)}"


def _character(char: str) -> str:
    return {"'": "'\\''", '"': "'\"'"}.get(char) or f"'{char}'" if char.isprintable() else repr(char)


def _place(message: str, text: str, at: int) -> str:
    if "property name" in message:
        return "looking for beginning of object key string"
    if "':' delimiter" in message:
        return "after object key"
    if "',' delimiter" in message:
        opening = text[:at].rstrip()
        return "after array element" if opening.rfind("[") > opening.rfind("{") else "after object key:value pair"
    return "after top-level value" if "Extra data" in message else "looking for beginning of value"
