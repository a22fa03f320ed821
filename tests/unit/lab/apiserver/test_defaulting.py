"""What the server fills in, and what it gives out."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from harness.lab import plan
from harness.lab.apiserver import allocation, statuses
from harness.lab.apiserver.defaulting import pods
from tests.unit.lab.apiserver import cluster

Object = dict[str, Any]


@pytest.fixture
def api() -> cluster.Cluster:
    """A cluster with one namespace."""
    return cluster.Cluster()


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"), ("a:latest", "Always"), ("a:1", "IfNotPresent"), ("r:5000/a", "Always"),
        ("r:5000/a:1", "IfNotPresent"), ("a@sha256:0", "IfNotPresent"),
    ],
)  # fmt: skip
def test_images_that_may_change_are_pulled_always(image: str, policy: str) -> None:
    """The tag decides, spelled out or not."""
    assert pods.pull_policy(image) == policy


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_a_pods_quality_follows_its_resources(api: cluster.Cluster, resources: Object, quality: str) -> None:
    """Limits count as requests where there are none."""
    made = api.pod(containers=[{"name": "c", "image": "x", "resources": resources}])
    assert made["status"]["qosClass"] == quality


def test_a_pod_of_the_system_has_its_priority(api: cluster.Cluster) -> None:
    """The two classes that every cluster has, and no other."""
    assert api.pod(priorityClassName="system-node-critical")["spec"]["priority"] == 2000001000
    with pytest.raises(statuses.Refusal, match="no PriorityClass with name high was found") as error:
        api.pod("other", priorityClassName="high")
    assert error.value.code == 403


def test_what_a_pod_tolerates_already_is_not_added(api: cluster.Cluster) -> None:
    """A toleration of everything covers the two that the server adds."""
    assert api.pod(tolerations=[{"operator": "Exists"}])["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert len(api.pod("other")["spec"]["tolerations"]) == 2


def test_a_pod_may_do_without_its_accounts_token(api: cluster.Cluster) -> None:
    """No volume and no mount then."""
    assert "volumes" not in api.pod(automountServiceAccountToken=False)["spec"]


def test_host_network_ports_are_the_hosts(api: cluster.Cluster) -> None:
    """A port of a pod on the host's network is a port of the host."""
    container = {"name": "c", "image": "x", "ports": [{"containerPort": 80}]}
    made = api.pod(hostNetwork=True, containers=[container])
    assert made["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP", "hostPort": 80}]


def test_services_get_addresses_of_their_own(api: cluster.Cluster) -> None:
    """Out of the service network, none twice."""
    given = {api.service(f"s{number}")["spec"]["clusterIP"] for number in range(20)}
    assert len(given) == 20
    assert all(ipaddress.ip_address(address) in plan.SERVICE_NETWORK for address in given)


def test_an_address_may_be_asked_for_once(api: cluster.Cluster) -> None:
    """A second Service cannot have it, and none can have one of another network."""
    assert api.service("a", clusterIP="10.96.0.10")["spec"]["clusterIPs"] == ["10.96.0.10"]
    with pytest.raises(statuses.Refusal, match="provided IP is already allocated"):
        api.service("b", clusterIP="10.96.0.10")
    with pytest.raises(statuses.Refusal, match="provided IP is not in the valid range"):
        api.service("b", clusterIP="10.97.0.10")


def test_a_headless_service_has_no_address(api: cluster.Cluster) -> None:
    """``None`` is said twice, as clients expect."""
    spec = api.service(clusterIP="None")["spec"]
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])


def test_node_ports_are_given_out_and_kept(api: cluster.Cluster) -> None:
    """Every port gets one of the range; an update that leaves it out keeps it."""
    made = api.service(type="NodePort", ports=[{"name": "a", "port": 1}, {"name": "b", "port": 2}])
    numbers = [port["nodePort"] for port in made["spec"]["ports"]]
    assert len(set(numbers)) == 2
    assert all(number in allocation.NODE_PORTS for number in numbers)
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    kept = api.patch("services", "s", {"spec": {"ports": ports, "externalTrafficPolicy": "Local"}})
    assert [port["nodePort"] for port in kept["spec"]["ports"]] == numbers


def test_two_protocols_share_a_node_port(api: cluster.Cluster) -> None:
    """One number for TCP and UDP of one port, as kube-apiserver gives it."""
    both = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
    ports = api.service(type="NodePort", ports=both)["spec"]["ports"]
    assert ports[0]["nodePort"] == ports[1]["nodePort"]


def test_a_cluster_ip_service_gives_its_node_ports_back(api: cluster.Cluster) -> None:
    """Another Service can have the number then."""
    api.service("a", type="NodePort", ports=[{"port": 80, "nodePort": 30180}])
    spec = api.patch("services", "a", {"spec": {"type": "ClusterIP"}})["spec"]
    assert "nodePort" not in spec["ports"][0]
    assert "externalTrafficPolicy" not in spec
    api.service("b", type="NodePort", ports=[{"port": 80, "nodePort": 30180}])


def test_a_local_load_balancer_has_a_port_for_health(api: cluster.Cluster) -> None:
    """Its nodes are asked there whether they have a backend."""
    spec = api.service(type="LoadBalancer", externalTrafficPolicy="Local")["spec"]
    assert spec["healthCheckNodePort"] in allocation.NODE_PORTS
    assert spec["allocateLoadBalancerNodePorts"] is True


def test_a_secret_takes_text(api: cluster.Cluster) -> None:
    """``stringData`` becomes ``data``."""
    made = api.create("secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    assert (made["data"], made["type"]) == ({"a": "Yg=="}, "Opaque")
    with pytest.raises(statuses.Refusal, match="illegal base64 data at input byte 0"):
        api.create("secrets", {"metadata": {"name": "t"}, "data": {"a": "%"}})


def test_a_slices_ports_have_names_and_protocols(api: cluster.Cluster) -> None:
    """The empty name is a name."""
    made = api.create("endpointslices", {"metadata": {"name": "s"}, "addressType": "IPv4", "ports": [{"port": 80}]})
    assert made["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]
    assert made["endpoints"] is None


def test_an_event_shows_what_is_empty(api: cluster.Cluster) -> None:
    """Times and structs are there, as Go writes them."""
    made = api.create("events", {"metadata": {"name": "e"}, "message": "m"})
    assert (made["source"], made["eventTime"], made["reportingComponent"]) == ({}, None, "")


def test_a_node_shows_what_it_does_not_say(api: cluster.Cluster) -> None:
    """A status from the client is kept, the rest is empty."""
    status = {"nodeInfo": {"osImage": "Debian"}}
    made = api.create("nodes", {"metadata": {"name": "n"}, "status": status}, namespace="")
    info = made["status"]["nodeInfo"]
    assert (info["osImage"], info["machineID"]) == ("Debian", "")


def test_an_external_name_gives_its_address_back(api: cluster.Cluster) -> None:
    """A name elsewhere has no address here."""
    api.service()
    spec = api.patch("services", "s", {"spec": {"type": "ExternalName", "externalName": "a.example"}})["spec"]
    assert "clusterIP" not in spec


def test_a_service_with_addresses_outside_has_a_policy_for_them(api: cluster.Cluster) -> None:
    """Whatever its type, it is reached from outside."""
    assert api.service(externalIPs=["172.18.0.250"])["spec"]["externalTrafficPolicy"] == "Cluster"


def test_a_headless_service_without_selector_has_both_families(api: cluster.Cluster) -> None:
    """Its endpoints are somebody else's, of whatever family."""
    spec = api.service(clusterIP="None")["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")
    assert api.service("t", clusterIP="None", selector={"a": "b"})["spec"]["ipFamilies"] == ["IPv4"]
