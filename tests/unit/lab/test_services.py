"""Services and EndpointSlices, parsed into what kube-proxy and felix stand on."""

from __future__ import annotations

import json

import pytest

from harness.core import errors
from harness.lab import services
from tests import recordings
from tests.unit.lab.proxy import objects


def only(service: objects.Object, *slices: objects.Object) -> services.ServicePort:
    """The one port of a Service."""
    (port,) = services.service_ports([service], slices)
    return port


def test_the_recorded_services_are_read() -> None:
    """Each recorded port is there once, in order of names, with its recorded endpoints."""
    folder = recordings.path() / "kube-proxy"
    read = (json.loads((folder / f"{name}.json").read_text())["items"] for name in ("services", "endpointslices"))
    ports = services.service_ports(*read)
    by_id = {port.id: port for port in ports}
    assert list(by_id) == sorted(by_id)
    assert len(by_id) == len(ports) == 15
    assert by_id["rules/affinity:http"].affinity_s == 600
    assert by_id["rules/local:http"].external_policy == "Local"
    assert by_id["rules/internal-local:http"].internal_policy == "Local"
    assert by_id["rules/external-ip:http"].external_ips == ("172.18.0.250",)
    assert by_id["rules/unnamed"].endpoints[0].address == "10.244.82.10:7000"
    assert [endpoint.terminating for endpoint in by_id["rules/terminating:http"].endpoints] == [True, False]
    assert by_id["rules/two-ports:dns"].protocol == "UDP"
    assert by_id["kube-system/kube-dns:dns"].endpoints == ()


@pytest.mark.parametrize(
    "spec",
    [
        {"clusterIPs": ["None"], "clusterIP": "None"},
        {"clusterIPs": ["fd00::1"], "clusterIP": "fd00::1"},
        {"type": "ExternalName"},
        {"clusterIPs": [], "clusterIP": ""},
    ],
    ids=["headless", "ipv6", "external name", "no address yet"],
)
def test_a_service_without_an_address_has_no_ports(spec: objects.Object) -> None:
    """There is nothing to translate."""
    assert services.service_ports([objects.service(**spec)], []) == ()


@pytest.mark.parametrize("label", services.NOT_FOR_KUBE_PROXY)
def test_what_belongs_to_another_proxy_is_left_to_it(label: str) -> None:
    """A label that says so takes out a Service, or a slice."""
    service, found = objects.service(), objects.endpoint_slice(objects.endpoint("10.0.0.1"))
    found["metadata"]["labels"][label] = "other"
    assert only(service, found).endpoints == ()
    service["metadata"]["labels"] = {label: ""}
    assert services.service_ports([service], []) == ()


def test_of_two_families_the_first_is_taken_where_it_is_this_one() -> None:
    """A dual-stack Service has its IPv4 addresses only, in whichever place they stand."""
    port = only(
        objects.balanced(
            "2001:db8::2",
            "192.0.2.1",
            clusterIPs=["fd00::1", "10.96.0.7"],
            externalIPs=["2001:db8::1", "198.51.100.1"],
            loadBalancerSourceRanges=["2001:db8::/32", " 203.0.113.9/24 "],
        )
    )
    assert port.cluster_ip == "10.96.0.7"
    assert port.external_ips == ("198.51.100.1",)
    assert port.load_balancer_ips == ("192.0.2.1",)
    assert port.load_balancer_source_ranges == ("203.0.113.0/24",)


def test_slices_of_other_families_owners_and_ports_are_passed_over() -> None:
    """Only a slice of this Service, this family and this port name and protocol counts."""
    right = objects.endpoint_slice(objects.endpoint("10.0.0.1"))
    other_family = objects.endpoint_slice(objects.endpoint("fd00::1"), name="b") | {"addressType": "IPv6"}
    other_owner = objects.endpoint_slice(objects.endpoint("10.0.0.2"), owner="other")
    ports: list[objects.Object] = [{"name": "http", "port": 1, "protocol": "UDP"}, {"name": "x", "port": 2}]
    ports.append({"name": "http", "port": None})
    other_ports = objects.endpoint_slice(objects.endpoint("10.0.0.3"), name="c", ports=ports)
    found = only(objects.service(), right, other_family, other_owner, other_ports).endpoints
    assert [endpoint.address for endpoint in found] == ["10.0.0.1:8080"]


def test_an_address_in_two_slices_counts_once_and_the_running_pod_wins() -> None:
    """A terminating pod gives way to the one that took its address over, in whatever order they come."""
    old = objects.endpoint("10.0.0.1", "old", ready=False, terminating=True)
    new = objects.endpoint("10.0.0.1", "new")
    for first, second in ((old, new), (new, old)):
        slices = objects.endpoint_slice(first, name="a"), objects.endpoint_slice(second, name="b")
        (found,) = only(objects.service(), *slices).endpoints
        assert found.node == "new"


def test_only_the_first_address_of_an_endpoint_counts() -> None:
    """As of kube-proxy, which takes the others for the same; an endpoint without any is none."""
    several = {"addresses": ["10.0.0.1", "10.0.0.2"], "conditions": {}}
    found = only(objects.service(), objects.endpoint_slice(several, {"addresses": []})).endpoints
    assert [endpoint.ip for endpoint in found] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, (True, True, False)),
        ({"ready": None, "serving": None}, (True, True, False)),
        ({"ready": False}, (False, True, False)),
        ({"ready": False, "serving": False, "terminating": True}, (False, False, True)),
    ],
)
def test_an_unknown_condition_is_ready_and_serving(
    conditions: objects.Object, expected: tuple[bool, bool, bool]
) -> None:
    """EndpointSlice v1 says that a condition that is not given is to be taken as good."""
    (found,) = only(
        objects.service(), objects.endpoint_slice({"addresses": ["10.0.0.1"], "conditions": conditions})
    ).endpoints
    assert (found.ready, found.serving, found.terminating) == expected


@pytest.mark.parametrize("kind", ["Service", "EndpointSlice"])
def test_an_object_without_a_name_is_refused(kind: str) -> None:
    """Its kind is said."""
    lists: dict[str, list[objects.Object]] = {"Service": [], "EndpointSlice": []}
    lists[kind] = [{"spec": {}}]
    with pytest.raises(errors.ParseError, match=kind):
        services.service_ports(lists["Service"], lists["EndpointSlice"])


@pytest.mark.parametrize("spec", [{"clusterIPs": 7}, {"ports": [{}]}, {"loadBalancerSourceRanges": ["x"]}])
def test_a_service_of_another_form_is_refused(spec: objects.Object) -> None:
    """Its name is said."""
    with pytest.raises(errors.ParseError, match="shop/web"):
        services.service_ports([objects.service(**spec)], [])
