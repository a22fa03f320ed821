"""A node's TCP sockets, as ``/proc/net/tcp`` and ``/proc/net/tcp6`` show them. Pure.

Each line has both ends as hexadecimal ``address:port``, an address as 32-bit words in the order of a little-endian
machine, and the socket's state; ``0A`` is one that listens (``include/net/tcp_states.h``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from harness.model import facts

_LINE = re.compile(
    r"(?:/proc/\S+:)?\s*\d+: (?P<local>[0-9A-F]{8}|[0-9A-F]{32}):(?P<port>[0-9A-F]{4}) "
    r"(?P<remote>[0-9A-F]{8}|[0-9A-F]{32}):(?P<far>[0-9A-F]{4}) (?P<state>[0-9A-F]{2}) "
)
_LISTEN = "0A"
# What is there on nearly every node and speaks HTTP or TLS: kubelet, kube-proxy's health, the API server.
_LIKELY = (10250, 10256, 6443)


@dataclass(frozen=True, kw_only=True)
class Socket:
    """One socket.

    Attributes:
        local: Its own end.
        remote: Its peer; an unspecified address and port 0 for one that listens.
        listens: Whether it listens.
    """

    local: tuple[facts.Address, int]
    remote: tuple[facts.Address, int]
    listens: bool


def parse(text: str) -> tuple[Socket, ...]:
    """All sockets in that text; every other line, such as the head's, is passed over."""
    found = (_LINE.match(line) for line in text.splitlines())
    return tuple(
        Socket(
            local=(_address(match["local"]), int(match["port"], 16)),
            remote=(_address(match["remote"]), int(match["far"], 16)),
            listens=match["state"] == _LISTEN,
        )
        for match in found
        if match is not None
    )


def _address(text: str) -> facts.Address:
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def own_ports(sockets: Iterable[Socket], node: facts.Node, services: Collection[int]) -> tuple[int, ...]:
    """The ports of a node that can be dialled from outside and that no Service translates, likely ones first."""
    ports = {
        item.local[1]
        for item in sockets
        if item.listens and (item.local[0] == node.address or item.local[0].is_unspecified)
    }
    likely = [port for port in _LIKELY if port in ports]
    return tuple(port for port in (*likely, *sorted(ports - set(likely))) if port not in services)


def peers(before: Iterable[Socket], after: Iterable[Socket], port: int, far_port: int) -> frozenset[facts.Address]:
    """Who is connected to a port and was not before: by the client's own port if it came along, else all of them."""
    known = {item.remote for item in before if item.local[1] == port}
    new = {item.remote for item in after if item.local[1] == port and not item.listens} - known
    named = {address for address, remote_port in new if remote_port == far_port}
    return frozenset(named or {address for address, _ in new})
