"""Which endpoints of a service port a node uses."""

from __future__ import annotations

from typing import Any

from harness.lab import services
from harness.lab.proxy import endpoints
from tests.unit.lab.proxy import objects


def usable(service: dict[str, Any], *found: dict[str, Any], zone: str = "east") -> endpoints.Usable:
    """How the endpoints are sorted out on the node ``here``."""
    (port,) = services.service_ports([service], [objects.endpoint_slice(*found)])
    return endpoints.usable(port, "here", zone)


def ips(found: endpoints.Endpoints) -> list[str]:
    """The addresses, in order."""
    return [endpoint.ip for endpoint in found]


def test_endpoints_are_ordered_by_their_address_as_text() -> None:
    """10.0.0.10:8080 comes before 10.0.0.1:8080, since a zero sorts before a colon."""
    found = usable(objects.service(), *(objects.endpoint(ip) for ip in ("10.0.0.9", "10.0.0.1", "10.0.0.10")))
    assert ips(found.cluster) == ["10.0.0.10", "10.0.0.1", "10.0.0.9"]


def test_what_is_not_ready_is_not_used() -> None:
    """Only ready endpoints are used as long as there is one."""
    found = usable(
        objects.service(),
        objects.endpoint("10.0.0.1", ready=False, serving=True, terminating=True),
        objects.endpoint("10.0.0.2"),
        objects.endpoint("10.0.0.3", ready=False, serving=False),
    )
    assert ips(found.cluster) == ["10.0.0.2"]


def test_the_terminating_ones_that_serve_are_the_last_resort() -> None:
    """Without a ready endpoint, those that still serve while they terminate are used."""
    found = usable(
        objects.service(),
        objects.endpoint("10.0.0.1", ready=False, serving=True, terminating=True),
        objects.endpoint("10.0.0.2", ready=False, serving=False, terminating=True),
        objects.endpoint("10.0.0.3", ready=False, serving=False),
    )
    assert ips(found.cluster) == ["10.0.0.1"]
    assert found.anywhere


def test_policy_local_falls_back_for_itself() -> None:
    """A node whose only endpoint terminates keeps using it, though other nodes have ready ones."""
    found = usable(
        objects.node_port(externalTrafficPolicy="Local"),
        objects.endpoint("10.0.0.1", "here", ready=False, serving=True, terminating=True),
        objects.endpoint("10.0.0.2", "there"),
    )
    assert ips(found.local) == ["10.0.0.1"]
    assert ips(found.cluster) == ["10.0.0.2"]
    assert ips(found.reachable) == ["10.0.0.1", "10.0.0.2"]


def test_internal_policy_local_alone_leaves_no_use_for_other_nodes() -> None:
    """Nothing reaches another node's endpoint, yet there is one somewhere."""
    found = usable(objects.service(internalTrafficPolicy="Local"), objects.endpoint("10.0.0.2", "there"))
    assert (found.cluster, found.local, found.reachable) == ((), (), ())
    assert found.anywhere


def test_policy_local_of_a_service_that_nothing_outside_reaches_means_nothing() -> None:
    """A ClusterIP Service with a leftover external policy is used as with policy Cluster."""
    found = usable(objects.service(externalTrafficPolicy="Local"), objects.endpoint("10.0.0.2", "here"))
    assert ips(found.cluster) == ["10.0.0.2"]
    assert found.local == ()


def test_hints_for_this_node_win_over_hints_for_its_zone() -> None:
    """With a hint on every ready endpoint, this node's are used; then its zone's; then all."""
    here = {"forNodes": [{"name": "here"}], "forZones": [{"name": "west"}]}
    there = {"forNodes": [{"name": "there"}], "forZones": [{"name": "east"}]}
    both = (objects.endpoint("10.0.0.1", hints=here), objects.endpoint("10.0.0.2", hints=there))
    assert ips(usable(objects.service(), *both).cluster) == ["10.0.0.1"]
    elsewhere = (objects.endpoint("10.0.0.1", hints={"forZones": [{"name": "west"}]}), both[1])
    assert ips(usable(objects.service(), *elsewhere).cluster) == ["10.0.0.2"]
    assert ips(usable(objects.service(), *elsewhere, zone="north").cluster) == ["10.0.0.1", "10.0.0.2"]


def test_one_ready_endpoint_without_a_hint_turns_hints_off() -> None:
    """Hints count only where every ready endpoint has one; others do not matter."""
    hinted = objects.endpoint("10.0.0.1", hints={"forZones": [{"name": "east"}]})
    bare = objects.endpoint("10.0.0.2")
    gone = objects.endpoint("10.0.0.3", ready=False, serving=False)
    assert ips(usable(objects.service(), hinted, bare).cluster) == ["10.0.0.1", "10.0.0.2"]
    assert ips(usable(objects.service(), hinted, gone).cluster) == ["10.0.0.1"]


def test_no_endpoints_are_none_anywhere() -> None:
    """A Service without endpoints has none anywhere."""
    assert not usable(objects.service()).anywhere
