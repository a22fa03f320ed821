"""Rules of pod specs, in pods and in templates (Kubernetes' ``pkg/apis/core/validation`` has them in Go)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from harness.lab.apiserver import golang, naming
from harness.lab.apiserver.statuses import (
    Cause,
    duplicate,
    forbidden_field,
    invalid,
    not_found_field,
    required,
    unsupported,
)

Object = dict[str, Any]
Json = Any

PROTOCOLS = ("SCTP", "TCP", "UDP")
PORT_RANGE = "must be between 1 and 65535, inclusive"
NOT_NEGATIVE = "must be greater than or equal to 0"
_ENV_NAME = re.compile(r"^[^=\x00-\x1f\x7f]+$")
_CHOICES = (
    ("restartPolicy", ("Always", "OnFailure", "Never")),
    ("dnsPolicy", ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")),
)
_PULL = ("Always", "IfNotPresent", "Never")
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")


def not_negative(value: Json, field: str) -> list[Cause]:
    """The number may not be less than zero; a field that is left out may."""
    return [invalid(field, str(value), NOT_NEGATIVE)] if isinstance(value, int) and value < 0 else []


def port_name_problems(name: str) -> list[str]:
    """What keeps a name from being a port's (RFC 6335 section 5.1, in apimachinery's words)."""
    found = []
    if len(name) > 15:
        found.append("must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", name):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        found.append("must contain at least one letter (a-z)")
    if "--" in name:
        found.append("must not contain consecutive hyphens")
    if name[:1] == "-" or name[-1:] == "-":
        found.append("must not begin or end with a hyphen")
    return found


def pod_spec(spec: Object, field: str) -> list[Cause]:
    """What is wrong with a pod's spec."""
    causes, volumes = _volumes(spec.get("volumes") or [], f"{field}.volumes")
    if not spec.get("containers"):
        causes.append(required(f"{field}.containers"))
    seen: set[str] = set()
    for key in ("containers", "initContainers"):
        for number, container in enumerate(spec.get(key) or []):
            causes += _container(container, f"{field}.{key}[{number}]", volumes, seen)
    for key, allowed in _CHOICES:
        if spec.get(key) not in allowed:
            causes.append(unsupported(f"{field}.{key}", str(spec.get(key, "")), allowed))
    causes += not_negative(spec.get("terminationGracePeriodSeconds"), f"{field}.terminationGracePeriodSeconds")
    causes += naming.label_causes(spec.get("nodeSelector") or {}, f"{field}.nodeSelector")
    if spec.get("serviceAccountName"):
        causes += _named(spec["serviceAccountName"], f"{field}.serviceAccountName", naming.subdomain_problems)
    if spec.get("nodeName"):
        causes += _named(spec["nodeName"], f"{field}.nodeName", naming.subdomain_problems)
    return causes + _tolerations(spec.get("tolerations") or [], f"{field}.tolerations")


def _named(name: str, field: str, problems: Callable[[str], list[str]]) -> list[Cause]:
    return [invalid(field, golang.quoted(name), text) for text in problems(name)]


def _volumes(volumes: Sequence[Object], field: str) -> tuple[list[Cause], set[str]]:
    causes: list[Cause] = []
    names: set[str] = set()
    for number, volume in enumerate(volumes):
        at = f"{field}[{number}]"
        sources = sorted(set(volume) - {"name"})
        causes += [forbidden_field(f"{at}.{key}", "may not specify more than 1 volume type") for key in sources[1:]]
        causes += _unique_name(volume.get("name", ""), f"{at}.name", names)
    return causes, names


def _unique_name(name: str, field: str, seen: set[str]) -> list[Cause]:
    if not name:
        return [required(field)]
    causes = _named(name, field, naming.label_problems)
    if name in seen:
        causes.append(duplicate(field, golang.quoted(name)))
    seen.add(name)
    return causes


def _container(container: Object, field: str, volumes: set[str], seen: set[str]) -> list[Cause]:
    causes = _unique_name(container.get("name", ""), f"{field}.name", seen)
    image = container.get("image", "")
    if not image:
        causes.append(required(f"{field}.image"))
    elif image != image.strip():
        causes.append(invalid(f"{field}.image", golang.quoted(image), "must not have leading or trailing whitespace"))
    causes += _ports(container.get("ports") or [], f"{field}.ports")
    causes += _variables(container.get("env") or [], f"{field}.env")
    causes += _mounts(container.get("volumeMounts") or [], f"{field}.volumeMounts", volumes)
    policy = container.get("imagePullPolicy", "")
    return causes if policy in _PULL else [*causes, unsupported(f"{field}.imagePullPolicy", policy, _PULL)]


def _ports(ports: Sequence[Object], field: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for number, port in enumerate(ports):
        at, name = f"{field}[{number}]", port.get("name", "")
        if name:
            causes += _named(name, f"{at}.name", port_name_problems)
            causes += [duplicate(f"{at}.name", golang.quoted(name))] if name in names else []
            names.add(name)
        causes += container_port(port.get("containerPort", 0), f"{at}.containerPort")
        if port.get("hostPort"):
            causes += container_port(port["hostPort"], f"{at}.hostPort")
        if port.get("protocol") not in PROTOCOLS:
            causes.append(unsupported(f"{at}.protocol", port.get("protocol", ""), PROTOCOLS))
    return causes


def container_port(value: int, field: str) -> list[Cause]:
    """A port's number must be there, and one."""
    if value == 0:
        return [required(field)]
    return [] if 0 < value < 65536 else [invalid(field, str(value), PORT_RANGE)]


def _variables(variables: Sequence[Object], field: str) -> list[Cause]:
    causes: list[Cause] = []
    for number, variable in enumerate(variables):
        at, name = f"{field}[{number}]", variable.get("name", "")
        if not name:
            causes.append(required(f"{at}.name"))
        elif not _ENV_NAME.match(name):
            detail = "a valid environment variable name must consist only of printable ASCII characters other than '='"
            causes.append(invalid(f"{at}.name", golang.quoted(name), detail))
        if variable.get("value") and variable.get("valueFrom"):
            causes.append(invalid(f"{at}.valueFrom", '""', "may not be specified when `value` is not empty"))
    return causes


def _mounts(mounts: Sequence[Object], field: str, volumes: set[str]) -> list[Cause]:
    causes: list[Cause] = []
    paths: set[str] = set()
    for number, mount in enumerate(mounts):
        at, path = f"{field}[{number}]", mount.get("mountPath", "")
        if not mount.get("name"):
            causes.append(required(f"{at}.name"))
        elif mount["name"] not in volumes:
            causes.append(not_found_field(f"{at}.name", golang.quoted(mount["name"])))
        if not path:
            causes.append(required(f"{at}.mountPath"))
        elif path in paths:
            causes.append(invalid(f"{at}.mountPath", golang.quoted(path), "must be unique"))
        paths.add(path)
    return causes


def _tolerations(tolerations: Sequence[Object], field: str) -> list[Cause]:
    causes: list[Cause] = []
    for number, one in enumerate(tolerations):
        at = f"{field}[{number}]"
        if one.get("key"):
            causes += [invalid(f"{at}.key", golang.quoted(one["key"]), text)
                       for text in naming.qualified_problems(one["key"])]  # fmt: skip
        elif one.get("operator") != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            causes.append(invalid(f"{at}.operator", golang.quoted(one.get("operator", "")), detail))
        if one.get("operator", "Equal") not in ("Equal", "Exists"):
            causes.append(unsupported(f"{at}.operator", one["operator"], ("Equal", "Exists")))
        if one.get("effect") and one["effect"] not in _EFFECTS:
            causes.append(unsupported(f"{at}.effect", one["effect"], _EFFECTS))
    return causes


_MUTABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates")
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod(item: Object) -> list[Cause]:
    """What is wrong with a pod."""
    return pod_spec(item["spec"], "spec")


def changed_pod(new: Object, old: Object) -> list[Cause]:
    """A pod's spec stays as it is, with few exceptions."""
    return [] if _fixed(new["spec"]) == _fixed(old["spec"]) else [forbidden_field("spec", _IMMUTABLE)]


def _fixed(spec: Object) -> Object:
    rest = {key: value for key, value in spec.items() if key not in _MUTABLE}
    for key in ("containers", "initContainers"):
        if key in rest:
            rest[key] = [{name: value for name, value in item.items() if name != "image"} for item in rest[key]]
    return rest
