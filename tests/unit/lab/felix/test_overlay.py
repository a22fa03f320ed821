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


def recorded(phase: str, node: str, name: str) -> list[dict[str, Any]]:
    """A listing of ``ip -j`` on a recorded node."""
    items: list[dict[str, Any]] = json.loads((recordings.path() / "nodes" / phase / node / name).read_text())
    return items


def wanted(node: str, state: cluster.Cluster, *, external: bool = False) -> overlay.Overlay:
    """The overlay of a node that has one."""
    want = overlay.wanted(node, state, external=external)
    assert want is not None
    return want


@pytest.mark.parametrize("node", RECORDED_NODES)
@pytest.mark.parametrize(("phase", "external"), [("iptables", False), ("ebpf", True), ("reverted", False)])
def test_routes_equal_the_recorded_ones(phase: str, external: bool, node: str, state: cluster.Cluster) -> None:
    """Blocks of other nodes by way of their tunnel addresses, and a blackhole for the node's own, in every mode."""
    present = overlay.paths_present(recorded(phase, node, "ip-route.json"), (), ())
    assert wanted(node, state, external=external).paths.routes == present.routes


@pytest.mark.parametrize("node", RECORDED_NODES)
@pytest.mark.parametrize(("phase", "external"), [("iptables", False), ("ebpf", True), ("reverted", False)])
def test_device_equals_the_recorded_one_but_for_its_mac(
    phase: str, external: bool, node: str, state: cluster.Cluster
) -> None:
    """The recorded device is accepted as the wanted one once the MAC, which Calico draws, is taken from it."""
    links = recorded(phase, node, "ip-link.json")
    addresses = {item["ifname"]: item["addr_info"] for item in recorded(phase, node, "ip-addr.json")}
    listing = [{**link, "addr_info": addresses[link["ifname"]]} for link in links]
    mac = next(link["address"] for link in links if link["ifname"] == overlay.DEVICE)
    tunnel = dataclasses.replace(wanted(node, state, external=external).tunnel, mac=mac)
    assert overlay.device_matches(listing, tunnel)
    other = dataclasses.replace(wanted(node, state, external=not external).tunnel, mac=mac)
    assert not overlay.device_matches(listing, other)


def test_neighbours_are_the_other_nodes(state: cluster.Cluster) -> None:
    """Each other node's tunnel address has its MAC, and the MAC is behind the node's own address."""
    paths = wanted("kind-worker", state).paths
    behind = {item.mac: str(item.address) for item in paths.forwarding}
    assert {str(item.tunnel): behind[item.mac] for item in paths.neighbours} == {
        "10.244.82.0": "172.18.0.2",
        "10.244.110.128": "172.18.0.4",
    }


def test_external_device_is_told_by_the_programs(state: cluster.Cluster) -> None:
    """In eBPF mode there are neighbours, but nothing says behind which node they are."""
    paths = wanted("kind-worker", state, external=True).paths
    assert len(paths.neighbours) == 2
    assert paths.forwarding == frozenset()


def test_node_without_tunnel_address_has_no_overlay(state: cluster.Cluster) -> None:
    """Until the address is assigned there is nothing to make, here or on the others."""
    first, *others = state.nodes
    early = dataclasses.replace(state, nodes=(dataclasses.replace(first, tunnel=None), *others))
    assert overlay.wanted(first.name, early, external=False) is None
    assert first.blocks[0] not in {route.block for route in wanted("kind-worker", early).paths.routes}


def test_nothing_changes_where_all_is_there(state: cluster.Cluster) -> None:
    """A second pass has no commands."""
    want = wanted("kind-worker", state).paths
    assert overlay.render_changes(want, want) == ()
    assert overlay.render_forwarding(want, want) == ()
    assert want.includes(want)


def test_commands_lead_from_nothing_to_the_recorded_state(state: cluster.Cluster) -> None:
    """The neighbours come before the routes that use them."""
    want, nothing = wanted("kind-worker", state).paths, overlay.Paths()
    assert not nothing.includes(want)
    assert overlay.render_changes(want, nothing) == (
        "neigh replace 10.244.82.0 lladdr 66:00:ac:12:00:02 nud permanent dev vxlan.calico",
        "neigh replace 10.244.110.128 lladdr 66:00:ac:12:00:04 nud permanent dev vxlan.calico",
        "route replace 10.244.82.0/26 via 10.244.82.0 dev vxlan.calico onlink mtu 1450",
        "route replace 10.244.110.128/26 via 10.244.110.128 dev vxlan.calico onlink mtu 1450",
        "route replace blackhole 10.244.162.128/26 proto 80",
    )
    assert overlay.render_forwarding(want, nothing) == (
        "fdb replace 66:00:ac:12:00:02 dev vxlan.calico dst 172.18.0.2 self permanent",
        "fdb replace 66:00:ac:12:00:04 dev vxlan.calico dst 172.18.0.4 self permanent",
    )


def test_node_that_left_is_forgotten(state: cluster.Cluster) -> None:
    """Its route goes first, then its neighbour and forwarding entries."""
    before = wanted("kind-worker", state).paths
    after = wanted("kind-worker", dataclasses.replace(state, nodes=state.nodes[:2])).paths
    assert overlay.render_changes(after, before) == (
        "route del 10.244.110.128/26 via 10.244.110.128 dev vxlan.calico onlink mtu 1450",
        "neigh del 10.244.110.128 dev vxlan.calico",
    )
    assert overlay.render_forwarding(after, before) == (
        "fdb del 66:00:ac:12:00:04 dev vxlan.calico dst 172.18.0.4 self",
    )


def test_node_that_moved_is_replaced_in_place(state: cluster.Cluster) -> None:
    """A new tunnel address of a known block replaces the route; nothing is without one in between."""
    before = wanted("kind-worker", state).paths
    moved = dataclasses.replace(state.nodes[2], tunnel=ipaddress.IPv4Address("10.244.110.129"))
    after = wanted("kind-worker", dataclasses.replace(state, nodes=(*state.nodes[:2], moved))).paths
    assert overlay.render_changes(after, before) == (
        "neigh replace 10.244.110.129 lladdr 66:00:ac:12:00:04 nud permanent dev vxlan.calico",
        "route replace 10.244.110.128/26 via 10.244.110.129 dev vxlan.calico onlink mtu 1450",
        "neigh del 10.244.110.128 dev vxlan.calico",
    )


def test_only_lasting_neighbours_count() -> None:
    """A neighbour that the kernel may forget is not one of felix's, nor is one of another address family."""
    neighbours = [
        {"dst": "10.244.82.0", "lladdr": "66:00:ac:12:00:02", "state": ["PERMANENT"]},
        {"dst": "10.244.2.0", "lladdr": "66:00:ac:12:00:02", "state": ["STALE"]},
        {"dst": "fe80::1", "lladdr": "66:00:ac:12:00:02", "state": ["PERMANENT"]},
    ]
    assert overlay.paths_present((), neighbours, ()).neighbours == {
        overlay.Neighbour(ipaddress.IPv4Address("10.244.82.0"), "66:00:ac:12:00:02")
    }


def test_blocks_lead_nowhere_while_the_device_is_replaced(state: cluster.Cluster) -> None:
    """Nothing for another node's pods may leave by the default route, where it would be masqueraded wrongly."""
    lines = overlay.render_device(wanted("kind-worker", state), replace=True)
    assert lines[:4] == (
        "route replace blackhole 10.244.82.0/26 proto 80",
        "route replace blackhole 10.244.110.128/26 proto 80",
        "route replace blackhole 10.244.162.128/26 proto 80",
        "link del vxlan.calico",
    )
    assert lines[4].startswith("link add vxlan.calico ")


def test_there_is_nothing_to_delete_on_a_new_node(state: cluster.Cluster) -> None:
    """A device that is not there is not deleted."""
    lines = overlay.render_device(wanted("kind-worker", state), replace=False)
    assert not [line for line in lines if line.startswith("link del")]
