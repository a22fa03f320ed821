"""Crafting and reading IPv4 packets, with checksums computed here and nowhere else."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

ETHERNET = bytes.fromhex("02420000000202420000000108 00".replace(" ", ""))
TCP, UDP, ICMP = 6, 17, 1
SYN, ACK, RST, FIN = 2, 16, 4, 1


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); 0 over data that holds a right one."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _address(text: str) -> bytes:
    return ipaddress.IPv4Address(text).packed


def ip(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    df: bool = True,
    offset: int = 0,
    more: bool = False,
    options: bytes = b"",
) -> bytes:
    """An IPv4 packet."""
    fragment = (0x4000 if df else 0) | (0x2000 if more else 0) | offset // 8
    length = 20 + len(options) + len(payload)
    first = 0x45 + len(options) // 4
    header = struct.pack("!BBHHHBBH", first, 0, length, 7, fragment, ttl, protocol, 0)
    header += _address(source) + _address(destination) + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def _pseudo(source: str, destination: str, protocol: int, length: int) -> bytes:
    return _address(source) + _address(destination) + struct.pack("!HH", protocol, length)


def tcp(source: tuple[str, int], destination: tuple[str, int], flags: int, data: bytes = b"") -> bytes:
    """A TCP segment, without the IP header."""
    header = struct.pack("!HHIIBBHHH", source[1], destination[1], 1, 1, 0x50, flags, 64000, 0, 0)
    check = checksum(_pseudo(source[0], destination[0], TCP, len(header + data)) + header + data)
    return header[:16] + struct.pack("!H", check) + header[18:] + data


def udp(source: tuple[str, int], destination: tuple[str, int], data: bytes, *, checked: bool = True) -> bytes:
    """A UDP datagram, without the IP header."""
    header = struct.pack("!HHHH", source[1], destination[1], 8 + len(data), 0)
    check = checksum(_pseudo(source[0], destination[0], UDP, len(header + data)) + header + data) or 0xFFFF
    return header[:6] + struct.pack("!H", check if checked else 0) + data


def tcp_packet(source: tuple[str, int], destination: tuple[str, int], flags: int = SYN, data: bytes = b"") -> bytes:
    """A frame with a TCP segment."""
    return ETHERNET + ip(source[0], destination[0], TCP, tcp(source, destination, flags, data))


def udp_packet(
    source: tuple[str, int], destination: tuple[str, int], data: bytes = b"hello", *, checked: bool = True
) -> bytes:
    """A frame with a UDP datagram."""
    return ETHERNET + ip(source[0], destination[0], UDP, udp(source, destination, data, checked=checked))


def unreachable(source: str, destination: str, about: bytes) -> bytes:
    """A frame with ICMP "port unreachable" about an IP packet."""
    message = struct.pack("!BBHI", 3, 3, 0, 0) + about
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    return ETHERNET + ip(source, destination, ICMP, message)


@dataclass(frozen=True, kw_only=True)
class Read:
    """An IP packet as it was read.

    Attributes:
        source: Address, and port where there is one.
        destination: Address, and port where there is one.
        protocol: The number.
        ttl: The hops it has left.
        header_right: The IP header's checksum is right.
        checksum_right: The transport's checksum is right; for UDP also when there is none.
        checksum: What the transport's checksum field says.
        payload: What follows the IP header.
    """

    source: tuple[str, int]
    destination: tuple[str, int]
    protocol: int
    ttl: int
    header_right: bool
    checksum_right: bool
    checksum: int
    payload: bytes


def read(frame: bytes) -> Read:
    """Read a frame's IP packet."""
    return read_ip(frame[14:])


def read_ip(packet: bytes) -> Read:
    """Read an IP packet; one that is cut short, as in an ICMP error, has no right transport checksum."""
    length = (packet[0] & 15) * 4
    total, protocol = struct.unpack_from("!H", packet, 2)[0], packet[9]
    source, destination = (str(ipaddress.IPv4Address(packet[at : at + 4])) for at in (12, 16))
    payload = packet[length:total]
    ports = struct.unpack_from("!HH", payload) if protocol in (TCP, UDP) else (0, 0)
    pseudo = _pseudo(source, destination, protocol, len(payload)) if protocol in (TCP, UDP) else b""
    field = {TCP: 16, UDP: 6, ICMP: 2}[protocol]
    stated = struct.unpack_from("!H", payload, field)[0] if len(payload) >= field + 2 else 0
    return Read(
        source=(source, ports[0]),
        destination=(destination, ports[1]),
        protocol=protocol,
        ttl=packet[8],
        header_right=checksum(packet[:length]) == 0,
        checksum_right=checksum(pseudo + payload) == 0 or (protocol == UDP and stated == 0),
        checksum=stated,
        payload=payload,
    )
