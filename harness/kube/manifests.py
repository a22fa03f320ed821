"""Manifests: read from YAML, applied by server-side apply, awaited by their own status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import yaml

from harness.core import errors, waiting
from harness.kube import client, conditions

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
YAOBANK = MANIFESTS / "yaobank" / "yaobank.yaml"
ECHO = MANIFESTS / "echo" / "echo.yaml"

_AVAILABLE: Mapping[str, Callable[[conditions.Object], bool]] = MappingProxyType(
    {"Deployment": conditions.deployment_is_available, "DaemonSet": conditions.daemon_set_is_available}
)

# The C parser is used where it is there, since Calico's definitions are megabytes.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """Reads what Kubernetes reads: a date and a lone ``=`` are strings there, and PyYAML has no JSON for either."""

    yaml_implicit_resolvers: ClassVar = {
        first: [entry for entry in entries if entry[0].rpartition(":")[2] not in ("timestamp", "value")]
        for first, entries in _Safe.yaml_implicit_resolvers.items()
    }


def load(path: Path) -> tuple[client.Object, ...]:
    """The objects of a manifest, in its order.

    Raises:
        ParseError: The file is no YAML, or holds something that is no object.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise errors.ParseError(f"{path}: {error}") from error
    return objects_of(data, str(path))


def objects_of(data: bytes, name: str) -> tuple[client.Object, ...]:
    """The objects of a manifest's bytes, in their order; ``name`` is for the error's text.

    Raises:
        ParseError: It is no YAML, or holds something that is no object.
    """
    try:
        documents = [item for item in yaml.load_all(data, Loader=_Loader) if item is not None]
    except yaml.YAMLError as error:
        raise errors.ParseError(f"{name}: {error}") from error
    for item in documents:
        if not isinstance(item, dict) or not {"apiVersion", "kind", "metadata"} <= set(item):
            raise errors.ParseError(f"{name}: an object needs apiVersion, kind and metadata: {str(item)[:80]}")
    return tuple(documents)


def apply(api: client.Client, objects: Sequence[client.Object]) -> None:
    """Apply objects of ours, in order and in the cluster's shape; raises ApiError."""
    for item in api.shape.shaped(objects):
        api.apply(item)


def wait_for_workloads(api: client.Client, objects: Sequence[client.Object], *, timeout_s: float) -> None:
    """Wait until every Deployment and DaemonSet among these objects of ours is available.

    Raises:
        WaitTimeout: One was not, and its last status is in the text.
    """
    shaped = api.shape.shaped(objects)
    wanted = {api.path_of(item): _AVAILABLE[item["kind"]] for item in shaped if item["kind"] in _AVAILABLE}

    def observe() -> dict[str, client.Object] | str:
        try:
            return {path: api.get(path) for path in wanted}
        except errors.ApiError as error:
            if not error.is_momentary:
                raise
            return str(error)

    def available(found: dict[str, client.Object] | str) -> bool:
        return isinstance(found, dict) and all(wanted[path](item) for path, item in found.items())

    waiting.wait_until(observe, available, what="every workload available", timeout_s=timeout_s)
