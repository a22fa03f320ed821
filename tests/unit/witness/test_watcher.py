"""The watcher's own parts: which packets the kernel lets pass, and what is read out of bytes that anybody may send."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.witness import watcher

HOST, POD = "172.18.0.5", "10.244.162.134"
TOKEN = "2f1c8a54-0000-4000-8000-000000000001"
GET = f"GET /?probe={TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
TCP, UDP, ICMP = 6, 17, 1


def packet(
    payload: bytes,
    *,
    protocol: int = TCP,
    port: int = 80,
    destination: str = POD,
    options: int = 0,
    tcp_options: int = 0,
    fragment: int = 0,
) -> bytes:
    """An IPv4 packet from the client."""
    ports = struct.pack("!HH", 40000, port)
    tcp = ports + struct.pack("!IIBBHHH", 1, 1, (5 + tcp_options) << 4, 0x18, 1000, 0, 0) + b"\1" * 4 * tcp_options
    udp = ports + struct.pack("!HH", 8 + len(payload), 0)
    body = (udp if protocol == UDP else tcp) + payload
    addresses = socket.inet_aton(HOST) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45 + options, 0, 20 + 4 * options + len(body), 7, fragment, 64, protocol, 0)
    return header + addresses + b"\1" * 4 * options + body


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a datagram socket, the second with the watcher's filter for the pod's ports 80 and 8080.

    The kernel's own filter machine runs on it, and needs no privileges for that.
    """
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    codes = watcher.program(POD, [80, 8080])
    memory = ctypes.create_string_buffer(codes)
    right.setsockopt(
        socket.SOL_SOCKET, watcher.SO_ATTACH_FILTER, struct.pack("@HP", len(codes) // 8, ctypes.addressof(memory))
    )
    right.setblocking(False)
    with left, right:
        yield left, right


def passes(wire: tuple[socket.socket, socket.socket], data: bytes) -> bool:
    """Whether the kernel hands a packet on."""
    left, right = wire
    left.send(data)
    try:
        return bool(right.recv(65536))
    except BlockingIOError:
        return False


@pytest.mark.parametrize(
    "data",
    [
        packet(GET),
        packet(GET, port=8080),
        packet(b"t", protocol=UDP),
        packet(GET, options=3, tcp_options=5),
        packet(GET, options=10, tcp_options=10),
        packet(b"t", protocol=UDP, options=2),
        # The first of several fragments has the ports and the token.
        packet(b"t", protocol=UDP, fragment=0x2000),
    ],
)
def test_the_filter_lets_pass_what_may_carry_a_token(wire: tuple[socket.socket, socket.socket], data: bytes) -> None:
    """TCP and UDP for the address and one of its ports, with a payload, whatever options there are."""
    assert passes(wire, data)


@pytest.mark.parametrize(
    "data",
    [
        packet(GET, port=81),
        packet(GET, destination="10.244.162.135"),
        packet(b""),
        packet(b"", tcp_options=5),
        packet(b"", protocol=UDP),
        packet(GET, protocol=ICMP),
        packet(b"t", protocol=UDP, fragment=1),
        packet(GET, port=4789, protocol=UDP),
        b"",
        GET,
    ],
)
def test_the_filter_keeps_out_what_can_carry_none(wire: tuple[socket.socket, socket.socket], data: bytes) -> None:
    """Other ports, other addresses, bare acknowledgements, later fragments, tunnels' packets and what is no packet."""
    assert not passes(wire, data)


@pytest.mark.parametrize(("protocol", "name"), [(TCP, "TCP"), (UDP, "UDP")])
@pytest.mark.parametrize("payload", [GET, f"{TOKEN}\n".encode(), f"{TOKEN} xxxx\n".encode()])
def test_a_packet_with_a_token_is_read(protocol: int, name: str, payload: bytes) -> None:
    """The token, both addresses and both ports, whatever options the headers have."""
    data = packet(payload, protocol=protocol, options=2, tcp_options=3)
    assert watcher.packet_from(data) == (TOKEN, name, HOST, 40000, POD, 80)


@pytest.mark.parametrize(
    "payload",
    [
        f"GET /?probe={TOKEN}".encode(),
        f"GET /x?probe={TOKEN} HTTP/1.1\r\n".encode(),
        f"POST /?probe={TOKEN} HTTP/1.1\r\n".encode(),
        f"x: GET /?probe={TOKEN} HTTP/1.1\r\n".encode(),
        f"{TOKEN}".encode(),
        b"\n",
        b"a" * 65 + b"\n",
    ],
)
def test_a_payload_that_only_looks_like_one_is_not(payload: bytes) -> None:
    """A token counts at the payload's start and whole; a request for something else never has one."""
    found = watcher.packet_from(packet(payload))
    assert found is None or found[0] in ("GET", "POST")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_packet_or_none(data: bytes) -> None:
    """Whatever arrives, reading it raises nothing, and what is read has a token's letters only."""
    found = watcher.packet_from(data)
    assert found is None or found[0].replace("-", "").replace(".", "").isalnum() or set(found[0]) <= set("-.")


@given(st.binary(max_size=80), st.sampled_from([TCP, UDP]), st.integers(0, 10), st.integers(0, 10), st.data())
def test_any_cut_of_a_packet_is_a_packet_or_none(
    payload: bytes, protocol: int, options: int, tcp_options: int, draw: st.DataObject
) -> None:
    """A packet that is cut anywhere raises nothing either, and is from whom the whole one is."""
    data = packet(payload, protocol=protocol, options=options, tcp_options=tcp_options)
    found, whole = watcher.packet_from(data[: draw.draw(st.integers(0, len(data)))]), watcher.packet_from(data)
    assert found is None or (whole is not None and found[1:] == whole[1:])


def attribute(kind: int, data: bytes) -> bytes:
    """One netlink attribute, padded."""
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def direction(kind: int, source: str, source_port: int, destination: str, port: int, protocol: int = TCP) -> bytes:
    """One direction of a connection as ctnetlink has it."""
    family = (1, 2) if "." in source else (3, 4)
    version = socket.AF_INET if "." in source else socket.AF_INET6
    ends = b"".join(
        attribute(key, socket.inet_pton(version, end)) for key, end in zip(family, (source, destination), strict=True)
    )
    numbers = attribute(1, bytes([protocol])) + b"".join(
        attribute(key, struct.pack("!H", value)) for key, value in ((2, source_port), (3, port))
    )
    return attribute(kind | 0x8000, attribute(0x8001, ends) + attribute(0x8002, numbers))


@pytest.mark.parametrize(("client", "node", "pod"), [(HOST, "172.18.0.3", POD), ("fd00::5", "fd00::3", "fd00:a::1")])
def test_a_connection_is_read_with_both_directions(client: str, node: str, pod: str) -> None:
    """Original and reply, status and mark, for both families."""
    body = direction(1, client, 40000, node, 30180) + direction(2, pod, 80, node, 51111)
    body += attribute(3, struct.pack("!I", 0x18E)) + attribute(8, struct.pack("!I", 0x4000))
    wanted = ["TCP", [client, 40000, node, 30180], [pod, 80, node, 51111], 0x18E, 0x4000]
    assert watcher.connection_from(body) == wanted


def test_what_has_no_ports_is_no_connection() -> None:
    """ICMP and whatever else the kernel tracks is left out."""
    body = direction(1, HOST, 1, POD, 2, ICMP) + direction(2, POD, 2, HOST, 1, ICMP)
    assert watcher.connection_from(body) is None
    assert watcher.connection_from(b"") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_netlink_or_nothing(data: bytes) -> None:
    """A kernel that says something unknown stops nothing; every message consumes what it is made of."""
    for _, body in watcher.messages(data):
        assert len(body) < len(data)
    watcher.attributes(data)


class Kernel:
    """A socket that gives what the kernel tells, then has nothing more."""

    def __init__(self, *told: bytes) -> None:
        self.told = list(told)

    def recv(self, size: int) -> bytes:
        """The next message."""
        assert size >= 8192
        if not self.told:
            raise BlockingIOError
        return self.told.pop(0)


def test_new_connections_are_kept_as_they_come() -> None:
    """Those for the ports that are asked for, each once; the message begins with a header and an ``nfgenmsg``."""
    wanted = direction(1, HOST, 40000, "172.18.0.3", 30180) + direction(2, POD, 80, "172.18.0.3", 51111)
    other = direction(1, HOST, 40001, "172.18.0.3", 443) + direction(2, "172.18.0.3", 443, HOST, 40001)
    told = [
        struct.pack("=IHHII", 20 + len(body), 0x100, 0, 0, 0) + b"\0" * 4 + body for body in (wanted, other, wanted)
    ]
    tracker = watcher.Tracker.__new__(watcher.Tracker)
    vars(tracker).update(ports={30180}, kept={}, socket=Kernel(*told))
    tracker.read()
    assert [found[:3] for found in tracker.kept.values()] == [
        ["TCP", [HOST, 40000, "172.18.0.3", 30180], [POD, 80, "172.18.0.3", 51111]]
    ]
