"""The overlay that a node must have, held against the recorded cluster."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from typing import Any

import pytest

from harness.lab.felix import cluster, overlay
from tests import recordings
from tests.unit.lab.felix.conftest import RECORDED_NODES


def recorded(node: str, name: str) -> list[dict[str, Any]]:
    """A listing of ``ip -j`` on a recorded node in iptables mode."""
    items: list[dict[str, Any]] = json.loads((recordings.path() / "nodes" / "iptables" / node / name).read_text())
    return items


def wanted(node: str, state: cluster.Cluster) -> overlay.Overlay:
    """The overlay of a node that has one."""
    want = overlay.wanted(node, state)
    assert want is not None
    return want


@pytest.mark.parametrize("node", RECORDED_NODES)
def test_routes_equal_the_recorded_ones(node: str, state: cluster.Cluster) -> None:
    """Blocks of other nodes by way of their tunnel addresses, and a blackhole for the node's own."""
    assert wanted(node, state).routes == overlay.routes_present(recorded(node, "ip-route.json"))


@pytest.mark.parametrize("node", RECORDED_NODES)
def test_device_equals_the_recorded_one_but_for_its_mac(node: str, state: cluster.Cluster) -> None:
    """The recorded device is accepted as the wanted one once the MAC, which Calico draws, is taken from it."""
    links = recorded(node, "ip-link.json")
    addresses = {item["ifname"]: item["addr_info"] for item in recorded(node, "ip-addr.json")}
    listing = [{**link, "addr_info": addresses[link["ifname"]]} for link in links]
    mac = next(link["address"] for link in links if link["ifname"] == overlay.DEVICE)
    tunnel = dataclasses.replace(wanted(node, state).tunnel, mac=mac)
    assert overlay.device_matches(listing, tunnel)
    assert not overlay.device_matches(listing, dataclasses.replace(tunnel, vni=1))


def test_peers_are_the_other_nodes(state: cluster.Cluster) -> None:
    """Each other node's tunnel address has its MAC, and the MAC is behind the node's own address."""
    assert {(str(peer.tunnel), str(peer.address)) for peer in wanted("kind-worker", state).peers} == {
        ("10.244.82.0", "172.18.0.2"),
        ("10.244.110.128", "172.18.0.4"),
    }


def test_node_without_tunnel_address_has_no_overlay(state: cluster.Cluster) -> None:
    """Until the address is assigned there is nothing to make, here or on the others."""
    first, *others = state.nodes
    early = dataclasses.replace(state, nodes=(dataclasses.replace(first, tunnel=None), *others))
    assert overlay.wanted(first.name, early) is None
    assert first.blocks[0] not in {route.block for route in wanted("kind-worker", early).routes}


def test_nothing_changes_where_all_is_there(state: cluster.Cluster) -> None:
    """A second pass has no commands."""
    want = wanted("kind-worker", state)
    assert overlay.render_changes(want, want.routes, want.peers) == ()
    assert overlay.render_forwarding(want, want.peers) == ()
    assert overlay.complete(want, want.routes, want.peers)


def test_commands_lead_from_nothing_to_the_recorded_state(state: cluster.Cluster) -> None:
    """The neighbours come before the routes that use them."""
    want = wanted("kind-worker", state)
    assert not overlay.complete(want, frozenset(), frozenset())
    assert overlay.render_changes(want, frozenset(), frozenset()) == (
        "neigh replace 10.244.82.0 lladdr 66:00:ac:12:00:02 nud permanent dev vxlan.calico",
        "neigh replace 10.244.110.128 lladdr 66:00:ac:12:00:04 nud permanent dev vxlan.calico",
        "route replace 10.244.82.0/26 via 10.244.82.0 dev vxlan.calico onlink mtu 1450",
        "route replace 10.244.110.128/26 via 10.244.110.128 dev vxlan.calico onlink mtu 1450",
        "route replace blackhole 10.244.162.128/26 proto 80",
    )
    assert overlay.render_forwarding(want, frozenset()) == (
        "fdb replace 66:00:ac:12:00:02 dev vxlan.calico dst 172.18.0.2 self permanent",
        "fdb replace 66:00:ac:12:00:04 dev vxlan.calico dst 172.18.0.4 self permanent",
    )


def test_node_that_left_is_forgotten(state: cluster.Cluster) -> None:
    """Its routes go first, then its neighbour and forwarding entries."""
    before = wanted("kind-worker", state)
    after = wanted("kind-worker", dataclasses.replace(state, nodes=state.nodes[:2]))
    assert overlay.render_changes(after, before.routes, before.peers) == (
        "route del 10.244.110.128/26 via 10.244.110.128 dev vxlan.calico onlink mtu 1450",
        "neigh del 10.244.110.128 dev vxlan.calico",
    )
    assert overlay.render_forwarding(after, before.peers) == (
        "fdb del 66:00:ac:12:00:04 dev vxlan.calico dst 172.18.0.4 self",
    )


def test_node_that_moved_is_replaced_in_place(state: cluster.Cluster) -> None:
    """A new tunnel address of a known block replaces the route; nothing is without one in between."""
    before = wanted("kind-worker", state)
    moved = dataclasses.replace(state.nodes[2], tunnel=ipaddress.IPv4Address("10.244.110.129"))
    after = wanted("kind-worker", dataclasses.replace(state, nodes=(*state.nodes[:2], moved)))
    assert overlay.render_changes(after, before.routes, before.peers) == (
        "neigh replace 10.244.110.129 lladdr 66:00:ac:12:00:04 nud permanent dev vxlan.calico",
        "route replace 10.244.110.128/26 via 10.244.110.129 dev vxlan.calico onlink mtu 1450",
        "neigh del 10.244.110.128 dev vxlan.calico",
    )


def test_a_peer_needs_both_entries() -> None:
    """A neighbour whose MAC is behind no address, or that the kernel may forget, is not a peer."""
    neighbours = [
        {"dst": "10.244.82.0", "lladdr": "66:00:ac:12:00:02", "state": ["PERMANENT"]},
        {"dst": "10.244.1.0", "lladdr": "66:00:ac:12:00:09", "state": ["PERMANENT"]},
        {"dst": "10.244.2.0", "lladdr": "66:00:ac:12:00:02", "state": ["STALE"]},
    ]
    forwarding = [{"mac": "66:00:ac:12:00:02", "dst": "172.18.0.2"}]
    assert overlay.peers_present(neighbours, forwarding) == {
        overlay.Peer(ipaddress.IPv4Address("10.244.82.0"), "66:00:ac:12:00:02", ipaddress.IPv4Address("172.18.0.2"))
    }


def test_device_is_replaced_only_where_there_is_one(state: cluster.Cluster) -> None:
    """The old device goes before the new one comes."""
    tunnel = wanted("kind-worker", state).tunnel
    assert overlay.render_device(tunnel, replace=True)[0] == "link del vxlan.calico"
    assert overlay.render_device(tunnel, replace=False)[0].startswith("link add vxlan.calico ")
