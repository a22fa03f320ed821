"""Which entries of the connection table have expired. Pure.

The timeouts are Calico's defaults (``bpfConntrackTimeouts`` in the FelixConfiguration reference): a connection is
two entries, one a direction, and goes as a whole, by the later packet of the two.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.lab.bpf import contents, layouts

FIN, SYN, RST, ACK = 1, 2, 4, 16


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds without a packet after which a flow is forgotten."""

    udp_s: float = 60.0
    tcp_opening_s: float = 20.0
    tcp_established_s: float = 3600.0
    tcp_closed_s: float = 30.0
    tcp_reset_s: float = 40.0


DEFAULT = Timeouts()


def now_ns() -> int:
    """The kernel's monotonic clock, by which the programs stamp flows."""
    return time.monotonic_ns()


_PROTOCOL_AT = 12
_SEEN_AT = slice(8, 16)
_YOUNG_NS = 5_000_000_000


def _seen_ns(raw_flow: bytes) -> int:
    return int.from_bytes(raw_flow[_SEEN_AT], sys.byteorder)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A flow in both directions.

    Attributes:
        key: The tuple that the client sends.
        forward: What is done with it.
        reply_key: The tuple that the backend answers with; None where another node translates.
        reply: What is done with that.
    """

    key: layouts.Tuple
    forward: layouts.Flow
    reply_key: layouts.Tuple | None = None
    reply: layouts.Flow | None = None

    @property
    def seen_ns(self) -> int:
        """When the last packet passed, either way."""
        return max(self.forward.seen_ns, self.reply.seen_ns if self.reply else 0)

    @property
    def towards(self) -> int:
        """TCP flags that the client has sent."""
        return self.forward.tcp

    @property
    def back(self) -> int:
        """TCP flags that the backend has sent."""
        return self.forward.tcp_other | (self.reply.tcp if self.reply else 0)

    @property
    def state(self) -> str:
        """In Calico's words: ``SYN-SENT``, ``ESTABLISHED``, ``CLOSED``, ``RESET``; empty for what is no TCP."""
        if self.key.protocol != layouts.PROTOCOLS["TCP"]:
            return ""
        if (self.towards | self.back) & RST:
            return "RESET"
        # Replies that go straight to the client are not seen where it was dialled.
        direct = bool(self.forward.flags & layouts.ENCAP) and not self.back and bool(self.towards & ACK)
        if self.towards & FIN and (direct or self.back & FIN):
            return "CLOSED"
        return "ESTABLISHED" if self.back & SYN or direct else "SYN-SENT"


def of_interest(table: Mapping[bytes, bytes], *, now_ns: int) -> dict[layouts.Tuple, layouts.Flow]:
    """The entries of a raw table that may have expired, each with its other direction.

    A busy table is nearly all young TCP connections, which no timeout can have reached: they are not even parsed.
    """
    found: dict[layouts.Tuple, layouts.Flow] = {}
    for raw_key, raw_flow in table.items():
        if raw_key[_PROTOCOL_AT] == layouts.PROTOCOLS["TCP"] and now_ns - _seen_ns(raw_flow) < _YOUNG_NS:
            continue
        key, flow = layouts.Tuple.unpack(raw_key), layouts.Flow.unpack(raw_flow)
        other = flow.translated(key.protocol).reversed()
        raw_other = table.get(other.pack())
        found[key] = flow
        if raw_other is not None:
            found[other] = layouts.Flow.unpack(raw_other)
    return found


def connections(entries: Mapping[layouts.Tuple, layouts.Flow]) -> Iterator[Connection]:
    """The connections in the table's entries, in their order."""
    for key, flow in entries.items():
        if flow.kind == layouts.FORWARD:
            back = flow.translated(key.protocol).reversed()
            reply = entries.get(back)
            mine = reply is not None and reply.translated(key.protocol) == key.reversed()
            yield Connection(key=key, forward=flow, reply_key=back if mine else None, reply=reply if mine else None)


def expired(
    entries: Mapping[layouts.Tuple, layouts.Flow],
    *,
    now_ns: int,
    wanted: contents.MapContents | None = None,
    timeouts: Timeouts = DEFAULT,
) -> Iterator[layouts.Tuple]:
    """The keys to remove: of what is over, and of what cannot get an answer, its backend having left."""
    claimed: set[layouts.Tuple] = set()
    for connection in connections(entries):
        if connection.reply_key is not None:
            claimed.add(connection.reply_key)
        idle_s = (now_ns - connection.seen_ns) / 1e9
        if idle_s > _limit_s(connection, timeouts) or _is_stale(connection, wanted):
            yield connection.key
            if connection.reply_key is not None:
                yield connection.reply_key
    for key, flow in entries.items():
        # Half a connection, as when the table was full: it goes when nothing uses it.
        orphan = flow.kind == layouts.REPLY and key not in claimed
        if orphan and (now_ns - flow.seen_ns) / 1e9 > timeouts.udp_s:
            yield key


def _limit_s(connection: Connection, timeouts: Timeouts) -> float:
    return {
        "": timeouts.udp_s,
        "SYN-SENT": timeouts.tcp_opening_s,
        "ESTABLISHED": timeouts.tcp_established_s,
        "CLOSED": timeouts.tcp_closed_s,
        "RESET": timeouts.tcp_reset_s,
    }[connection.state]


def _is_stale(connection: Connection, wanted: contents.MapContents | None) -> bool:
    """Whether its packets would go on to a backend that has left: datagrams for ever, a SYN until its client gives up.

    A connection that stands may end in its own time with its ending backend.
    """
    if wanted is None or connection.state not in ("", "SYN-SENT"):
        return False
    key = layouts.FrontendKey(connection.key.destination, connection.key.destination_port, connection.key.protocol)
    any_node = layouts.FrontendKey(layouts.ANY_NODE, key.port, key.protocol)
    frontend = wanted.frontends.get(key) or wanted.frontends.get(any_node)
    backend = layouts.Backend(connection.forward.destination, connection.forward.destination_port)
    return frontend is None or backend not in frontend.backends
