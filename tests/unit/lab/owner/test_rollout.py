"""When a new lab is ready."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from harness.core import errors
from harness.lab import api
from harness.lab.owner import rollout

Object = dict[str, Any]


class Cluster:
    """A cluster of given collections that takes what is created and refuses what it does not know."""

    def __init__(self, **collections: list[Object]) -> None:
        self.collections = collections
        self.created: list[tuple[str, str]] = []
        self.exists: set[str] = set()

    def list(self, path: str) -> tuple[list[Object], str]:
        """The collection whose path ends so."""
        return self.collections[path.rpartition("/")[2]], "1"

    def get(self, path: str) -> Object:
        """Discovery of two groups."""
        known = {
            "/api/v1": [
                ("namespaces", "Namespace", False),
                ("services", "Service", True),
                ("services/status", "Service", True),
            ],
            "/apis/apps/v1": [("deployments", "Deployment", True)],
        }
        names = ("name", "kind", "namespaced")
        return {"resources": [dict(zip(names, each, strict=True)) for each in known[path]]}

    def create(self, path: str, item: Object) -> Object:
        """Take it, or refuse a second of that name."""
        name = item["metadata"]["name"]
        if name in self.exists:
            raise errors.ApiError(409, "AlreadyExists", name)
        if name == "bad":
            raise errors.ApiError(422, "Invalid", "spec.x: Invalid value")
        self.created.append((path, name))
        return item


def client(cluster: Cluster) -> api.Api:
    """The cluster as the program sees it."""
    return cast("api.Api", cluster)


def test_nodes_must_be_there_and_ready() -> None:
    """A node that has not registered, or is not Ready, is named."""
    ready = {"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    unready = {"metadata": {"name": "b"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    assert rollout.unready_nodes(client(Cluster(nodes=[ready, unready])), ["a", "b", "c"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({"observedGeneration": 2, "desiredNumberScheduled": 3, "numberReady": 3}, True),
        ({"observedGeneration": 2, "desiredNumberScheduled": 3, "numberReady": 2}, False),
        ({"observedGeneration": 1, "desiredNumberScheduled": 3, "numberReady": 3}, False),
        ({"observedGeneration": 2, "desiredNumberScheduled": 0, "numberReady": 0}, False),
        ({}, False),
    ],
)
def test_daemonsets_must_be_seen_and_whole(status: Object, ready: bool) -> None:
    """A status of an older generation, or one that wants no pod yet, does not count."""
    item = {"metadata": {"name": "kube-proxy", "namespace": "kube-system", "generation": 2}, "status": status}
    wanted = [] if ready else ["kube-system/kube-proxy"]
    assert rollout.unready_daemonsets(client(Cluster(daemonsets=[item]))) == wanted


def test_deployments_must_be_available() -> None:
    """As many replicas available as asked for."""
    meta = {"name": "summary", "namespace": "bank"}
    item = {"metadata": meta, "spec": {"replicas": 2}, "status": {"availableReplicas": 1}}
    assert rollout.unready_deployments(client(Cluster(deployments=[item]))) == ["bank/summary"]
    item["status"] = {"availableReplicas": 2}
    assert rollout.unready_deployments(client(Cluster(deployments=[item]))) == []


MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: bank}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: bank}
---
"""


def test_manifests_are_created_in_order(tmp_path: Path) -> None:
    """Files by name, documents as written, JSON lists item by item; what exists is left alone."""
    (tmp_path / "10.yaml").write_text(MANIFEST)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"}}
    (tmp_path / "20.json").write_text(json.dumps({"kind": "List", "items": [service]}))
    (tmp_path / "notes.txt").write_text("not a manifest")
    cluster = Cluster()
    rollout.create_all(client(cluster), tmp_path)
    assert cluster.created == [
        ("/api/v1/namespaces", "bank"),
        ("/apis/apps/v1/namespaces/bank/deployments", "web"),
        ("/api/v1/namespaces/n/services", "s"),
    ]
    again = Cluster()
    again.exists = {"bank"}
    rollout.create_all(client(again), tmp_path)
    assert [name for _, name in again.created] == ["web", "s"]


@pytest.mark.parametrize(("kind", "name", "says"), [("Service", "bad", "Service bad"), ("Nothing", "x", "Nothing")])
def test_a_refused_manifest_is_named(tmp_path: Path, kind: str, name: str, says: str) -> None:
    """Kind and name are in the error."""
    (tmp_path / "a.yaml").write_text(f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\n")
    with pytest.raises(errors.ApiError, match=says):
        rollout.create_all(client(Cluster()), tmp_path)
