"""A small API to test rules on: one store, a clock that stands still, one namespace."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from harness.lab.apiserver import operations, options, patching, registry, statuses, store

Object = dict[str, Any]
Json = Any

NOW = datetime.datetime(2026, 11, 23, 6, 15, 8, tzinfo=datetime.UTC)
SPEC: Object = {"containers": [{"name": "c", "image": "sip/none:1"}]}


def resource(plural: str) -> registry.Resource:
    """The row of a plural name, whatever its group."""
    return next(item for item in registry.RESOURCES if item.plural == plural)


class Cluster:
    """The API's verbs with short names."""

    def __init__(self, *, history: int = store.HISTORY) -> None:
        self.now = NOW
        self.store = store.Store(history=history)
        self.api = operations.Operations(self.store, clock=lambda: self.now)
        self.warnings = options.Warnings()
        self.create("namespaces", {"metadata": {"name": "demo"}}, namespace="")

    def create(self, plural: str, item: Object, *, namespace: str = "demo", **wanted: Json) -> Object:
        """POST."""
        row = resource(plural)
        given = {"apiVersion": row.group_version, "kind": row.kind, **item}
        return self.api.create(row, namespace, given, options.Write(**wanted), self.warnings)

    def get(self, plural: str, name: str, *, namespace: str = "demo") -> Object:
        """GET."""
        return self.api.get(resource(plural), namespace, name)

    def put(self, plural: str, item: Object, *, namespace: str = "demo", subresource: str = "") -> Object:
        """PUT."""
        name = item["metadata"]["name"]
        row = resource(plural)
        return self.api.update(row, namespace, name, item, options.Write(), self.warnings, subresource)[0]

    def patch(
        self,
        plural: str,
        name: str,
        value: Json,
        *,
        kind: patching.PatchKind = "merge",
        namespace: str = "demo",
        subresource: str = "",
        **wanted: Json,
    ) -> Object:
        """PATCH."""
        row, patch = resource(plural), patching.Patch(kind=kind, value=value)
        write = options.Write(**wanted)
        return self.api.patch(row, namespace, name, patch, write, self.warnings, subresource)[0]

    def delete(self, plural: str, name: str, *, namespace: str = "demo", **wanted: Json) -> tuple[Object, bool]:
        """DELETE; the last state and whether it is gone."""
        return self.api.deleter.delete(resource(plural), namespace, name, options.Delete(**wanted))

    def service(self, name: str = "s", **spec: Json) -> Object:
        """A Service with one port, if nothing else is said."""
        wanted = {"ports": [{"port": 80}], **spec}
        return self.create("services", {"metadata": {"name": name}, "spec": wanted})

    def pod(self, name: str = "p", **spec: Json) -> Object:
        """A pod with one container, if nothing else is said."""
        return self.create("pods", {"metadata": {"name": name}, "spec": {**SPEC, **spec}})

    def deployment(self, name: str = "d", **spec: Json) -> Object:
        """A Deployment of that pod."""
        return self.create("deployments", {"metadata": {"name": name}, "spec": {**workload(), **spec}})


def workload() -> Object:
    """The spec that the workloads share."""
    return {
        "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": SPEC},
    }


def refused(error: pytest.ExceptionInfo[statuses.Refusal]) -> tuple[int, str]:
    """The code and the sentence of a refusal."""
    return error.value.code, error.value.message
