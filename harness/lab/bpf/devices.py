"""The network devices that the eBPF mode needs, made by ``ip`` in this network namespace.

``vxlan.calico`` is made anew as ``external``, as the recorded nodes have it in eBPF mode: it encapsulates whatever
the programs tell it to, for the overlay and for service traffic alike. Its address, the neighbours and the routes
over it come with it, because they vanish with the old one. No other link is needed: what the recorded nodes send
through ``bpfin.cali`` is translated at eth0 and lo here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.core import process
from harness.lab.bpf import contents

Link = dict[str, Any]
"""One link of ``ip -d -j link``."""

TUNNEL = "vxlan.calico"
HOST = "eth0"
LOOPBACK = "lo"
POD_PREFIX = "cali"
OVERHEAD = 50
"""Octets that VXLAN over IPv4 adds to an IP packet (RFC 7348): Ethernet 14, VXLAN 8, UDP 8, IP 20."""

_SYS = Path("/proc/sys/net/ipv4/conf")


def links() -> dict[str, Link]:
    """Every link of this network namespace by name, as ``ip -d -j link`` shows it."""
    found = json.loads(process.run(["ip", "-d", "-j", "link", "show"]).stdout or b"[]")
    return {link["ifname"]: link for link in found}


def is_external(link: Link | None, port: int) -> bool:
    """Whether that is the tunnel device of eBPF mode."""
    data = ((link or {}).get("linkinfo") or {}).get("info_data") or {}
    return data.get("external") is True and data.get("port") == port


def tunnel_commands(
    cluster: contents.Cluster, node: contents.Node, *, port: int, mtu: int, present: bool
) -> Iterator[str]:
    """Commands for ``ip -batch`` that make the tunnel device with all that goes with it. Pure."""
    if present:
        yield f"link del {TUNNEL}"
    # The overlay's routes have their own, smaller MTU; the device itself takes what a client outside may send.
    yield f"link add {TUNNEL} address {mac(node)} mtu {mtu} type vxlan external dstport {port} nolearning udpcsum"
    yield f"link set {TUNNEL} addrgenmode none"
    yield f"addr add {node.tunnel_address}/32 dev {TUNNEL}"
    yield f"link set {TUNNEL} up"
    yield from overlay_commands(cluster, node, mtu=mtu - OVERHEAD)


def overlay_commands(cluster: contents.Cluster, node: contents.Node, *, mtu: int) -> Iterator[str]:
    """Commands for ``ip -batch`` that route the other nodes' blocks over the tunnel. Pure."""
    for other in cluster.nodes:
        if other.name == node.name:
            continue
        yield f"neigh replace {other.tunnel_address} lladdr {mac(other)} nud permanent dev {TUNNEL}"
        for block in other.blocks:
            yield f"route replace {block} via {other.tunnel_address} dev {TUNNEL} onlink mtu {mtu}"


def mac(node: contents.Node) -> str:
    """The MAC of a node's tunnel device, which every node can compute (``plan.NodePlan.tunnel_mac``)."""
    return "66:00:" + ":".join(f"{octet:02x}" for octet in node.address.packed)


def batch(commands: Iterable[str]) -> None:
    """Run commands of ``ip``; CommandError at the first that fails."""
    text = "\n".join(commands)
    if text:
        process.run(["ip", "-batch", "-"], stdin=(text + "\n").encode())


def admit(names: Iterable[str]) -> None:
    """Let these devices take what the programs give them, as the recorded nodes' sysctls do.

    Packets come in with an address of this host as their source after a redirection, and clients' packets come in
    by the tunnel, where no route leads to them.
    """
    _write("all", "rp_filter", 0)
    for name in names:
        _write(name, "rp_filter", 0 if name.startswith(POD_PREFIX) else 2)
        _write(name, "accept_local", 1)


def _write(name: str, key: str, value: int) -> None:
    path = _SYS / name / key
    # A device may vanish between the listing and this line; its settings vanish with it.
    if path.exists() and path.read_text().strip() != str(value):
        path.write_text(f"{value}\n")
