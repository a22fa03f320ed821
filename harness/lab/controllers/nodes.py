"""Node IPAM: podCIDRs as kube-controller-manager gives them, address blocks and tunnel addresses as Calico does.

On a real cluster calico-node claims the block and writes the annotations; here one controller does, so that every
field has one writer and the addresses are those of the lab's plan.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
from typing import Any

from harness.lab import plan
from harness.lab.controllers import actions, metadata, paths

Object = dict[str, Any]

ADDRESS = "projectcalico.org/IPv4Address"
TUNNEL = "projectcalico.org/IPv4VXLANTunnelAddr"
INTERFACES = "projectcalico.org/Interfaces"


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Give every node its addresses, and take the block of a node that has gone."""
    del now
    nodes = view.items(paths.NODES)
    plans = {item.name: (index, item) for index, item in enumerate(plan.plan(_workers(nodes)).nodes)}
    writes: list[actions.Action] = []
    wanted = set()
    for node in nodes:
        if metadata.name(node) not in plans or metadata.deleting(node):
            continue
        index, planned = plans[metadata.name(node)]
        wanted.add(block_name(planned))
        writes += _described(node, index, planned)
        if view.get(paths.BLOCKAFFINITIES, block_name(planned)) is None:
            writes.append(actions.Create(path=paths.BLOCKAFFINITIES, body=block_affinity(planned)))
    for block in view.items(paths.BLOCKAFFINITIES):
        if metadata.name(block) not in wanted and not metadata.deleting(block):
            writes.append(
                actions.Delete(path=paths.BLOCKAFFINITIES, name=metadata.name(block), uid=metadata.uid(block))
            )
    return writes


def _workers(nodes: list[Object]) -> int:
    """How many workers the plan must have to name all these nodes: nodes register in no certain order."""
    names = {metadata.name(node) for node in nodes}
    longest = max((_index(name) for name in names), default=0)
    return max(longest, 0)


def _index(name: str) -> int:
    digits = name.removeprefix(plan.worker_name(1))
    if digits == name:
        return 0
    return int(digits) if digits.isdigit() else 1


def _described(node: Object, index: int, planned: plan.NodePlan) -> list[actions.Action]:
    address = _internal_address(node)
    interface = [{"name": "eth0", "addresses": [address]}]
    notes = {"node.alpha.kubernetes.io/ttl": "0", TUNNEL: str(planned.tunnel_address)}
    if address:
        notes |= {
            ADDRESS: f"{address}/{plan.NODE_NETWORK.prefixlen}",
            INTERFACES: json.dumps(interface, separators=(",", ":")),
        }
    missing = {key: value for key, value in notes.items() if metadata.annotations_of(node).get(key) != value}
    body: Object = {"metadata": {"annotations": missing}} if missing else {}
    if not (node.get("spec") or {}).get("podCIDR"):
        body["spec"] = {"podCIDR": str(pod_cidr(index)), "podCIDRs": [str(pod_cidr(index))]}
    return [actions.Patch(path=paths.NODES, name=metadata.name(node), body=body)] if body else []


def _internal_address(node: Object) -> str:
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry["type"] == "InternalIP":
            return str(entry["address"])
    return ""


def pod_cidr(index: int) -> ipaddress.IPv4Network:
    """The /24 that kube-controller-manager gives the node of that index. Calico's IPAM does not use it."""
    return ipaddress.IPv4Network((plan.POD_NETWORK.network_address + (index << 8), 24))


def block_name(planned: plan.NodePlan) -> str:
    """The name of a node's BlockAffinity, as Calico writes it."""
    return f"{planned.name}-{str(planned.block).replace('.', '-').replace('/', '-')}"


def block_affinity(planned: plan.NodePlan) -> Object:
    """A node's BlockAffinity as recorded; the host name's hash is SHA3-256 in base 32."""
    digest = base64.b32encode(hashlib.sha3_256(planned.name.encode()).digest()).decode().rstrip("=")
    labels = {
        "projectcalico.org/affinity-type": "host",
        "projectcalico.org/hostname-hash": digest,
        "projectcalico.org/ip-version": "4",
    }
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "BlockAffinity",
        "metadata": {"name": block_name(planned), "labels": labels},
        "spec": {
            "cidr": str(planned.block),
            "deleted": "false",
            "node": planned.name,
            "state": "confirmed",
            "type": "host",
        },
    }
