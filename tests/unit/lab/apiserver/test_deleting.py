"""Grace, finalizers, propagation, and the end of namespaces."""

from __future__ import annotations

import datetime

import pytest

from harness.lab.apiserver import statuses
from tests.unit.lab.apiserver import cluster


@pytest.fixture
def api() -> cluster.Cluster:
    """A cluster with one namespace."""
    return cluster.Cluster()


def test_a_pod_on_a_node_is_given_time(api: cluster.Cluster) -> None:
    """The kubelet ends it and then deletes it without grace."""
    api.pod(nodeName="n")
    marked, gone = api.delete("pods", "p")
    assert not gone
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert marked["metadata"]["deletionTimestamp"] == "2026-11-23T06:15:38Z"
    assert marked["metadata"]["generation"] == 2
    assert api.delete("pods", "p", grace_s=0)[1]


def test_a_second_deletion_only_shortens_the_grace(api: cluster.Cluster) -> None:
    """Less time is granted, more is not."""
    api.pod(nodeName="n")
    api.delete("pods", "p", grace_s=20)
    assert api.delete("pods", "p", grace_s=25)[0]["metadata"]["deletionGracePeriodSeconds"] == 20
    assert api.delete("pods", "p", grace_s=5)[0]["metadata"]["deletionGracePeriodSeconds"] == 5


def test_asking_again_grants_no_more_time(api: cluster.Cluster) -> None:
    """A second request for the same grace does not begin it anew."""
    api.pod(nodeName="n")
    first = api.delete("pods", "p")[0]["metadata"]["deletionTimestamp"]
    api.now += datetime.timedelta(seconds=10)
    assert api.delete("pods", "p")[0]["metadata"]["deletionTimestamp"] == first


def test_a_pod_on_no_node_goes_at_once(api: cluster.Cluster) -> None:
    """Nobody would have to end it."""
    api.pod()
    last, gone = api.delete("pods", "p")
    assert gone
    assert "deletionTimestamp" not in last["metadata"]


@pytest.mark.parametrize(
    ("propagation", "finalizers"),
    [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"]), ("Background", None)],
)
def test_propagation_is_a_finalizer(api: cluster.Cluster, propagation: str, finalizers: list[str] | None) -> None:
    """What becomes of dependents is the garbage collector's business, which reads the finalizer."""
    api.deployment()
    last, gone = api.delete("deployments", "d", propagation=propagation)
    assert last["metadata"].get("finalizers") == finalizers
    assert gone == (finalizers is None)


def test_the_last_finalizer_ends_the_object(api: cluster.Cluster) -> None:
    """An object that is being deleted goes when nobody holds it any more."""
    api.create("configmaps", {"metadata": {"name": "c", "finalizers": ["a/b"]}})
    assert not api.delete("configmaps", "c")[1]
    api.patch("configmaps", "c", {"metadata": {"finalizers": None}})
    with pytest.raises(statuses.Refusal, match="not found"):
        api.get("configmaps", "c")


def test_a_namespace_ends_when_its_finalizer_goes(api: cluster.Cluster) -> None:
    """It terminates until the namespace controller finalizes it."""
    marked, gone = api.delete("namespaces", "demo", namespace="")
    assert (marked["status"]["phase"], gone) == ("Terminating", False)
    assert "deletionGracePeriodSeconds" not in marked["metadata"]
    kept = api.patch("namespaces", "demo", {"spec": {"finalizers": None}}, namespace="")
    assert kept["spec"] == {"finalizers": ["kubernetes"]}
    api.put("namespaces", marked | {"spec": {"finalizers": []}}, namespace="", subresource="finalize")
    with pytest.raises(statuses.Refusal, match='namespaces "demo" not found'):
        api.get("namespaces", "demo", namespace="")


def test_the_first_namespaces_stay(api: cluster.Cluster) -> None:
    """The cluster cannot be without them."""
    api.create("namespaces", {"metadata": {"name": "default"}}, namespace="")
    with pytest.raises(statuses.Refusal, match="this namespace may not be deleted") as error:
        api.delete("namespaces", "default", namespace="")
    assert error.value.code == 403


def test_preconditions_name_the_object_that_is_meant(api: cluster.Cluster) -> None:
    """Another uid or version is a conflict."""
    made = api.create("configmaps", {"metadata": {"name": "c"}})["metadata"]
    for wanted in ({"uid": "other"}, {"version": "1"}):
        with pytest.raises(statuses.Refusal, match="Precondition failed") as error:
            api.delete("configmaps", "c", **wanted)
        assert error.value.code == 409
    assert api.delete("configmaps", "c", uid=made["uid"], version=made["resourceVersion"])[1]
