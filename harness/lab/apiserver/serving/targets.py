"""What a request's path names: a resource, perhaps in a namespace, perhaps one object or a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from harness.lab.apiserver import registry, statuses


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked for.

    Attributes:
        resource: The kind.
        namespace: Empty for cluster-wide kinds and for a list over all namespaces.
        name: Empty for the collection.
        subresource: Such as ``status``; empty for the object itself.
    """

    resource: registry.Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parsed(path: str) -> Target | None:
    """The target of a path below a group's version, or None for a path that is no such thing.

    Raises:
        Refusal: The group has no such resource (404).
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2 and parts[1] == "v1":
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3 and parts[1] in registry.GROUPS and parts[2] == "v1":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    return _target(group, version, namespace, rest)


def _target(group: str, version: str, namespace: str, rest: list[str]) -> Target:
    resource = registry.find(group, version, rest[0])
    name, subresource = [*rest, "", ""][1:3]
    if resource is None or len(rest) > 3 or (namespace and not resource.namespaced):
        raise statuses.no_such_resource()
    if resource.namespaced and name and not namespace:
        raise statuses.no_such_resource()
    if subresource and resource.subresource(subresource) is None:
        raise statuses.no_such_resource()
    return Target(resource=resource, namespace=namespace, name=name, subresource=subresource)
