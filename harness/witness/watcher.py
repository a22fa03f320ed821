"""The watcher: one file, standard library only, Python 3.8 or newer, that stands on a node and sees what arrives.

It runs in the node's own network namespace and sees all of its processes. It listens on an abstract socket there, one
JSON request a connection, answered by JSON lines:

``watch``   from now on, keep who sends what to the ``ports`` of each of ``targets`` (``address``, ``host``); ``id``
            names the watch, which replaces an earlier one. One line: which addresses are ``watched`` and ``missing``.
``report``  of the watch named ``id``: a line ``[token, protocol, source, port, destination, port, address]`` for every
            token, then one with the number of packets ``seen`` and ``lost``. Lost packets make its silence worthless.
``track``   from now on, keep every new connection that has one of ``ports`` at its far end: some end before a run does.
``table``   the kernel's connections to ``ports``, and those that were kept: a line ``[protocol, original tuple, reply
            tuple, status, mark]`` for each, a tuple being source, port, destination, port; then one with ``end``.
``stop``    the watch named ``id``.

A pod is watched *inside its own network namespace*, found by its address: a program on the host's side of its veth may
hand a packet over without the host's side ever seeing it. A socket there that is bound to ``ETH_P_IP`` is given what
comes in and never what goes out, after every program at the device's entry, and before the pod's own rules. A
host-network pod (``host``) is watched in the node's namespace, where what comes in from another machine has not met
the node's rules: its destination may still be a NodePort, while the source is the one that arrived.

A filter in the kernel lets pass only what is for the address and one of its ports and has a payload. Only IPv4.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Python 3.8 can't evaluate this and never has to.
    from collections.abc import Iterator

DOOR = "\0sourceip-witness"
ETH_P_IP = 0x0800
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
CLONE_NEWNET = 0x40000000
BUFFER = 16 << 20
SNAP = 320
MOST_PORTS = 64
# More tokens than any run has; what comes after is counted as lost.
MOST_KEPT = 500_000
REQUEST_S = 5.0
# A watch keeps its namespaces alive, so one that nobody asks about and nothing arrives for ends by itself.
IDLE_S = 900.0
PROTOCOLS = {6: "TCP", 17: "UDP"}
TOKEN = re.compile(rb"GET /\?probe=([0-9A-Za-z-]{1,64}) HTTP/1\.[01]\r\n|([0-9A-Za-z.-]{1,64})[ \n]")

# Connection tracking over netlink: linux/netfilter/nfnetlink_conntrack.h.
NETLINK_NETFILTER, CT_GET, DUMP = 12, (1 << 8) | 1, 0x301
NLMSG_ERROR, NLMSG_DONE, NEW_CONNECTIONS = 2, 3, 1
CTA_ORIGINAL, CTA_REPLY, CTA_STATUS, CTA_MARK = 1, 2, 3, 8


def program(address: str, ports: list[int]) -> bytes:
    """The filter: IPv4 for that address, TCP or UDP to one of the ports, no later fragment, with a payload."""
    wanted = struct.unpack("!I", socket.inet_aton(address))[0]
    codes: list[tuple[Any, ...]] = [
        (0x20, "", "", 16),  # the destination's address
        (0x15, "", "drop", wanted),
        (0x28, "", "", 6),  # flags and the fragment's offset
        (0x45, "drop", "", 0x1FFF),
        (0xB1, "", "", 0),  # X = the length of the IP header
        (0x48, "", "", 2),  # the destination's port
        *((0x15, "port", "drop" if port == ports[-1] else "", port) for port in ports),
        (0x30, "", "", 9),  # :port
        (0x15, "tcp", "", 6),
        (0x15, "", "drop", 17),
        (0x48, "", "", 4),  # the datagram's length
        (0x25, "keep", "drop", 8),
        (0x50, "", "", 12),  # :tcp the length of the TCP header, in words
        (0x54, "", "", 0xF0),
        (0x74, "", "", 2),
        (0x0C, "", "", 0),  # + X
        (0x07, "", "", 0),
        (0x28, "", "", 2),  # the packet's length
        (0x2D, "keep", "drop", 0),  # more than X
        (0x06, "", "", SNAP),  # :keep
        (0x06, "", "", 0),  # :drop
    ]
    after, end = 6 + len(ports), len(codes)
    # Jumps are relative to the instruction after them.
    places = {"port": after, "tcp": after + 5, "keep": end - 2, "drop": end - 1}
    return b"".join(
        struct.pack("=HBBI", code, *(places.get(name, index + 1) - index - 1 for name in names), operand)
        for index, (code, *names, operand) in enumerate(codes)
    )


def packet_from(data: bytes) -> tuple[str, str, str, int, str, int] | None:
    """Token, protocol, source and destination of a packet that begins with its IPv4 header; None if it has no token."""
    if len(data) < 20 or data[0] >> 4 != 4:
        return None
    header = 4 * (data[0] & 15)
    protocol = PROTOCOLS.get(data[9])
    if protocol is None or header < 20 or len(data) < header + 20 - 12 * (protocol == "UDP"):
        return None
    body = header + (8 if protocol == "UDP" else 4 * (data[header + 12] >> 4))
    found = TOKEN.match(data, body)
    if found is None:
        return None
    source_port, port = struct.unpack_from("!HH", data, header)
    token = (found.group(1) or found.group(2)).decode("ascii")
    return token, protocol, socket.inet_ntoa(data[12:16]), source_port, socket.inet_ntoa(data[16:20]), port


class Capture:
    """What arrives at one address, in the network namespace that has it."""

    def __init__(self, address: str, ports: list[int]) -> None:
        """Start in the calling thread's network namespace; raises OSError."""
        import ctypes

        self.address = address
        self.lost = self.seen = 0
        self.kept: dict[tuple[Any, ...], None] = {}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self.socket.setblocking(False)
        codes = program(address, ports)
        memory = ctypes.create_string_buffer(codes)
        filter_ = struct.pack("@HP", len(codes) // 8, ctypes.addressof(memory))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.read()
        self.dropped()
        # What came in before the filter was there is nobody's.
        self.seen, self.lost, self.kept = 0, 0, {}

    def read(self) -> None:
        """Take what is there."""
        while True:
            try:
                data, (_, _, kind, _, _) = self.socket.recvfrom(SNAP)
            except BlockingIOError:
                return
            except OSError:
                # A device that went down says so once; what it would have brought has not been seen.
                self.lost += 1
                return
            found = packet_from(data) if kind == socket.PACKET_HOST else None
            self.seen += 1
            if found is not None and len(self.kept) < MOST_KEPT:
                self.kept[found] = None
            elif found is not None:
                self.lost += 1

    def dropped(self) -> int:
        """How many packets have been lost from the beginning, the kernel's own count included."""
        self.lost += struct.unpack("=II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        return self.lost


def enter(path: str) -> None:
    """Move the calling thread into a network namespace; raises OSError."""
    import ctypes

    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(handle)


def namespaces() -> list[str]:
    """A path to every network namespace that has a process."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            found.setdefault(path.stat().st_ino, str(path))
    return list(found.values())


def is_owned(address: str) -> bool:
    """Whether the calling thread's network namespace has an address: what can be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial, contextlib.suppress(OSError):
        trial.bind((address, 0))
        return True
    return False


def captures(targets: dict[str, list[int]], path: str | None) -> list[Capture]:
    """Captures of those targets that a namespace has, made by a thread that enters it; None is this thread's own."""
    found: list[Capture] = []

    def work() -> None:
        try:
            if path is not None:
                enter(path)
            found.extend(Capture(address, ports) for address, ports in targets.items() if is_owned(address))
        except OSError as error:
            sys.stderr.write(f"{path}: {error}\n")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found


def attributes(data: bytes) -> dict[int, bytes]:
    """Netlink attributes by type; of a broken one there is nothing."""
    found, place = {}, 0
    while place + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, place)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[place + 4 : place + length]
        place += (length + 3) & ~3
    return found


def tuple_from(data: bytes) -> tuple[int, list[Any]] | None:
    """Protocol number, and source and destination, of one direction of a connection; None if it has no ports."""
    parts = attributes(data)
    addresses, ports = attributes(parts.get(1, b"")), attributes(parts.get(2, b""))
    source, destination = addresses.get(1) or addresses.get(3), addresses.get(2) or addresses.get(4)
    if not source or not destination or not {1, 2, 3} <= set(ports):
        return None
    family = socket.AF_INET if len(source) == 4 else socket.AF_INET6
    numbers = [struct.unpack("!H", ports[key])[0] for key in (2, 3)]
    ends = [socket.inet_ntop(family, end) for end in (source, destination)]
    return ports[1][0], [ends[0], numbers[0], ends[1], numbers[1]]


def connection_from(data: bytes) -> list[Any] | None:
    """One entry of the kernel's table, without its ``nfgenmsg``; None if it is neither TCP nor UDP."""
    parts = attributes(data)
    original, reply = tuple_from(parts.get(CTA_ORIGINAL, b"")), tuple_from(parts.get(CTA_REPLY, b""))
    if original is None or reply is None or original[0] not in PROTOCOLS:
        return None
    status, mark = (struct.unpack("!I", parts.get(key, b"").rjust(4, b"\0"))[0] for key in (CTA_STATUS, CTA_MARK))
    return [PROTOCOLS[original[0]], original[1], reply[1], status, mark]


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The netlink messages in what one read gave, each with its type."""
    place = 0
    while place + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, place)
        if length < 16:
            return
        yield kind, data[place + 16 : place + length]
        place += (length + 3) & ~3


def table() -> Iterator[list[Any]]:
    """The kernel's connection table of this network namespace; raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
        sock.settimeout(REQUEST_S)
        sock.send(struct.pack("=IHHIIBBH", 20, CT_GET, DUMP, 1, 0, socket.AF_UNSPEC, 0, 0))
        while True:
            for kind, body in messages(sock.recv(1 << 16)):
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    raise OSError(number, os.strerror(number))
                found = connection_from(body[4:])
                if found is not None:
                    yield found


class Tracker:
    """The connections that the kernel has told of, where it tells (``nf_conntrack_events``)."""

    def __init__(self, ports: list[int]) -> None:
        """Listen from now on; raises OSError."""
        self.ports = set(ports)
        self.kept: dict[str, list[Any]] = {}
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.socket.setblocking(False)
        self.socket.bind((0, NEW_CONNECTIONS))

    def read(self) -> None:
        """Take what is there; what the kernel had no room for is not known, and nobody says that all is."""
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except OSError:
                return
            for _, body in messages(data):
                found = connection_from(body[4:])
                if found is not None and self.ports & {found[1][3], found[2][1]} and len(self.kept) < MOST_KEPT:
                    self.kept[repr(found[:3])] = found


class Watcher:
    """The one watch of a node, and what can be asked of it."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.id = ""
        self.captures: list[Capture] = []
        self.trackers: list[Tracker] = []

    def close(self) -> None:
        """Stop watching."""
        for capture in self.captures:
            capture.socket.close()
        self.id, self.captures = "", []

    def track(self, request: dict[str, Any]) -> Iterator[object]:
        """Keep new connections to these ports in the place of earlier ones; no ports keep none."""
        for tracker in self.trackers:
            tracker.socket.close()
        self.trackers = [Tracker(request["ports"])] if request["ports"] else []
        yield {"end": True}

    def watch(self, request: dict[str, Any]) -> Iterator[object]:
        """Find every target's namespace and watch there."""
        self.close()
        inside: dict[bool, dict[str, list[int]]] = {False: {}, True: {}}
        for item in request["targets"]:
            inside[item["host"]][item["address"]] = item["ports"][:MOST_PORTS]
        self.id = str(request["id"])
        self.captures = captures(inside[True], None)
        for path in namespaces() if inside[False] else ():
            self.captures += captures(inside[False], path)
        watched = [capture.address for capture in self.captures]
        yield {"watched": watched, "missing": sorted({*inside[False], *inside[True]} - set(watched))}

    def report(self, request: dict[str, Any]) -> Iterator[object]:
        """Everything that has arrived until now."""
        if request["id"] != self.id:
            raise ValueError(f"no watch {request['id']!r} here")
        for capture in self.captures:
            capture.read()
            for found in capture.kept:
                yield [*found, capture.address]
        seen = sum(capture.seen for capture in self.captures)
        yield {"seen": seen, "lost": {capture.address: capture.dropped() for capture in self.captures}}

    def table(self, request: dict[str, Any]) -> Iterator[object]:
        """The kernel's connections to these ports."""
        for tracker in self.trackers:
            tracker.read()
        kept = {name: found for tracker in self.trackers for name, found in tracker.kept.items()}
        ports = set(request["ports"])
        kept.update((repr(found[:3]), found) for found in table() if ports & {found[1][3], found[2][1]})
        yield from kept.values()
        yield {"end": True}

    def stop(self, request: dict[str, Any]) -> Iterator[object]:
        """End a watch, unless another one has replaced it."""
        if request["id"] == self.id:
            self.close()
        yield {"end": True}


def serve_one(watcher: Watcher, connection: socket.socket) -> None:
    """Answer one request; whatever is wrong with it is the answer's one line."""
    connection.settimeout(REQUEST_S)
    operations = {name: getattr(watcher, name) for name in ("watch", "report", "stop", "track", "table")}
    with connection, connection.makefile("rwb") as stream:
        try:
            request = json.loads(stream.readline())
            for line in operations[request["op"]](request):
                stream.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except (ValueError, KeyError, TypeError, OSError) as error:
            stream.write(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")


def serve(door: socket.socket, watcher: Watcher) -> None:
    """Take packets and requests as they come, for ever."""
    while True:
        listening: dict[socket.socket, Capture | Tracker] = {item.socket: item for item in watcher.captures}
        listening.update((item.socket, item) for item in watcher.trackers)
        ready, _, _ = select.select([door, *listening], [], [], IDLE_S)
        if not ready:
            watcher.close()
        for sock in set(ready) - {door}:
            listening[sock].read()
        if door in ready:
            connection, _ = door.accept()
            # Whoever asked may have gone away.
            with contextlib.suppress(OSError):
                serve_one(watcher, connection)


def main() -> None:
    """Stand at the node's door."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(DOOR)
    door.listen(16)
    serve(door, Watcher())


if __name__ == "__main__":
    main()
