"""Tables: what ``kubectl get`` prints is computed by the API server. Pure.

``columns.json`` holds the columns as a real API server described them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from harness.lab.apiserver.tables import pods, printers

Object = dict[str, Any]
Include = Literal["Metadata", "Object", "None"]


def render(
    resource: str,
    objects: Iterable[Object],
    *,
    now: datetime,
    include: Include = "Metadata",
    headers: bool = True,
) -> Object:
    """A Table of ``meta.k8s.io/v1`` for objects of one resource.

    Args:
        resource: The resource's plural name, such as ``pods``.
        objects: The objects, in order.
        now: The time that ages are counted from, with a time zone.
        include: How much of each object a row carries: the request's ``includeObject``.
        headers: Whether to describe the columns; in a watch only the first event does.
    """
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns(resource) if headers else None,
        "rows": [_row(resource, obj, now, include) for obj in objects],
    }


def columns(resource: str) -> list[Object]:
    """The columns of a resource; name and age for one that has none of its own."""
    known = _recorded()
    return [dict(column) for column in known.get(resource, known["default"])]


@functools.cache
def _recorded() -> dict[str, list[Object]]:
    text = (Path(__file__).parent / "columns.json").read_text()
    known: dict[str, list[Object]] = json.loads(text)["columns"]
    return known


def _row(resource: str, obj: Object, now: datetime, include: Include) -> Object:
    row: Object = {"cells": printers.cells(resource, obj, now)}
    if resource == "pods" and (ended := pods.conditions(obj)):
        row["conditions"] = ended
    if include == "Object":
        row["object"] = obj
    elif include == "Metadata":
        row["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return row
