"""A pod's sandbox: its address, its network namespace and the wire to its node. Rendering is pure.

The shape is that of Calico's CNI plugin, as in the recorded ``ip-link`` and ``ip-route`` of its nodes: a /32 in the
pod, a default route by 169.254.1.1 that the host end answers by proxy ARP, a /32 route on the node.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from dataclasses import dataclass

from harness.core import errors, process
from harness.lab.kubelet import specs
from harness.lab.topology import links, namespaces

GATEWAY = ipaddress.IPv4Address("169.254.1.1")
HOST_MAC = "ee:ee:ee:ee:ee:ee"
MTU = 1450


class Addresses:
    """The addresses of one node's block; safe for threads. The block's first is the tunnel's."""

    def __init__(self, block: ipaddress.IPv4Network) -> None:
        self._block = block
        self._taken: set[ipaddress.IPv4Address] = set()
        self._lock = threading.Lock()

    def take(self) -> ipaddress.IPv4Address:
        """The lowest free address; HarnessError when the block is full."""
        with self._lock:
            for offset in range(1, self._block.num_addresses):
                address = self._block.network_address + offset
                if address not in self._taken:
                    self._taken.add(address)
                    return address
        raise errors.HarnessError(f"no free address in {self._block}")

    def give_back(self, address: ipaddress.IPv4Address) -> None:
        """Let another pod have it."""
        with self._lock:
            self._taken.discard(address)


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A pod's network.

    Attributes:
        namespace: The name of its network namespace; empty for the node's own.
        address: Its address.
        link: The host end of its wire; empty with the node's own network.
    """

    namespace: str
    address: ipaddress.IPv4Address
    link: str


def link_name(namespace: str, pod: str) -> str:
    """The host end's name, as Calico's CNI makes it: ``cali``, 11 hex digits of SHA-1 of ``NAMESPACE.POD``."""
    return "cali" + hashlib.sha1(f"{namespace}.{pod}".encode(), usedforsecurity=False).hexdigest()[:11]


def create(pod: specs.Pod, address: ipaddress.IPv4Address) -> Sandbox:
    """Make the namespace and the wire of a pod; called on its node.

    Raises:
        CommandError: The kernel refused; nothing is left then.
    """
    made = Sandbox(namespace=f"pod-{pod.short_uid}", address=address, link=link_name(pod.namespace, pod.name))
    namespaces.create(made.namespace)
    try:
        with namespaces.entered(made.namespace):
            links.write_settings(links.QUIET)
        process.run(["ip", "-batch", "-"], stdin=render_wire(made).encode())
        links.write_settings(host_settings(made.link))
        links.batch(made.namespace, render_inside(made))
        process.run(["ip", "route", "replace", f"{address}/32", "dev", made.link, "scope", "link", "metric", "1024"])
    except errors.HarnessError:
        destroy(made)
        raise
    return made


def destroy(sandbox: Sandbox) -> None:
    """Remove the wire and the namespace; what is already gone is no error."""
    process.run(["ip", "link", "delete", sandbox.link], check=False)
    process.run(["ip", "netns", "delete", sandbox.namespace], check=False)


def render_wire(sandbox: Sandbox) -> str:
    """The veth; its host end stays down until it answers for the gateway."""
    return (
        f"link add {sandbox.link} address {HOST_MAC} mtu {MTU} type veth "
        f"peer name eth0 mtu {MTU} netns {sandbox.namespace}\n"
        f"link set {sandbox.link} up\n"
    )


def render_inside(sandbox: Sandbox) -> str:
    """The pod's side: one address without a network, and all routes by the gateway that nobody has."""
    return (
        "link set lo up\n"
        "link set eth0 up\n"
        f"addr add {sandbox.address}/32 dev eth0\n"
        f"route add {GATEWAY} dev eth0 scope link\n"
        f"route add default via {GATEWAY} dev eth0\n"
    )


def host_settings(link: str) -> dict[str, str]:
    """Kernel settings of the host end: answer ARP for the gateway at once, and what was recorded."""
    return {
        f"net.ipv4.conf.{link}.proxy_arp": "1",
        # The kernel delays a proxy's answer by up to 0.8 s unless it is told not to.
        f"net.ipv4.neigh.{link}.proxy_delay": "0",
        f"net.ipv4.conf.{link}.forwarding": "1",
        f"net.ipv4.conf.{link}.rp_filter": "1",
        f"net.ipv4.conf.{link}.route_localnet": "1",
    }
