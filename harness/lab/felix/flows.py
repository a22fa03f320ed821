"""Datagrams that are under way when eBPF mode ends.

A backend may answer a request that the programs translated after they have gone. The answer would then leave with
the backend's own address, and a client whose socket takes answers from anybody would take it. So these flows are
marked in the kernel's connection table, where they stand as the programs translated them, and the rules of iptables
mode drop what is marked. (A stream needs no such care: no socket takes a segment from somewhere else.)

Message layouts are those of linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from harness.lab.proxy import netlink

MARK = 0x2000000

_CONNTRACK, _UPDATE = 1, 0
_NESTED = 0x8000
_TUPLE, _ADDRESSES, _PROTOCOL = 1, 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_MARK, _MARK_MASK = 8, 21


@dataclass(frozen=True, order=True)
class Flow:
    """A flow of datagrams over IPv4, as its requests are after translation."""

    source: ipaddress.IPv4Address
    source_port: int
    destination: ipaddress.IPv4Address
    destination_port: int


def mark(found: Iterable[Flow]) -> None:
    """Mark these flows in the connection table of this network namespace; one that is not there needs no mark.

    Raises:
        OSError: The kernel does not let us change its table.
    """
    for flow in found:
        try:
            netlink.call(_CONNTRACK, _UPDATE, message(flow), family=socket.AF_INET)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def message(flow: Flow) -> bytes:
    """The attributes of a request that sets the mark of a flow. Pure."""
    addresses = netlink.attribute(_SOURCE, flow.source.packed) + netlink.attribute(
        _DESTINATION, flow.destination.packed
    )
    protocol = (
        netlink.attribute(_NUMBER, bytes([socket.IPPROTO_UDP]))
        + netlink.attribute(_SOURCE_PORT, flow.source_port.to_bytes(2, "big"))
        + netlink.attribute(_DESTINATION_PORT, flow.destination_port.to_bytes(2, "big"))
    )
    inner = netlink.attribute(_ADDRESSES | _NESTED, addresses) + netlink.attribute(_PROTOCOL | _NESTED, protocol)
    value = MARK.to_bytes(4, "big")
    return (
        netlink.attribute(_TUPLE | _NESTED, inner)
        + netlink.attribute(_MARK, value)
        + netlink.attribute(_MARK_MASK, value)
    )
