"""Entries of the kernel's own connection table, as an earlier dataplane's translations have left them behind."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass

from harness.lab.proxy import netlink

End = tuple[str, int]

# linux/netfilter/nfnetlink_conntrack.h
_CONNTRACK, _NEW = 1, 0
_NESTED = 0x8000
_ORIGINAL, _REPLY, _TIMEOUT = 1, 2, 7
_ADDRESSES, _PROTOCOL = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_LIFE_S = 60


@dataclass(frozen=True, kw_only=True)
class Translated:
    """A connection that somebody translated: who asked whom, and who answers whom."""

    asks: tuple[End, End]
    answers: tuple[End, End]

    def remember(self, protocol: int) -> None:
        """Put it into the connection table of this network namespace.

        Raises:
            OSError: The kernel refused.
        """
        payload = _tuple(_ORIGINAL, self.asks, protocol) + _tuple(_REPLY, self.answers, protocol)
        payload += netlink.attribute(_TIMEOUT, _LIFE_S.to_bytes(4, "big"))
        try:
            netlink.call(_CONNTRACK, _NEW, payload, family=socket.AF_INET, create=True)
        except OSError as error:
            # Another connection with that answer, such as a masquerade of this test's own, is left behind just so.
            if error.errno != errno.EEXIST:
                raise


def _tuple(kind: int, ends: tuple[End, End], protocol: int) -> bytes:
    (source, source_port), (destination, destination_port) = ends
    addresses = netlink.attribute(_SOURCE, ipaddress.ip_address(source).packed)
    addresses += netlink.attribute(_DESTINATION, ipaddress.ip_address(destination).packed)
    ports = netlink.attribute(_NUMBER, bytes([protocol]))
    ports += netlink.attribute(_SOURCE_PORT, source_port.to_bytes(2, "big"))
    ports += netlink.attribute(_DESTINATION_PORT, destination_port.to_bytes(2, "big"))
    inner = netlink.attribute(_ADDRESSES | _NESTED, addresses) + netlink.attribute(_PROTOCOL | _NESTED, ports)
    return netlink.attribute(kind | _NESTED, inner)
