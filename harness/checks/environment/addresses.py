"""Addresses that are two things at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from harness.checks.environment.seen import Addressing, Network, Seen
from harness.model import facts, records

IDENTITY = "the client's address is another's"
OVERLAP = "overlapping CIDRs"
SHARED_BLOCK = "two nodes with one block"
CLUSTER_CIDR = "kube-proxy's clusterCIDR"


def findings(seen: Seen) -> Iterator[records.Environment]:
    """All that is wrong with the addresses."""
    yield from _identity(seen)
    yield from _overlaps(seen)
    yield from _shared_blocks(seen.addressing)
    yield from _cluster_cidr(seen.addressing)


def _identity(seen: Seen) -> Iterator[records.Environment]:
    others = {item.node.address: f"node {item.node.name}" for item in seen.nodes}
    if seen.gateway is not None:
        others.setdefault(seen.gateway, "the gateway")
    other = others.get(seen.client.address) if seen.client is not None else None
    if seen.client is not None and other is not None:
        yield records.Environment(
            cause=IDENTITY,
            where=str(seen.client.address),
            text=f"the client dials from {seen.client.address}, which is the address of {other}",
            remedy="dial from a host that has an address of its own",
            blocking=True,
        )


def _overlaps(seen: Seen) -> Iterator[records.Environment]:
    ranges = {"pod": seen.addressing.pods, "service": seen.addressing.services}
    outside = {"the client": seen.client.address} if seen.client is not None else {}
    single = {**outside, **{f"node {item.node.name}": item.node.address for item in seen.nodes}}
    for kind, networks in ranges.items():
        for network in networks:
            for what, address in single.items():
                if _inside(address, network):
                    yield _overlap(what, f"{what} has {address}, which is inside the {kind} CIDR {network}")
    for pods in seen.addressing.pods:
        for services in seen.addressing.services:
            if pods.overlaps(services):
                yield _overlap(str(pods), f"the pod CIDR {pods} and the service CIDR {services} overlap")


def _overlap(where: str, text: str) -> records.Environment:
    return records.Environment(
        cause=OVERLAP, where=where, text=text, remedy="give every network a range of its own", blocking=True
    )


def _inside(address: facts.Address, network: Network) -> bool:
    return address in network


def _shared_blocks(addressing: Addressing) -> Iterator[records.Environment]:
    for (block, node), (other, owner) in combinations(addressing.blocks, 2):
        if node != owner and block.overlaps(other):
            yield records.Environment(
                cause=SHARED_BLOCK,
                where=f"{node}, {owner}",
                text=f"{node} has the block {block} and {owner} has {other}, so a pod's address is on either",
                remedy="repair the IPAM (calicoctl ipam check)",
                blocking=True,
            )


def _cluster_cidr(addressing: Addressing) -> Iterator[records.Environment]:
    same = [pool for pool in addressing.pods if any(local.version == pool.version for local in addressing.local)]
    for pool in same:
        if not any(_contains(local, pool) for local in addressing.local):
            said = ", ".join(str(local) for local in addressing.local)
            yield records.Environment(
                cause=CLUSTER_CIDR,
                where="kube-system/kube-proxy",
                text=f"kube-proxy takes {said} for pods, the pool is {pool}: it masquerades the pods outside of it",
                remedy="make clusterCIDR the pool's",
            )


def _contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and outer.overlaps(inner) and outer.prefixlen <= inner.prefixlen
