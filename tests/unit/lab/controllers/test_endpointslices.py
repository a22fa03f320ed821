"""EndpointSlices: which pods stand behind which Service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.lab.controllers import endpointslices, metadata, paths
from tests import recordings
from tests.unit.lab.controllers import fake_cluster


def service(name: str = "web", **spec: object) -> dict[str, Any]:
    """A Service with a selector."""
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
    full = {"selector": {"app": "web"}, "clusterIP": "10.96.1.1", "ports": [port], **spec}
    meta = {"name": name, "namespace": "test", "labels": {"team": "a"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": full}


def add_pod(cluster: fake_cluster.FakeCluster, name: str, ip: str, **spec: object) -> dict[str, Any]:
    """A ready pod of ``web``."""
    item = fake_cluster.pod(name, nodeName="kind-worker", **spec)
    item["metadata"]["labels"] = {"app": "web"}
    cluster.add(paths.PODS, item)
    cluster.set_pod(item, ready=True, ip=ip)
    return item


@pytest.fixture
def cluster() -> fake_cluster.FakeCluster:
    """A Service and its two pods."""
    found = fake_cluster.FakeCluster()
    found.add(paths.SERVICES, service())
    add_pod(found, "web-b", "10.244.0.2")
    add_pod(found, "web-a", "10.244.0.1")
    found.settle([endpointslices.reconcile])
    return found


def the_slice(cluster: fake_cluster.FakeCluster) -> dict[str, Any]:
    """The only slice."""
    (found,) = cluster.items(paths.ENDPOINTSLICES)
    return found


def conditions(cluster: fake_cluster.FakeCluster) -> dict[str, tuple[bool, bool, bool]]:
    """Ready, serving and terminating by address."""
    return {
        item["addresses"][0]: tuple(item["conditions"][key] for key in ("ready", "serving", "terminating"))
        for item in the_slice(cluster)["endpoints"]
    }


def test_a_slice_is_made_as_the_recorded_controller_makes_it(cluster: fake_cluster.FakeCluster) -> None:
    """The same fields, labels of the same kinds, endpoints of the same shape, by pod name."""
    known = json.loads((recordings.path() / "api" / "iptables" / "endpointslices.json").read_text())["items"]
    summary = next(item for item in known if item["metadata"]["name"].startswith("summary-"))
    ours = the_slice(cluster)
    assert set(ours) == set(summary)
    assert set(ours["endpoints"][0]) == set(summary["endpoints"][0])
    assert set(ours["endpoints"][0]["targetRef"]) == set(summary["endpoints"][0]["targetRef"])
    assert metadata.labels(ours) == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert set(ours["metadata"]["annotations"]) == set(summary["metadata"]["annotations"])
    assert ours["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert [item["targetRef"]["name"] for item in ours["endpoints"]] == ["web-a", "web-b"]


def test_a_pod_that_fails_its_check_stays_but_is_not_ready(cluster: fake_cluster.FakeCluster) -> None:
    """kube-proxy must know of it, and not send to it."""
    cluster.set_pod(cluster.one(paths.PODS, "web-a", "test"), ready=False, ip="10.244.0.1")
    cluster.settle([endpointslices.reconcile])
    assert conditions(cluster)["10.244.0.1"] == (False, False, False)


def test_a_pod_that_is_going_still_serves(cluster: fake_cluster.FakeCluster) -> None:
    """Terminating endpoints are the last resort of kube-proxy."""
    cluster.delete(paths.PODS, "web-a", "test")
    cluster.settle([endpointslices.reconcile])
    assert conditions(cluster) == {"10.244.0.1": (False, True, True), "10.244.0.2": (True, True, False)}


def test_unready_addresses_are_published_where_asked(cluster: fake_cluster.FakeCluster) -> None:
    """publishNotReadyAddresses makes every endpoint ready."""
    cluster.patch(paths.SERVICES, "web", {"spec": {"publishNotReadyAddresses": True}}, "test")
    cluster.set_pod(cluster.one(paths.PODS, "web-a", "test"), ready=False, ip="10.244.0.1")
    cluster.settle([endpointslices.reconcile])
    assert conditions(cluster)["10.244.0.1"] == (True, False, False)


def test_a_service_without_pods_has_an_empty_slice(cluster: fake_cluster.FakeCluster) -> None:
    """Null for both lists, as Go writes them and as recorded."""
    for name in ("web-a", "web-b"):
        cluster.delete(paths.PODS, name, "test")
    cluster.remove_pods()
    cluster.settle([endpointslices.reconcile])
    assert the_slice(cluster).get("endpoints") is None
    assert the_slice(cluster).get("ports") is None


def test_a_slice_keeps_its_name_when_its_ports_change(cluster: fake_cluster.FakeCluster) -> None:
    """A change is an update, not another object."""
    before = metadata.uid(the_slice(cluster))
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 9090}
    cluster.patch(paths.SERVICES, "web", {"spec": {"ports": [port]}}, "test")
    cluster.settle([endpointslices.reconcile])
    assert metadata.uid(the_slice(cluster)) == before
    assert the_slice(cluster)["ports"][0]["port"] == 9090


def test_a_named_port_is_resolved_pod_by_pod(cluster: fake_cluster.FakeCluster) -> None:
    """Two pods with another number behind one name need two slices."""
    for name in ("web-a", "web-b"):
        cluster.delete(paths.PODS, name, "test")
    cluster.remove_pods()
    for name, ip, number in (("web-c", "10.244.0.3", 8001), ("web-d", "10.244.0.4", 8002)):
        ports = [{"name": "http", "containerPort": number, "protocol": "TCP"}]
        add_pod(cluster, name, ip, containers=[{"name": "main", "ports": ports}])
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}
    cluster.patch(paths.SERVICES, "web", {"spec": {"ports": [port]}}, "test")
    cluster.settle([endpointslices.reconcile])
    found = {item["ports"][0]["port"]: item["endpoints"] for item in cluster.items(paths.ENDPOINTSLICES)}
    assert {number: [each["addresses"] for each in items] for number, items in found.items()} == {
        8001: [["10.244.0.3"]],
        8002: [["10.244.0.4"]],
    }


def test_a_headless_service_is_marked_and_names_its_hosts() -> None:
    """A pod that names the Service as its subdomain has a host name in it."""
    cluster = fake_cluster.FakeCluster()
    cluster.add(paths.SERVICES, service(clusterIP="None"))
    add_pod(cluster, "web-0", "10.244.0.1", hostname="first", subdomain="web")
    cluster.settle([endpointslices.reconcile])
    assert metadata.labels(the_slice(cluster))["service.kubernetes.io/headless"] == ""
    assert the_slice(cluster)["endpoints"][0]["hostname"] == "first"


def test_slices_of_others_and_services_without_selector_are_left_alone() -> None:
    """A person may keep the endpoints of such a Service by hand."""
    cluster = fake_cluster.FakeCluster()
    cluster.add(paths.SERVICES, service(selector=None))
    assert endpointslices.reconcile(cluster, cluster.now) == []


def test_pods_without_address_or_of_another_namespace_are_no_endpoints(cluster: fake_cluster.FakeCluster) -> None:
    """An endpoint has an address, and lives where its Service lives."""
    other = fake_cluster.pod("web-c", nodeName="kind-worker")
    other["metadata"] |= {"labels": {"app": "web"}, "namespace": "elsewhere"}
    cluster.add(paths.PODS, other)
    cluster.set_pod(other, ready=True, ip="10.244.0.9")
    fresh = fake_cluster.pod("web-d")
    fresh["metadata"]["labels"] = {"app": "web"}
    cluster.add(paths.PODS, fresh)
    assert endpointslices.reconcile(cluster, cluster.now) == []
