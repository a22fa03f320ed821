"""The lab's address plan and names: what a three-node kind cluster with Calico has. Pure.

The first three nodes get the /26 blocks that Calico gave these names on the recorded cluster. Calico derives a
block from the node's name by a seeded Go random generator that is not reproduced here; further workers get a
free block chosen by the FNV-1 hash of their name, which is stable but not Calico's choice.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

NODE_NETWORK = ipaddress.IPv4Network("172.18.0.0/16")
POD_NETWORK = ipaddress.IPv4Network("10.244.0.0/16")
SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/16")
GATEWAY = ipaddress.IPv4Address("172.18.0.1")
API_PORT = 6443
BLOCK_PREFIX = 26
VXLAN_PORT = 4789
VXLAN_VNI = 4096
CONTROL_PLANE = "kind-control-plane"
CLIENT = "client"
BRIDGE = "bridge"
KUBERNETES_VERSION = "v1.36.2"
CALICO_VERSION = "v3.32.1"

RECORDED_BLOCKS = {
    "kind-control-plane": ipaddress.IPv4Network("10.244.82.0/26"),
    "kind-worker": ipaddress.IPv4Network("10.244.162.128/26"),
    "kind-worker2": ipaddress.IPv4Network("10.244.110.128/26"),
}


@dataclass(frozen=True, kw_only=True)
class NodePlan:
    """One node of the lab.

    Attributes:
        name: The node's name, as kind gives it.
        address: Its InternalIP, on eth0.
        block: The addresses of its pods; the first is its tunnel address, on vxlan.calico.
    """

    name: str
    address: ipaddress.IPv4Address
    block: ipaddress.IPv4Network

    @property
    def tunnel_address(self) -> ipaddress.IPv4Address:
        """The address of vxlan.calico."""
        return self.block.network_address

    @property
    def tunnel_mac(self) -> str:
        """A MAC of vxlan.calico that every node can compute for every other: locally administered, from the address."""
        octets = self.address.packed
        return "66:00:" + ":".join(f"{octet:02x}" for octet in octets)


@dataclass(frozen=True, kw_only=True)
class LabPlan:
    """A whole lab: its nodes, the control plane first, and the external client's address."""

    nodes: tuple[NodePlan, ...]
    client: ipaddress.IPv4Address

    def node(self, name: str) -> NodePlan:
        """The node of that name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


def worker_name(index: int) -> str:
    """kind's name for the worker of that index, counted from 1."""
    return "kind-worker" if index == 1 else f"kind-worker{index}"


def plan(workers: int = 2) -> LabPlan:
    """Lay out a lab of one control plane and that many workers (0 to 200)."""
    names = [CONTROL_PLANE, *(worker_name(index) for index in range(1, workers + 1))]
    taken: set[ipaddress.IPv4Network] = set(RECORDED_BLOCKS.values())
    nodes = []
    for offset, name in enumerate(names):
        block = RECORDED_BLOCKS.get(name) or _free_block(name, taken)
        taken.add(block)
        nodes.append(NodePlan(name=name, address=GATEWAY + 1 + offset, block=block))
    return LabPlan(nodes=tuple(nodes), client=GATEWAY + 1 + len(names))


def _free_block(name: str, taken: set[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    blocks = 1 << (BLOCK_PREFIX - POD_NETWORK.prefixlen)
    size = 1 << (32 - BLOCK_PREFIX)
    for step in range(blocks):
        index = (_fnv1_32(name.encode()) + step) % blocks
        block = ipaddress.IPv4Network((POD_NETWORK.network_address + index * size, BLOCK_PREFIX))
        if block not in taken:
            return block
    raise ValueError("no free block")


def _fnv1_32(data: bytes) -> int:
    value = 0x811C9DC5
    for octet in data:
        value = (value * 0x01000193) & 0xFFFFFFFF ^ octet
    return value
