"""What decides kube-proxy's rules besides Services and EndpointSlices. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core import errors

ZONE_LABEL = "topology.kubernetes.io/zone"

LOCALHOST_COUNTER = "localhost_nps_accepted_pkts"
INVALID_COUNTER = "ct_state_invalid_dropped_pkts"
COUNTERS = frozenset({LOCALHOST_COUNTER, INVALID_COUNTER})
"""The nfacct objects that kube-proxy counts in where the kernel has them."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """The node that the rules are for.

    Attributes:
        name: Its name, which endpoints carry.
        address: Its first IPv4 InternalIP; None if it has none.
        zone: Its zone's label; empty for none.
    """

    name: str
    address: ipaddress.IPv4Address | None
    zone: str


@dataclass(frozen=True, kw_only=True)
class Options:
    """kube-proxy's configuration as far as it shows in the rules; the defaults are those of a kind cluster.

    Attributes:
        cluster_cidr: The network of all pods (``detectLocalMode: ClusterCIDR``); empty turns the rules off that
            tell pods from others.
        masquerade_all: Masquerade everything that goes to a ClusterIP.
        masquerade_mark: The bit that marks a packet for masquerading: 1 << ``masqueradeBit``, which is 14.
        random_fully: Whether iptables knows ``MASQUERADE --random-fully``.
        localhost_node_ports: Whether a node port answers on 127.0.0.0/8 too.
        node_port_addresses: The node's addresses that answer for node ports; empty for all of them.
        conntrack_tcp_liberal: Whether ``nf_conntrack_tcp_be_liberal`` is set; then INVALID packets are not dropped.
        counters: Those of ``COUNTERS`` that the kernel has.
        large_cluster_endpoints: Above so many endpoints kube-proxy leaves out comments.
    """

    cluster_cidr: str = "10.244.0.0/16"
    masquerade_all: bool = False
    masquerade_mark: int = 1 << 14
    random_fully: bool = True
    localhost_node_ports: bool = True
    node_port_addresses: tuple[str, ...] = ()
    conntrack_tcp_liberal: bool = False
    counters: frozenset[str] = COUNTERS
    large_cluster_endpoints: int = 1000


def node_from_object(item: Mapping[str, Any]) -> Node:
    """Read a ``v1.Node``.

    Raises:
        ParseError: It has not that form.
    """
    try:
        meta = item["metadata"]
        found = [
            entry["address"]
            for entry in (item.get("status") or {}).get("addresses") or ()
            if entry["type"] == "InternalIP" and ":" not in entry["address"]
        ]
        address = ipaddress.IPv4Address(found[0]) if found else None
        return Node(name=meta["name"], address=address, zone=(meta.get("labels") or {}).get(ZONE_LABEL, ""))
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise errors.ParseError(f"not a Node: {error!r}") from error
