"""The maps' keys and values as Python sees them: the same structs as ``src/layout.h``, pinned to it by a test.

Addresses and ports are in network order, everything else in the machine's.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Self

Address = ipaddress.IPv4Address

VNI_SERVICE = 0xCA11C0
NOWHERE = Address(0)
ANY_NODE = Address("255.255.255.255")
PROTOCOLS = {"TCP": 6, "UDP": 17}
PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}

EXTERNAL_LOCAL, INTERNAL_LOCAL, EXTERNAL = 1, 2, 4
LOCAL, WORKLOAD, HOST, IN_POOL, NAT_OUT, TUNNELED = 1, 2, 4, 8, 16, 32
FORWARD, REPLY = 1, 2
ENCAP, TUNNEL, DSR, AT_INGRESS = 1, 2, 4, 8
SETTING_DSR, SETTING_CONNECT_TCP, SETTING_CONNECT_UDP, SETTING_RETIRED = 1, 2, 4, 8

FORMATS = {
    "frontend_key": "=4s2sBx",
    "frontend": "=IIIII",
    "backend_key": "=II",
    "backend": "=4s2s2x",
    "member_key": "=I4s2s2x",
    "route_key": "=I4s",
    "route": "=I4sI",
    "tuple": "=4s4s2s2sB3x",
    "flow": "=QQ4s4s2s2s4sBBBB4x",
    "affinity_key": "=Q4s2sBx",
    "affinity": "=Q4s2s2x",
    "fragment_key": "=4s4s2sBx",
    "fragment": "=2s2s",
    "socket_key": "=Q4s2sH",
    "settings": "=4s4sIIIII6s2x",
}


def _port(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _number(port: bytes) -> int:
    return int.from_bytes(port, "big")


@dataclass(frozen=True, order=True)
class FrontendKey:
    """What a client dials: an address (``ANY_NODE`` for every node's), a port, a protocol's number."""

    address: Address
    port: int
    protocol: int

    def pack(self) -> bytes:
        """As the kernel has it."""
        return struct.pack(FORMATS["frontend_key"], self.address.packed, _port(self.port), self.protocol)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From the kernel."""
        address, port, protocol = struct.unpack(FORMATS["frontend_key"], data)
        return cls(Address(address), _number(port), protocol)


@dataclass(frozen=True)
class FrontendValue:
    """How many backends a frontend has under which id, the first ``local`` of them on this node."""

    id: int
    count: int
    local: int
    affinity_s: int
    flags: int

    def pack(self) -> bytes:
        """As the kernel has it."""
        return struct.pack(FORMATS["frontend"], self.id, self.count, self.local, self.affinity_s, self.flags)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From the kernel."""
        return cls(*struct.unpack(FORMATS["frontend"], data))


@dataclass(frozen=True, order=True)
class Backend:
    """Where a service's packets end."""

    address: Address
    port: int

    def pack(self) -> bytes:
        """As the kernel has it."""
        return struct.pack(FORMATS["backend"], self.address.packed, _port(self.port))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From the kernel."""
        address, port = struct.unpack(FORMATS["backend"], data)
        return cls(Address(address), _number(port))


def backend_key(number: int, ordinal: int) -> bytes:
    """The key of one backend of a set."""
    return struct.pack(FORMATS["backend_key"], number, ordinal)


def backend_key_from(data: bytes) -> tuple[int, int]:
    """The set's id and the ordinal in it."""
    number, ordinal = struct.unpack(FORMATS["backend_key"], data)
    return number, ordinal


def member_key(number: int, backend: Backend) -> bytes:
    """The key of a backend among those of a set."""
    return struct.pack("=I", number) + backend.pack()


def route_key(network: ipaddress.IPv4Network) -> bytes:
    """The key of a prefix."""
    return struct.pack(FORMATS["route_key"], network.prefixlen, network.network_address.packed)


def route_network(data: bytes) -> ipaddress.IPv4Network:
    """The prefix of a key."""
    length, address = struct.unpack(FORMATS["route_key"], data)
    return ipaddress.IPv4Network((address, length))


@dataclass(frozen=True)
class RouteValue:
    """What an address is, and the node or interface that leads to it."""

    flags: int
    next_hop: Address
    ifindex: int

    def pack(self) -> bytes:
        """As the kernel has it."""
        return struct.pack(FORMATS["route"], self.flags, self.next_hop.packed, self.ifindex)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From the kernel."""
        flags, next_hop, ifindex = struct.unpack(FORMATS["route"], data)
        return cls(flags, Address(next_hop), ifindex)


@dataclass(frozen=True)
class Tuple:
    """One direction of one flow."""

    source: Address
    destination: Address
    source_port: int
    destination_port: int
    protocol: int

    def pack(self) -> bytes:
        """As the kernel has it."""
        return struct.pack(
            FORMATS["tuple"],
            self.source.packed,
            self.destination.packed,
            _port(self.source_port),
            _port(self.destination_port),
            self.protocol,
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From the kernel."""
        source, destination, source_port, destination_port, protocol = struct.unpack(FORMATS["tuple"], data)
        return cls(Address(source), Address(destination), _number(source_port), _number(destination_port), protocol)

    def reversed(self) -> Tuple:
        """The other direction."""
        return Tuple(self.destination, self.source, self.destination_port, self.source_port, self.protocol)


@dataclass(frozen=True)
class Flow:
    """What is done with a flow, and what was seen of it. Times are nanoseconds of the kernel's monotonic clock.

    Attributes:
        created_ns: When the flow began.
        seen_ns: When its last packet passed.
        source: The tuple after translation, by its four parts.
        destination: See ``source``.
        source_port: See ``source``.
        destination_port: See ``source``.
        tunnel: The other node of a flow between nodes; 0.0.0.0 without one.
        kind: ``FORWARD`` or ``REPLY``.
        flags: ``ENCAP``, ``TUNNEL``, ``DSR``, ``AT_INGRESS``.
        tcp: TCP flags seen in this direction.
        tcp_other: TCP flags seen in the other one, where that has no entry of its own.
    """

    created_ns: int
    seen_ns: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    tunnel: Address
    kind: int
    flags: int
    tcp: int
    tcp_other: int

    def pack(self) -> bytes:
        """As the kernel has it."""
        return struct.pack(
            FORMATS["flow"],
            self.created_ns,
            self.seen_ns,
            self.source.packed,
            self.destination.packed,
            _port(self.source_port),
            _port(self.destination_port),
            self.tunnel.packed,
            self.kind,
            self.flags,
            self.tcp,
            self.tcp_other,
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From the kernel."""
        created, seen, source, destination, source_port, destination_port, tunnel, *rest = struct.unpack(
            FORMATS["flow"], data
        )
        return cls(
            created,
            seen,
            Address(source),
            Address(destination),
            _number(source_port),
            _number(destination_port),
            Address(tunnel),
            *rest,
        )

    def translated(self, protocol: int) -> Tuple:
        """The tuple after translation."""
        return Tuple(self.source, self.destination, self.source_port, self.destination_port, protocol)


@dataclass(frozen=True, kw_only=True)
class SettingsValue:
    """What the programs know of their node; ``tunnel_mtu`` is the longest IP packet that fits into the tunnel."""

    host_address: Address
    tunnel_address: Address
    host_ifindex: int
    tunnel_ifindex: int
    flags: int
    overlay_vni: int
    tunnel_mtu: int
    host_mac: bytes

    def pack(self) -> bytes:
        """As the kernel has it."""
        return struct.pack(
            FORMATS["settings"],
            self.host_address.packed,
            self.tunnel_address.packed,
            self.host_ifindex,
            self.tunnel_ifindex,
            self.flags,
            self.overlay_vni,
            self.tunnel_mtu,
            self.host_mac,
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From the kernel."""
        host, tunnel, host_index, tunnel_index, flags, vni, mtu, mac = struct.unpack(FORMATS["settings"], data)
        return cls(
            host_address=Address(host),
            tunnel_address=Address(tunnel),
            host_ifindex=host_index,
            tunnel_ifindex=tunnel_index,
            flags=flags,
            overlay_vni=vni,
            tunnel_mtu=mtu,
            host_mac=mac,
        )
