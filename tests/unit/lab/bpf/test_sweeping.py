"""Which connections have expired, by protocol and state."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.lab.bpf import contents, layouts, sweeping
from tests.unit.lab.bpf import clusters

CLIENT, NODE, POD = (ipaddress.IPv4Address(text) for text in ("172.18.0.9", "172.18.0.2", "10.244.1.5"))
SECOND = 1_000_000_000
FIN, SYN, RST, ACK = sweeping.FIN, sweeping.SYN, sweeping.RST, sweeping.ACK


def connection(
    protocol: str, *, towards: int = 0, back: int = 0, seen_s: int = 0, replied_s: int = 0
) -> dict[layouts.Tuple, layouts.Flow]:
    """The two entries of one connection from a client to a NodePort."""
    number = layouts.PROTOCOLS[protocol]
    key = layouts.Tuple(CLIENT, NODE, 40000, 30080, number)
    forward = layouts.Flow(
        0, seen_s * SECOND, CLIENT, POD, 40000, 8080, layouts.NOWHERE, layouts.FORWARD, 0, towards, 0
    )
    reply = layouts.Flow(0, replied_s * SECOND, NODE, CLIENT, 30080, 40000, layouts.NOWHERE, layouts.REPLY, 0, back, 0)
    return {key: forward, forward.translated(number).reversed(): reply}


def expired(
    entries: Mapping[layouts.Tuple, layouts.Flow], now_s: float, wanted: contents.MapContents | None = None
) -> int:
    """How many entries have."""
    return len(set(sweeping.expired(entries, now_ns=int(now_s * SECOND), wanted=wanted)))


@pytest.mark.parametrize(
    ("protocol", "towards", "back", "state", "limit_s"),
    [
        ("UDP", 0, 0, "", 60),
        ("TCP", SYN, 0, "SYN-SENT", 20),
        ("TCP", SYN | ACK, SYN | ACK, "ESTABLISHED", 3600),
        ("TCP", SYN | ACK | FIN, SYN | ACK, "ESTABLISHED", 3600),
        ("TCP", SYN | ACK | FIN, SYN | ACK | FIN, "CLOSED", 30),
        ("TCP", SYN, RST | ACK, "RESET", 40),
    ],
)
def test_each_state_has_its_time(protocol: str, towards: int, back: int, state: str, limit_s: int) -> None:
    """Both directions go together, and not a moment early."""
    entries = connection(protocol, towards=towards, back=back)
    (found,) = sweeping.connections(entries)
    assert found.state == state
    assert expired(entries, limit_s - 1) == 0
    assert expired(entries, limit_s + 1) == 2


def test_a_packet_either_way_keeps_both_directions() -> None:
    """A stream that only one side sends is as alive as any."""
    assert expired(connection("UDP", seen_s=0, replied_s=100), 120) == 0
    assert expired(connection("UDP", seen_s=100, replied_s=0), 120) == 0


def test_direct_replies_do_not_make_a_connection_look_unanswered() -> None:
    """With DSR the node that was dialled sees one side only."""
    key, forward = next(iter(connection("TCP", towards=SYN | ACK).items()))
    entry = replace(forward, flags=layouts.ENCAP, tunnel=ipaddress.IPv4Address("172.18.0.3"))
    (open_one,) = sweeping.connections({key: entry})
    (closed,) = sweeping.connections({key: replace(entry, tcp=SYN | ACK | FIN)})
    assert (open_one.state, closed.state) == ("ESTABLISHED", "CLOSED")


def test_tunnelled_replies_are_counted_where_they_pass() -> None:
    """Without DSR that node sees the other side too, in the same entry."""
    key, forward = next(iter(connection("TCP", towards=SYN | ACK | FIN).items()))
    entry = replace(forward, flags=layouts.ENCAP, tcp_other=SYN | ACK)
    (half_closed,) = sweeping.connections({key: entry})
    assert half_closed.state == "ESTABLISHED"


def test_half_a_connection_goes_when_nothing_uses_it() -> None:
    """A reply whose other half was pushed out of the table."""
    (_, (back, reply)) = connection("TCP").items()
    assert expired({back: reply}, 59) == 0
    assert expired({back: reply}, 61) == 1


def test_reply_of_another_flow_is_not_taken_along() -> None:
    """Where a port was replaced, the tuple's reply belongs to its newer owner."""
    entries = connection("TCP", towards=SYN)
    (_, (back, reply)) = entries.items()
    entries[back] = replace(reply, destination_port=50000)
    (found,) = sweeping.connections(entries)
    assert found.reply is None


@pytest.mark.parametrize(("protocol", "back", "gone"), [("UDP", 0, 2), ("TCP", 0, 2), ("TCP", SYN | ACK, 0)])
def test_what_a_backend_that_left_cannot_answer_starts_anew(protocol: str, back: int, gone: int) -> None:
    """Datagrams and unanswered SYNs; a connection that stands may finish with its ending backend."""
    elsewhere = clusters.service(clusters.endpoint("10.244.2.6", "two"), protocol=protocol)
    wanted = contents.desired(contents.Settings(), clusters.cluster(elsewhere), "one")
    assert expired(connection(protocol, towards=SYN, back=back), 1, wanted=wanted) == gone


def test_datagrams_to_a_backend_that_stays_go_on() -> None:
    """A change elsewhere is none here."""
    kept = clusters.service(clusters.endpoint("10.244.1.5", "one"), protocol="UDP")
    wanted = contents.desired(contents.Settings(), clusters.cluster(kept), "one")
    assert expired(connection("UDP"), 1, wanted=wanted) == 0


@pytest.mark.parametrize(("protocol", "entries"), [("TCP", 0), ("UDP", 2)])
def test_young_connections_are_not_looked_at(protocol: str, entries: int) -> None:
    """But datagrams always are, since their backend may leave at any moment."""
    table = {key.pack(): flow.pack() for key, flow in connection(protocol, seen_s=99, replied_s=99).items()}
    assert len(sweeping.of_interest(table, now_ns=100 * SECOND)) == entries


@pytest.mark.parametrize(("seen_s", "replied_s"), [(0, 99), (99, 0)])
def test_a_direction_that_was_quiet_brings_the_other(seen_s: int, replied_s: int) -> None:
    """Half a connection would look like one that nothing uses."""
    whole = connection("TCP", seen_s=seen_s, replied_s=replied_s, towards=SYN | ACK, back=SYN | ACK)
    table = {key.pack(): flow.pack() for key, flow in whole.items()}
    assert sweeping.of_interest(table, now_ns=100 * SECOND) == whole
