"""A container's environment: where each variable's value comes from. Pure, but for the lookup that it is handed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from harness.core import errors
from harness.lab.kubelet import specs

Lookup = Callable[[str, str], Mapping[str, str] | None]
"""Takes ``configmaps`` or ``secrets`` and a name; the data, or None where there is no such object."""

_REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z0-9]+)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(errors.HarnessError):
    """A container can't be started as it is configured; Kubernetes' reason is ``CreateContainerConfigError``."""


def resolve(pod: specs.Pod, container: specs.Container, lookup: Lookup, *, pod_ip: str, host_ip: str) -> dict[str, str]:
    """The variables that the Pod asks for, in its order; later ones win.

    Raises:
        ConfigError: A ConfigMap, a Secret, a key of one or a field does not exist.
    """
    values: dict[str, str] = {}
    for name in container.config_maps:
        data = lookup("configmaps", name)
        if data is None:
            raise ConfigError(f'configmap "{name}" not found')
        values.update(data)
    for variable in container.environment:
        value = _value(pod, variable, values, lookup, {"status.podIP": pod_ip, "status.hostIP": host_ip})
        if value is not None:
            values[variable.name] = value
    return values


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value; an unknown one stays as it is, and ``$$`` stands for one dollar sign."""

    def replacement(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        return values.get(match[1], match[0])

    return _REFERENCE.sub(replacement, text)


def field_of(pod: Mapping[str, Any], path: str) -> str:
    """The value of a downward API field, such as ``metadata.labels['app']``.

    Raises:
        ConfigError: There is no such field.
    """
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((pod["metadata"].get(subscript[1]) or {}).get(subscript[2], ""))
    found: Any = pod
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None and path == "spec.serviceAccountName":
        found = "default"
    if not isinstance(found, str):
        raise ConfigError(f"unsupported fieldPath: {path}")
    return found


def _value(
    pod: specs.Pod, variable: specs.Variable, earlier: Mapping[str, str], lookup: Lookup, addresses: Mapping[str, str]
) -> str | None:
    if variable.field:
        return addresses.get(variable.field) or field_of(pod.raw, _plain(variable.field))
    for kind, reference in (("configmaps", variable.config_map), ("secrets", variable.secret)):
        if reference:
            return _keyed(kind, reference, lookup, optional=variable.optional)
    return expand(variable.value, earlier)


def _plain(path: str) -> str:
    return {"status.podIPs": "status.podIP", "status.hostIPs": "status.hostIP"}.get(path, path)


def _keyed(kind: str, reference: tuple[str, str], lookup: Lookup, *, optional: bool) -> str | None:
    name, key = reference
    data = lookup(kind, name)
    if data is not None and key in data:
        return data[key]
    if optional:
        return None
    missing = (
        f'{kind.removesuffix("s")} "{name}" not found' if data is None else f"couldn't find key {key} in {kind} {name}"
    )
    raise ConfigError(missing)
