"""The overlay: vxlan.calico and what is routed over it. Pure.

What a node must have, as the recorded cluster has it (``nodes/PHASE/NODE/ip-route.json`` and ``ip-link.json``): the
device with the node's tunnel address, one route for each block of another node by way of that node's tunnel address,
the neighbour that this address is, and a blackhole for the node's own blocks, so that a packet for an address
without a pod goes nowhere.

In iptables mode the device has the overlay's network identifier, and its forwarding entries say behind which node
each neighbour is; it does not learn. In eBPF mode the device is ``external``: the programs say for each packet where
it goes. Since the kernel cannot turn one into the other, a switch makes the device anew.
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
EXTERNAL_MTU = 1500
BLACKHOLE_PROTOCOL = "80"


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """The tunnel device of this node.

    Attributes:
        vni: Its network identifier; None for a device that is told for each packet (``external``).
        port: Its UDP port.
        local: The address that encapsulated packets leave with: the node's own.
        mac: Its MAC.
        address: Its only address, as a /32.
    """

    vni: int | None
    port: int
    local: ipaddress.IPv4Address
    mac: str
    address: ipaddress.IPv4Address

    @property
    def mtu(self) -> int:
        """The longest packet that the device takes; an external one leaves that to the programs, as recorded."""
        return MTU if self.vni is not None else EXTERNAL_MTU


@dataclass(frozen=True, order=True)
class Route:
    """A route to a block: over the tunnel by way of ``via``, or a blackhole where that is None."""

    block: ipaddress.IPv4Network
    via: ipaddress.IPv4Address | None


@dataclass(frozen=True, order=True)
class Neighbour:
    """Which MAC has another node's tunnel address."""

    tunnel: ipaddress.IPv4Address
    mac: str


@dataclass(frozen=True, order=True)
class Forwarding:
    """Behind which node's address a MAC is."""

    mac: str
    address: ipaddress.IPv4Address


@dataclass(frozen=True, kw_only=True)
class Paths:
    """What leads to the other nodes: wanted, or present."""

    routes: frozenset[Route] = frozenset()
    neighbours: frozenset[Neighbour] = frozenset()
    forwarding: frozenset[Forwarding] = frozenset()

    def includes(self, other: Paths) -> bool:
        """Whether everything of the other is here too."""
        return (
            self.routes >= other.routes and self.neighbours >= other.neighbours and self.forwarding >= other.forwarding
        )


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Everything the overlay is made of on one node."""

    tunnel: Tunnel
    paths: Paths


def wanted(name: str, state: cluster.Cluster, *, external: bool) -> Overlay | None:
    """What this node must have; None while it has no address of its own yet."""
    own = state.node(name)
    if own is None or own.tunnel is None:
        return None
    others = [(node, node.tunnel) for node in state.nodes if node.name != name and node.tunnel is not None]
    routes = {Route(block, tunnel) for node, tunnel in others for block in node.blocks}
    return Overlay(
        tunnel=Tunnel(
            vni=None if external else state.settings.vxlan_vni,
            port=state.settings.vxlan_port,
            local=own.address,
            mac=own.tunnel_mac,
            address=own.tunnel,
        ),
        paths=Paths(
            routes=frozenset(routes | {Route(block, None) for block in own.blocks}),
            neighbours=frozenset(Neighbour(tunnel, node.tunnel_mac) for node, tunnel in others),
            forwarding=frozenset(() if external else (Forwarding(node.tunnel_mac, node.address) for node, _ in others)),
        ),
    )


def device_matches(links: Iterable[Mapping[str, Any]], tunnel: Tunnel) -> bool:
    """Whether ``ip -d -j addr show`` lists the device as it must be."""
    return any(link.get("ifname") == DEVICE and _matches(link, tunnel) for link in links)


def _matches(link: Mapping[str, Any], tunnel: Tunnel) -> bool:
    data = (link.get("linkinfo") or {}).get("info_data") or {}
    addresses = [entry["local"] for entry in link.get("addr_info", ()) if entry.get("family") == "inet"]
    if tunnel.vni is None:
        kind = data.get("external") is True
    else:
        kind = (data.get("id"), data.get("local"), data.get("learning")) == (tunnel.vni, str(tunnel.local), False)
    return (
        kind
        and data.get("port") == tunnel.port
        and link.get("address") == tunnel.mac
        and link.get("mtu") == tunnel.mtu
        and "UP" in link.get("flags", ())
        and addresses == [str(tunnel.address)]
    )


def render_device(want: Overlay, *, replace: bool) -> tuple[str, ...]:
    """Commands for ``ip -batch`` that make the device anew.

    While it is not there, packets for the other nodes' pods must not leave by the default route: masqueraded with
    another address, they would stay so for the rest of their connection. So the blocks lead nowhere meanwhile.
    """
    tunnel = want.tunnel
    kind = "external" if tunnel.vni is None else f"id {tunnel.vni} local {tunnel.local} dev {DATA_DEVICE}"
    return (
        *(f"route replace {_route(Route(route.block, None))}" for route in sorted(want.paths.routes, key=_order)),
        *((f"link del {DEVICE}",) if replace else ()),
        f"link add {DEVICE} address {tunnel.mac} mtu {tunnel.mtu} type vxlan {kind} dstport {tunnel.port} nolearning",
        # The lab speaks IPv4 only; without this the device would bring router solicitations of its own.
        f"link set {DEVICE} addrgenmode none",
        f"addr add {tunnel.address}/32 dev {DEVICE}",
        f"link set {DEVICE} up",
    )


def paths_present(
    routes: Iterable[Mapping[str, Any]],
    neighbours: Iterable[Mapping[str, Any]],
    forwarding: Iterable[Mapping[str, Any]],
) -> Paths:
    """Felix's own among what ``ip -j route``, ``ip -j neigh show dev`` and ``bridge -j fdb show dev`` list."""
    return Paths(
        routes=frozenset(_routes(routes)),
        neighbours=frozenset(
            Neighbour(ipaddress.IPv4Address(item["dst"]), item["lladdr"])
            for item in neighbours
            if "PERMANENT" in item.get("state", ()) and "lladdr" in item and _IPV4.fullmatch(item["dst"])
        ),
        forwarding=frozenset(
            Forwarding(item["mac"], ipaddress.IPv4Address(item["dst"]))
            for item in forwarding
            if _IPV4.fullmatch(item.get("dst", ""))
        ),
    )


def _routes(listing: Iterable[Mapping[str, Any]]) -> Iterable[Route]:
    for item in listing:
        if item.get("type") == "blackhole" and item.get("protocol") == BLACKHOLE_PROTOCOL:
            yield Route(ipaddress.IPv4Network(item["dst"]), None)
        elif item.get("dev") == DEVICE and "gateway" in item:
            yield Route(ipaddress.IPv4Network(item["dst"]), ipaddress.IPv4Address(item["gateway"]))


def render_changes(want: Paths, present: Paths) -> tuple[str, ...]:
    """Commands for ``ip -batch`` that lead from what is present to what is wanted.

    What leads somewhere comes before what uses it, and what is no longer used goes last.
    """
    # "replace" has already taken the place of what leads to the same block or neighbour.
    blocks = {route.block for route in want.routes}
    tunnels = {neighbour.tunnel for neighbour in want.neighbours}
    return (
        *(
            f"neigh replace {item.tunnel} lladdr {item.mac} nud permanent dev {DEVICE}"
            for item in sorted(want.neighbours - present.neighbours)
        ),
        *(f"route replace {_route(item)}" for item in sorted(want.routes - present.routes, key=_order)),
        *(
            f"route del {_route(item)}"
            for item in sorted(present.routes - want.routes, key=_order)
            if item.block not in blocks
        ),
        *(
            f"neigh del {item.tunnel} dev {DEVICE}"
            for item in sorted(present.neighbours - want.neighbours)
            if item.tunnel not in tunnels
        ),
    )


def render_forwarding(want: Paths, present: Paths) -> tuple[str, ...]:
    """Commands for ``bridge -batch`` that lead from the forwarding entries present to those wanted."""
    return (
        *(
            f"fdb del {item.mac} dev {DEVICE} dst {item.address} self"
            for item in sorted(present.forwarding - want.forwarding)
        ),
        *(
            f"fdb replace {item.mac} dev {DEVICE} dst {item.address} self permanent"
            for item in sorted(want.forwarding - present.forwarding)
        ),
    )


def _route(route: Route) -> str:
    if route.via is None:
        return f"blackhole {route.block} proto {BLACKHOLE_PROTOCOL}"
    return f"{route.block} via {route.via} dev {DEVICE} onlink mtu {MTU}"


def _order(route: Route) -> tuple[ipaddress.IPv4Network, bool]:
    return route.block, route.via is None


_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+")
