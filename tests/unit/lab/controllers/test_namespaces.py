"""Namespaces: furnished when they come, emptied when they go."""

from __future__ import annotations

import pytest

from harness.lab.controllers import namespaces, paths
from tests.unit.lab.controllers import fake_cluster

RECONCILE = namespaces.reconciler("-----BEGIN CERTIFICATE-----")


@pytest.fixture
def cluster() -> fake_cluster.FakeCluster:
    """A namespace with a bound pod and a ConfigMap."""
    found = fake_cluster.FakeCluster()
    found.add(
        paths.NAMESPACES,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}, "spec": {"finalizers": ["kubernetes"]}},
    )
    found.add(paths.PODS, fake_cluster.pod("app", nodeName="kind-worker"))
    meta = {"name": "settings", "namespace": "test"}
    found.add(paths.CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    found.settle([RECONCILE])
    return found


def test_a_namespace_has_a_default_service_account(cluster: fake_cluster.FakeCluster) -> None:
    """Pods that name none run as ``default``."""
    assert cluster.get(paths.SERVICEACCOUNTS, "default", "test") is not None


def test_a_namespace_has_the_certificate_authority(cluster: fake_cluster.FakeCluster) -> None:
    """Pods verify the API server by it."""
    found = cluster.one(paths.CONFIGMAPS, "kube-root-ca.crt", "test")
    assert found["data"] == {"ca.crt": "-----BEGIN CERTIFICATE-----"}


def test_a_namespace_goes_when_everything_in_it_has_gone(cluster: fake_cluster.FakeCluster) -> None:
    """It waits for the pod that its kubelet still ends."""
    cluster.delete(paths.NAMESPACES, "test")
    cluster.settle([RECONCILE])
    assert cluster.get(paths.CONFIGMAPS, "settings", "test") is None
    assert cluster.get(paths.SERVICEACCOUNTS, "default", "test") is None
    assert cluster.get(paths.NAMESPACES, "test") is not None
    cluster.remove_pods()
    cluster.settle([RECONCILE])
    assert cluster.get(paths.NAMESPACES, "test") is None
    assert cluster.emptied == {(path, "test") for path in paths.UNWATCHED}


def test_other_namespaces_stay_as_they_are(cluster: fake_cluster.FakeCluster) -> None:
    """Emptying is for the one that goes."""
    meta = {"name": "settings", "namespace": "other"}
    cluster.add(paths.CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    cluster.delete(paths.NAMESPACES, "test")
    cluster.settle([RECONCILE])
    assert cluster.get(paths.CONFIGMAPS, "settings", "other") is not None
