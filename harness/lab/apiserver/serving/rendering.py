"""Objects, lists, Tables and Statuses as the bytes of an answer."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import yaml

from harness.lab.apiserver import decoding, events, listing, registry, tables
from harness.lab.apiserver.defaulting import workloads
from harness.lab.apiserver.serving import negotiation

Object = dict[str, Any]
Json = Any
Include = Literal["None", "Metadata", "Object"]


def encoded(value: Json, form: negotiation.Form, *, pretty: bool = False) -> bytes:
    """A value as bytes, with the line end that kube-apiserver writes."""
    if form.media == decoding.YAML:
        return yaml.safe_dump(value, sort_keys=True, allow_unicode=True).encode()
    if pretty:
        return json.dumps(value, indent=2, ensure_ascii=False).encode()
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def ordered(item: Object, resource: registry.Resource) -> Object:
    """An object as it is shown: kind, version and metadata first, in its own group's form."""
    item = events.shown(item, resource)
    rest = {key: value for key, value in item.items() if key not in ("kind", "apiVersion", "metadata")}
    return {
        "kind": item.get("kind", resource.kind),
        "apiVersion": item.get("apiVersion", resource.group_version),
        "metadata": item["metadata"],
        **rest,
    }


def one(item: Object, resource: registry.Resource, form: negotiation.Form, query: Mapping[str, str]) -> Object:
    """One object in the form that was asked for."""
    if form.shape == "Table":
        return table([item], resource, query) | {"metadata": _version(item)}
    if form.shape == "PartialObjectMetadata":
        return partial(item)
    return ordered(item, resource)


def _version(item: Object) -> Object:
    return {"resourceVersion": item["metadata"].get("resourceVersion", "")}


def partial(item: Object) -> Object:
    """An object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def table(
    items: Sequence[Object], resource: registry.Resource, query: Mapping[str, str], *, first: bool = True
) -> Object:
    """Objects as a Table (only the first Table of a watch has column definitions)."""
    wanted = query.get("includeObject", "Metadata")
    include: Include = "None" if wanted == "None" else "Object" if wanted == "Object" else "Metadata"
    return tables.render(
        resource.plural,
        # Events have columns of their stored form, whichever group asks.
        [_without_template_count(item if resource.stored_as else ordered(item, resource)) for item in items],
        now=datetime.datetime.now(datetime.UTC),
        include=include,
        headers=first,
    )


def _without_template_count(item: Object) -> Object:
    """Tables are made from the server's inner form, in which a DaemonSet's count is no annotation (recorded)."""
    annotations = item["metadata"].get("annotations") or {}
    if workloads.TEMPLATE_GENERATION not in annotations:
        return item
    meta = {key: value for key, value in item["metadata"].items() if key != "annotations"}
    rest = {key: value for key, value in annotations.items() if key != workloads.TEMPLATE_GENERATION}
    return item | {"metadata": meta | ({"annotations": rest} if rest else {})}


def many(page: listing.Page, resource: registry.Resource, form: negotiation.Form, query: Mapping[str, str]) -> Object:
    """A page of a collection in the form that was asked for."""
    if form.shape == "Table":
        return table(page.items, resource, query) | {"metadata": page.metadata()}
    if form.shape == "PartialObjectMetadataList":
        kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        items = [{"metadata": item["metadata"]} for item in page.items]
    else:
        kind, version = f"{resource.kind}List", resource.group_version
        items = [_listed(item, resource) for item in page.items]
    return {"kind": kind, "apiVersion": version, "metadata": page.metadata(), "items": items}


def _listed(item: Object, resource: registry.Resource) -> Object:
    shown = ordered(item, resource)
    # Typed lists do not repeat the kind in each item; lists of custom objects do.
    return (
        shown if resource.custom else {key: value for key, value in shown.items() if key not in ("kind", "apiVersion")}
    )
