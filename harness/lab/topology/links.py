"""The lab's wires: a bridge, and one veth to each node and to the client. The text for ``ip -batch`` is pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

from harness.core import process
from harness.lab import plan
from harness.lab.topology import namespaces

BRIDGE_LINK = "br-kind"
SETTINGS = Path("/proc/sys")
_PREFIX = plan.NODE_NETWORK.prefixlen

QUIET = {
    # The lab speaks IPv4 only; without IPv6 there is no duplicate address detection to wait for either.
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}
"""Kernel settings of every namespace of the lab."""

NODE_SETTINGS = {
    **QUIET,
    # What Docker and the container runtime set on a node before anything of Kubernetes runs.
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "1",
    "net.ipv4.conf.default.rp_filter": "0",
}
"""Kernel settings of a node, as recorded before Calico changes them."""


def build(layout: plan.LabPlan) -> None:
    """Make the namespaces, the bridge and every wire of a lab."""
    hosts = {**{node.name: node.address for node in layout.nodes}, plan.CLIENT: layout.client}
    for name in (plan.BRIDGE, *hosts):
        namespaces.create(name)
    for name in (plan.BRIDGE, plan.CLIENT):
        set_kernel(name, QUIET)
    for node in layout.nodes:
        set_kernel(node.name, NODE_SETTINGS)
    batch(plan.BRIDGE, render_bridge(hosts))
    for name, address in hosts.items():
        batch(name, render_host(address))


def render_bridge(hosts: Mapping[str, IPv4Address]) -> str:
    """The bridge with one port a host; the other end of each is ``eth0`` in the host's namespace."""
    lines = [
        "link set lo up",
        f"link add {BRIDGE_LINK} type bridge forward_delay 0 stp_state 0",
        f"addr add {plan.GATEWAY}/{_PREFIX} dev {BRIDGE_LINK}",
        f"link set {BRIDGE_LINK} up",
    ]
    for index, (name, address) in enumerate(hosts.items()):
        lines.append(f"link add port{index} type veth peer name eth0 address {mac(address)} netns {name}")
        lines.append(f"link set port{index} master {BRIDGE_LINK} up")
    return "\n".join(lines) + "\n"


def mac(address: IPv4Address) -> str:
    """The MAC that Docker gives a container of that address, as in the recorded captures."""
    return "02:42:" + ":".join(f"{octet:02x}" for octet in address.packed)


def render_host(address: IPv4Address) -> str:
    """A host on the bridge: its address and the default route that Docker gives a container."""
    return (
        "link set lo up\n"
        "link set eth0 up\n"
        f"addr add {address}/{_PREFIX} brd + dev eth0\n"
        f"route add default via {plan.GATEWAY} dev eth0\n"
    )


def batch(namespace: str, text: str) -> None:
    """Run lines of ``ip`` in a namespace; CommandError names the first that failed."""
    process.run(["ip", "-n", namespace, "-batch", "-"], stdin=text.encode())


def set_kernel(namespace: str, settings: Mapping[str, str]) -> None:
    """Set sysctls in a namespace; OSError names the file. One that this kernel lacks, as without IPv6, is left out."""
    with namespaces.entered(namespace):
        write_settings(settings)


def write_settings(settings: Mapping[str, str]) -> None:
    """Set sysctls in the network namespace that the caller is in. A device's dots are written as slashes."""
    for name, value in settings.items():
        file = SETTINGS / "/".join(part.replace("/", ".") for part in name.split("."))
        if file.exists():
            file.write_text(value)
