"""What the server says that it has: versions, groups and resources, plain and aggregated."""

from __future__ import annotations

from typing import Any

from harness.lab.apiserver import registry
from harness.lab.apiserver.serving import negotiation

Object = dict[str, Any]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"

VERSION: Object = {
    "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35", "gitVersion": "v1.36.2", "gitCommit": "0" * 40, "gitTreeState": "clean",
    "buildDate": "2026-06-01T00:00:00Z", "goVersion": "go1.26.8", "compiler": "gc", "platform": "linux/amd64",
}  # fmt: skip
"""The version whose recorded behaviour the server follows."""


def aggregated_version(accept: str) -> str:
    """The version of aggregated discovery that the client takes (``v2``, ``v2beta1``), or empty."""
    for clause in negotiation.clauses(accept):
        if clause.parameters.get("as") == "APIGroupDiscoveryList" and clause.parameters.get("v") in ("v2", "v2beta1"):
            return clause.parameters["v"]
    return ""


def versions(host: str) -> Object:
    """``/api`` in its plain form; ``host`` is the address that the client used."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def groups() -> Object:
    """``/apis`` in its plain form."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in registry.GROUPS]}


def group(name: str) -> Object:
    """``/apis/GROUP``."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def resources(name: str) -> Object:
    """``/api/v1`` or ``/apis/GROUP/v1``."""
    rows = [row for resource in registry.of_group(name) for row in _rows(resource)]
    if not name:
        return {"kind": "APIResourceList", "groupVersion": "v1", "resources": rows}
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{name}/v1", "resources": rows}


def _rows(resource: registry.Resource) -> list[Object]:
    row: Object = {
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": list(resource.verbs),
    }  # fmt: skip
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if len(resource.verbs) > 1:
        row["storageVersionHash"] = resource.storage_version_hash
    return [row, *(_subresource_row(resource, item) for item in resource.subresources)]


def _subresource_row(resource: registry.Resource, item: registry.Subresource) -> Object:
    foreign = {"group": item.group, "version": item.version} if item.group else {}
    return {
        "name": f"{resource.plural}/{item.name}", "singularName": "", "namespaced": resource.namespaced, **foreign,
        "kind": item.kind, "verbs": list(item.verbs),
    }  # fmt: skip


def aggregated(names: tuple[str, ...], version: str) -> Object:
    """Aggregated discovery of some groups (``""`` is the core)."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [_aggregated_group(name) for name in names],
    }


def _aggregated_group(name: str) -> Object:
    rows = [_aggregated_row(resource) for resource in registry.of_group(name)]
    meta = {"name": name} if name else {}
    return {"metadata": meta, "versions": [{"version": "v1", "resources": rows, "freshness": "Current"}]}


def _aggregated_row(resource: registry.Resource) -> Object:
    # Built-in kinds are said without their group and version, which are the list's own (as recorded).
    group, version = (resource.group, resource.version) if resource.custom else ("", "")
    row: Object = {
        "resource": resource.plural,
        "responseKind": {"group": group, "version": version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    if resource.subresources:
        row["subresources"] = [
            {
                "subresource": item.name,
                "responseKind": {"group": item.group or group, "version": item.version or version, "kind": item.kind},
                "verbs": list(item.verbs),
            }
            for item in resource.subresources
        ]
    return row
