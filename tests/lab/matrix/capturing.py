"""Which machine really sends a reply: the link-layer sender of what arrives at the external client."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.core import process
from harness.lab import plan
from harness.lab.topology import namespaces
from tests.lab.matrix import cast, playing, recorded

_ALL = 0x0003
_ETHERNET, _SOURCE = 14, 26


@contextlib.contextmanager
def tapped(place: cast.Cast, space: str) -> Iterator[socket.socket]:
    """A packet socket on eth0 of one of the lab's network namespaces."""
    file = Path(f"/proc/{place.cluster.lab.owner.pid}/root/run/netns/{space}")

    def opened() -> socket.socket:
        # Only this thread goes there, and it ends; the socket stays where it was made.
        namespaces.enter(file)
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        tap.bind(("eth0", 0))
        return tap

    with ThreadPoolExecutor(1) as pool:
        tap = pool.submit(opened).result()
    with tap:
        tap.settimeout(0)
        yield tap


def frames(tap: socket.socket) -> Iterator[tuple[bytes, bool]]:
    """What has passed a tap so far, and whether it went out."""
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, address = tap.recvfrom(65535)
            yield frame, address[2] == socket.PACKET_OUTGOING


def reply_senders(place: cast.Cast) -> dict[str, str]:
    """For one connection through each node: the node, by address, whose network card sent the answer."""
    return {entry.name: reply_sender(place, entry.name) for entry in place.cluster.places}


def reply_sender(place: cast.Cast, entry: str) -> str:
    """The address of the node that sent the first packet of the answer to one connection through a node."""
    cell = recorded.Cell(client="external", service="echo", via=entry, protocol="TCP", port=30200)
    question = playing.Question(
        cell=cell, address=place.address(cell), tokens=(str(uuid.uuid4()),), timeout_s=playing.ANSWERED_S
    )
    with tapped(place, plan.CLIENT) as tap:
        playing.asked(place, "external", [question])
        senders = {frame[6:12] for frame, out in frames(tap) if not out and comes_from(frame, question.address, 30200)}
    assert len(senders) == 1, f"the answer came from {senders}"
    return neighbours(place)[senders.pop()]


def comes_from(frame: bytes, address: str, port: int) -> bool:
    """Whether a frame holds a TCP segment from that address and port."""
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
        return False
    length = (frame[_ETHERNET] & 0x0F) * 4
    source = socket.inet_ntoa(frame[_SOURCE : _SOURCE + 4])
    return source == address and struct.unpack_from("!H", frame, _ETHERNET + length)[0] == port


def neighbours(place: cast.Cast) -> dict[bytes, str]:
    """Each node's address by its MAC."""
    found = {}
    for entry in place.cluster.places:
        argv = [*cast.entering(place.cluster.lab, entry.name), "ip", "-j", "link", "show", "eth0"]
        link = json.loads(process.run(argv).stdout)[0]
        found[bytes.fromhex(link["address"].replace(":", ""))] = entry.address
    return found
