"""Removing UDP flows from the connection table that lead to an endpoint that is gone.

TCP ends by itself, but a UDP flow keeps its translation as long as packets keep coming. So kube-proxy compares
the table with what it serves: a flow to a service's address that does not end at one of the service's serving
endpoints is removed, and its next packet is translated anew (kubernetes, pkg/proxy/conntrack/cleanup.go).
"""

from __future__ import annotations

import errno
import logging
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.lab import services
from harness.lab.proxy import netlink

log = logging.getLogger("harness.lab.proxy.flows")

# linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h
_SUBSYSTEM_CONNTRACK = 1
_GET, _DELETE = 1, 2
_TUPLE_ORIGINAL, _TUPLE_REPLY, _ZONE = 1, 2, 18
_TUPLE_ADDRESSES, _TUPLE_PROTOCOL = 1, 2
_SOURCE_V4, _DESTINATION_V4 = 1, 2
_PROTOCOL_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_NESTED = 0x8000

_PORT = struct.Struct("!H")


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One UDP flow in the connection table.

    Attributes:
        destination: Where the client sent it, ``ip:port``.
        answered_by: Who answers, ``ip:port``; differs from ``destination`` if that was translated.
        key: What names the flow to the kernel.
    """

    destination: str
    answered_by: str
    key: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Served:
    """Where UDP flows may end.

    Attributes:
        addresses: The serving endpoints, ``ip:port``, by the service's ``ip:port``.
        node_ports: The same by node port.
    """

    addresses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    node_ports: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def without(self, gone: Served) -> Served:
        """This, and nothing behind what was there before and is no more."""
        nothing: frozenset[str] = frozenset()
        return Served(
            addresses=dict.fromkeys(gone.addresses, nothing) | dict(self.addresses),
            node_ports=dict.fromkeys(gone.node_ports, nothing) | dict(self.node_ports),
        )


def served(ports: Sequence[services.ServicePort]) -> Served:
    """Where UDP flows to these service ports may end."""
    addresses: dict[str, frozenset[str]] = {}
    node_ports: dict[int, frozenset[str]] = {}
    for port in ports:
        if port.protocol == "UDP":
            serving = frozenset(endpoint.address for endpoint in port.endpoints if endpoint.serving)
            for ip in (port.cluster_ip, *port.external_ips, *port.load_balancer_ips):
                addresses[f"{ip}:{port.port}"] = serving
            if port.node_port:
                node_ports[port.node_port] = serving
    return Served(addresses=addresses, node_ports=node_ports)


def suspects(flows: Iterable[Flow], allowed: Served) -> Iterator[Flow]:
    """The flows to a service that do not end at one of its endpoints.

    A flow to a node port counts by its port alone; whether its destination is this node is for the caller to say.
    """
    for flow in flows:
        backends = allowed.addresses.get(flow.destination)
        if backends is None:
            backends = allowed.node_ports.get(int(flow.destination.rpartition(":")[2]))
        if backends is not None and flow.answered_by not in backends:
            yield flow


def remove_stale(allowed: Served) -> int:
    """Remove the UDP flows of this network namespace that must not go on; how many there were.

    Raises:
        OSError: The kernel does not let us read or change its table.
    """
    if not (allowed.addresses or allowed.node_ports):
        return 0
    stale = [flow for flow in suspects(_udp_flows(), allowed) if _is_ours(flow, allowed)]
    for flow in stale:
        log.info("removing the flow to %s that %s answers", flow.destination, flow.answered_by)
        _remove(flow)
    return len(stale)


def _is_ours(flow: Flow, allowed: Served) -> bool:
    # A flow to the same port of another host is none of ours. Only a local address can be bound.
    return flow.destination in allowed.addresses or _is_local(flow.destination.rpartition(":")[0])


def _is_local(ip: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((ip, 0))
        except OSError:
            return False
    return True


def _udp_flows() -> list[Flow]:
    found = (flow_from_bytes(data) for data in netlink.dump(_SUBSYSTEM_CONNTRACK, _GET, family=socket.AF_INET))
    return [flow for flow in found if flow is not None]


def flow_from_bytes(data: bytes) -> Flow | None:
    """Read one entry of the connection table; None if it is no IPv4 UDP flow."""
    entry = netlink.attributes(data)
    original, reply = (netlink.attributes(entry.get(kind, b"")) for kind in (_TUPLE_ORIGINAL, _TUPLE_REPLY))
    there, back = (netlink.attributes(tuple_.get(_TUPLE_PROTOCOL, b"")) for tuple_ in (original, reply))
    if there.get(_PROTOCOL_NUMBER) != bytes([socket.IPPROTO_UDP]):
        return None
    key = netlink.attribute(_TUPLE_ORIGINAL | _NESTED, entry[_TUPLE_ORIGINAL])
    key += netlink.attribute(_ZONE, entry[_ZONE]) if _ZONE in entry else b""
    return Flow(
        destination=_end(original, _DESTINATION_V4, there, _DESTINATION_PORT),
        answered_by=_end(reply, _SOURCE_V4, back, _SOURCE_PORT),
        key=key,
    )


def _end(tuple_: Mapping[int, bytes], which: int, ports: Mapping[int, bytes], port: int) -> str:
    ip = netlink.attributes(tuple_.get(_TUPLE_ADDRESSES, b"")).get(which, bytes(4))
    return f"{socket.inet_ntoa(ip)}:{_PORT.unpack(ports[port])[0]}"


def _remove(flow: Flow) -> None:
    try:
        netlink.call(_SUBSYSTEM_CONNTRACK, _DELETE, flow.key, family=socket.AF_INET)
    except OSError as error:
        # It may have timed out meanwhile.
        if error.errno != errno.ENOENT:
            raise
