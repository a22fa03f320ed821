"""What the maps must hold, from Services, endpoints and nodes."""

from __future__ import annotations

import pytest

from harness.lab import services
from harness.lab.bpf import contents, layouts
from tests.unit.lab.bpf import clusters
from tests.unit.lab.bpf.clusters import Address, Network, endpoint, service

HERE, THERE = endpoint("10.244.1.5", "one"), endpoint("10.244.2.6", "two")
TCP, UDP = 6, 17


def frontends(*ports: services.ServicePort) -> dict[layouts.FrontendKey, contents.Frontend]:
    """The frontends of node one."""
    wanted = contents.desired(contents.Settings(), clusters.cluster(*ports), "one")
    return dict(wanted.frontends)


def backend(ip: str) -> layouts.Backend:
    """An endpoint's backend."""
    return layouts.Backend(Address(ip), 8080)


def test_a_service_is_at_its_cluster_ip_and_at_every_address_of_the_node() -> None:
    """And once for all other nodes' addresses."""
    addresses = {(str(key.address), key.port, key.protocol) for key in frontends(service(HERE))}
    assert addresses == {
        ("10.96.0.9", 80, TCP),
        ("172.18.0.2", 30080, TCP),
        ("10.244.1.0", 30080, TCP),
        ("255.255.255.255", 30080, TCP),
    }


def test_further_host_addresses_serve_node_ports_too() -> None:
    """An address that the node has besides is one more to dial."""
    cluster = contents.Cluster(
        ports=(service(HERE),), nodes=(clusters.ONE, clusters.TWO), host_addresses=(Address("192.0.2.7"),)
    )
    wanted = contents.desired(contents.Settings(), cluster, "one")
    assert layouts.FrontendKey(Address("192.0.2.7"), 30080, TCP) in wanted.frontends
    assert wanted.routes[Network("192.0.2.7/32")].flags == layouts.LOCAL | layouts.HOST


def test_backends_of_this_node_come_first() -> None:
    """So that a count says which are local."""
    (frontend,) = set(frontends(service(THERE, HERE, node_port=0)).values())
    assert frontend.backends == (backend("10.244.1.5"), backend("10.244.2.6"))
    assert frontend.local == 1


@pytest.mark.parametrize(("external", "flag"), [("Cluster", 0), ("Local", layouts.EXTERNAL_LOCAL)])
def test_external_policy_marks_what_can_be_dialled_from_outside(external: services.Policy, flag: int) -> None:
    """A ClusterIP can't be, and has no mark."""
    found = frontends(service(HERE, external=external))
    assert found[layouts.FrontendKey(Address("172.18.0.2"), 30080, TCP)].flags == layouts.EXTERNAL | flag
    assert found[layouts.FrontendKey(Address("10.96.0.9"), 80, TCP)].flags == 0


def test_internal_policy_marks_the_cluster_ip_only() -> None:
    """kube-proxy applies it there and not to NodePorts."""
    found = frontends(service(HERE, internal="Local"))
    assert found[layouts.FrontendKey(Address("10.96.0.9"), 80, TCP)].flags == layouts.INTERNAL_LOCAL
    assert found[layouts.FrontendKey(Address("172.18.0.2"), 30080, TCP)].flags == layouts.EXTERNAL


def test_external_ips_can_be_dialled_from_outside() -> None:
    """On the service's port, not the node's."""
    found = frontends(service(HERE, external_ips=("192.0.2.9", "2001:db8::9")))
    assert found[layouts.FrontendKey(Address("192.0.2.9"), 80, TCP)].flags == layouts.EXTERNAL


def test_affinity_is_kept_in_seconds() -> None:
    """On every frontend of the service."""
    assert {frontend.affinity_s for frontend in frontends(service(HERE, affinity_s=60)).values()} == {60}


def test_protocols_that_the_programs_do_not_know_are_left_out() -> None:
    """SCTP is none of Calico's either."""
    assert frontends(service(HERE, protocol="SCTP")) == {}
    assert {key.protocol for key in frontends(service(HERE, protocol="UDP"))} == {UDP}


def test_endpoint_that_is_not_ready_gets_nothing() -> None:
    """And a service without any has frontends that refuse."""
    (frontend,) = set(frontends(service(endpoint("10.244.1.5", "one", ready=False), node_port=0)).values())
    assert (frontend.backends, frontend.local) == ((), 0)


def test_ending_endpoints_serve_where_no_other_does() -> None:
    """As kube-proxy does for terminating endpoints."""
    ending = endpoint("10.244.1.5", "one", ready=False, terminating=True)
    (alone,) = set(frontends(service(ending, node_port=0)).values())
    assert (alone.backends, alone.local) == ((backend("10.244.1.5"),), 1)
    (beside,) = set(frontends(service(ending, THERE, node_port=0)).values())
    assert (beside.backends, beside.local) == ((backend("10.244.2.6"),), 0)


def test_ending_endpoint_of_this_node_serves_a_local_policy() -> None:
    """A policy that keeps to the node has no other to take."""
    ending = endpoint("10.244.1.5", "one", ready=False, terminating=True)
    found = frontends(service(ending, THERE, external="Local"))
    frontend = found[layouts.FrontendKey(Address("172.18.0.2"), 30080, TCP)]
    assert frontend.backends[: frontend.local] == (backend("10.244.1.5"),)


def test_routes_say_what_an_address_is_and_who_leads_to_it() -> None:
    """Hosts, pods here, blocks there, and the pool above them."""
    routes = contents.desired(contents.Settings(), clusters.cluster(), "one").routes
    pool = layouts.IN_POOL | layouts.NAT_OUT
    assert routes == {
        Network("10.244.0.0/16"): contents.Route(flags=pool),
        Network("10.244.2.0/26"): contents.Route(
            flags=layouts.WORKLOAD | layouts.TUNNELED | pool, next_hop=Address("172.18.0.3")
        ),
        Network("10.244.2.0/32"): contents.Route(
            flags=layouts.HOST | layouts.TUNNELED | pool, next_hop=Address("172.18.0.3")
        ),
        Network("172.18.0.3/32"): contents.Route(flags=layouts.HOST, next_hop=Address("172.18.0.3")),
        Network("172.18.0.2/32"): contents.Route(flags=layouts.LOCAL | layouts.HOST),
        Network("10.244.1.0/32"): contents.Route(flags=layouts.LOCAL | layouts.HOST),
        Network("10.244.1.5/32"): contents.Route(flags=layouts.LOCAL | layouts.WORKLOAD | pool, ifname="cali5"),
    }


def test_pool_without_masquerade_has_no_such_flag() -> None:
    """``routes dump`` shows it."""
    cluster = contents.Cluster(
        nodes=(clusters.ONE, clusters.TWO), pools=(contents.Pool(cidr=clusters.POOL.cidr, nat_outgoing=False),)
    )
    routes = contents.desired(contents.Settings(), cluster, "one").routes
    assert not any(route.flags & layouts.NAT_OUT for route in routes.values())


def test_unknown_node_is_an_error() -> None:
    """A node can't serve before the cluster has it."""
    with pytest.raises(KeyError):
        contents.desired(contents.Settings(), clusters.cluster(), "three")


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        (contents.Settings(), layouts.SETTING_CONNECT_TCP),
        (contents.Settings(connect_time="Disabled"), 0),
        (contents.Settings(connect_time="Enabled"), layouts.SETTING_CONNECT_TCP | layouts.SETTING_CONNECT_UDP),
        (
            contents.Settings(external_service_mode="DSR"),
            layouts.SETTING_CONNECT_TCP | layouts.SETTING_DSR,
        ),
    ],
)
def test_settings_become_flags(settings: contents.Settings, flags: int) -> None:
    """As the programs read them."""
    assert contents.settings_flags(settings) == flags
