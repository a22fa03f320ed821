"""The overlay: vxlan.calico and what is routed over it. Pure.

What a node must have, as the recorded cluster has it (``nodes/iptables/NODE/ip-route.json`` and ``ip-link.json``):
the device with the node's tunnel address, one route for each block of another node by way of that node's tunnel
address, the neighbour and forwarding entries that lead there without any broadcast (the device does not learn),
and a blackhole for the node's own blocks, so that a packet for an address without a pod goes nowhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.lab.felix import cluster

DEVICE = "vxlan.calico"
DATA_DEVICE = "eth0"
MTU = 1450
BLACKHOLE_PROTOCOL = "80"


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """The tunnel device of this node.

    Attributes:
        vni: Its network identifier.
        port: Its UDP port.
        local: The address that encapsulated packets leave with: the node's own.
        mac: Its MAC.
        address: Its only address, as a /32.
    """

    vni: int
    port: int
    local: ipaddress.IPv4Address
    mac: str
    address: ipaddress.IPv4Address


@dataclass(frozen=True, order=True)
class Route:
    """A route to a block: over the tunnel by way of ``via``, or a blackhole where that is None."""

    block: ipaddress.IPv4Network
    via: ipaddress.IPv4Address | None


@dataclass(frozen=True, order=True)
class Peer:
    """How to reach another node's tunnel address: which MAC has it, and behind which node's address that MAC is."""

    tunnel: ipaddress.IPv4Address
    mac: str
    address: ipaddress.IPv4Address


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Everything the overlay is made of on one node."""

    tunnel: Tunnel
    routes: frozenset[Route]
    peers: frozenset[Peer]


def wanted(name: str, state: cluster.Cluster) -> Overlay | None:
    """What this node must have; None while it has no address of its own yet."""
    own = state.node(name)
    if own is None or own.tunnel is None:
        return None
    others = [node for node in state.nodes if node.name != name and node.tunnel is not None]
    routes = {Route(block, node.tunnel) for node in others for block in node.blocks}
    return Overlay(
        tunnel=Tunnel(
            vni=state.settings.vxlan_vni,
            port=state.settings.vxlan_port,
            local=own.address,
            mac=own.tunnel_mac,
            address=own.tunnel,
        ),
        routes=frozenset(routes | {Route(block, None) for block in own.blocks}),
        peers=frozenset(Peer(node.tunnel, node.tunnel_mac, node.address) for node in others if node.tunnel),
    )


def device_matches(links: Iterable[Mapping[str, Any]], tunnel: Tunnel) -> bool:
    """Whether ``ip -d -j addr show`` lists the device as it must be."""
    for link in links:
        if link.get("ifname") != DEVICE:
            continue
        data = (link.get("linkinfo") or {}).get("info_data") or {}
        fixed = (data.get("id"), data.get("port"), data.get("local"), data.get("learning"))
        addresses = [entry["local"] for entry in link.get("addr_info", ()) if entry.get("family") == "inet"]
        return (
            fixed == (tunnel.vni, tunnel.port, str(tunnel.local), False)
            and link.get("address") == tunnel.mac
            and link.get("mtu") == MTU
            and "UP" in link.get("flags", ())
            and addresses == [str(tunnel.address)]
        )
    return False


def render_device(tunnel: Tunnel, *, replace: bool) -> tuple[str, ...]:
    """Commands for ``ip -batch`` that make the device anew."""
    return (
        *((f"link del {DEVICE}",) if replace else ()),
        f"link add {DEVICE} address {tunnel.mac} mtu {MTU} type vxlan id {tunnel.vni} dstport {tunnel.port}"
        f" local {tunnel.local} dev {DATA_DEVICE} nolearning",
        # Calico's pods use IPv4 only here; without this the device would bring router solicitations of its own.
        f"link set {DEVICE} addrgenmode none",
        f"addr add {tunnel.address}/32 dev {DEVICE}",
        f"link set {DEVICE} up",
    )


def routes_present(listing: Iterable[Mapping[str, Any]]) -> frozenset[Route]:
    """Felix's own routes among those of ``ip -j route show table main``."""
    found = set()
    for item in listing:
        if item.get("type") == "blackhole" and item.get("protocol") == BLACKHOLE_PROTOCOL:
            found.add(Route(ipaddress.IPv4Network(item["dst"]), None))
        elif item.get("dev") == DEVICE and "gateway" in item:
            found.add(Route(ipaddress.IPv4Network(item["dst"]), ipaddress.IPv4Address(item["gateway"])))
    return frozenset(found)


def peers_present(neighbours: Iterable[Mapping[str, Any]], forwarding: Iterable[Mapping[str, Any]]) -> frozenset[Peer]:
    """Peers that have both entries in ``ip -j neigh show dev`` and ``bridge -j fdb show dev``."""
    behind = {item["mac"]: item["dst"] for item in forwarding if "dst" in item}
    return frozenset(
        Peer(ipaddress.IPv4Address(item["dst"]), item["lladdr"], ipaddress.IPv4Address(behind[item["lladdr"]]))
        for item in neighbours
        if "PERMANENT" in item.get("state", ()) and item.get("lladdr") in behind and _is_ipv4(item["dst"])
    )


def render_changes(want: Overlay, routes: frozenset[Route], peers: frozenset[Peer]) -> tuple[str, ...]:
    """Commands for ``ip -batch`` that lead from what is present to what is wanted.

    What leads somewhere comes before what uses it, and what is no longer used goes last.
    """
    return (
        *(f"neigh replace {peer.tunnel} lladdr {peer.mac} nud permanent dev {DEVICE}" for peer in _new(want, peers)),
        *(f"route replace {_route(route)}" for route in sorted(want.routes - routes, key=_order)),
        *(f"route del {_route(route)}" for route in sorted(_gone(want, routes), key=_order)),
        *(f"neigh del {peer.tunnel} dev {DEVICE}" for peer in sorted(peers - want.peers) if _unused(peer, want)),
    )


def render_forwarding(want: Overlay, peers: frozenset[Peer]) -> tuple[str, ...]:
    """Commands for ``bridge -batch`` that lead from the peers present to those wanted."""
    kept = {peer.mac for peer in want.peers}
    return (
        *(f"fdb replace {peer.mac} dev {DEVICE} dst {peer.address} self permanent" for peer in _new(want, peers)),
        *(
            f"fdb del {peer.mac} dev {DEVICE} dst {peer.address} self"
            for peer in sorted(peers - want.peers)
            if peer.mac not in kept
        ),
    )


def complete(want: Overlay, routes: frozenset[Route], peers: frozenset[Peer]) -> bool:
    """Whether every route and peer that is wanted is present."""
    return want.routes <= routes and want.peers <= peers


def _new(want: Overlay, peers: frozenset[Peer]) -> list[Peer]:
    return sorted(want.peers - peers)


def _unused(peer: Peer, want: Overlay) -> bool:
    return peer.tunnel not in {kept.tunnel for kept in want.peers}


def _gone(want: Overlay, routes: frozenset[Route]) -> set[Route]:
    # "route replace" has already taken the place of a route to the same block.
    kept = {(route.block, route.via is None) for route in want.routes}
    return {route for route in routes - want.routes if (route.block, route.via is None) not in kept}


def _route(route: Route) -> str:
    if route.via is None:
        return f"blackhole {route.block} proto {BLACKHOLE_PROTOCOL}"
    return f"{route.block} via {route.via} dev {DEVICE} onlink mtu {MTU}"


def _order(route: Route) -> tuple[ipaddress.IPv4Network, bool]:
    return route.block, route.via is None


_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+")


def _is_ipv4(text: str) -> bool:
    return _IPV4.fullmatch(text) is not None
