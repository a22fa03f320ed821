"""Datagrams on unconnected sockets, which take an answer from anybody: the hardest witness of a wrong answer."""

from __future__ import annotations

import collections
import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.core import waiting
from harness.lab.topology import namespaces
from tests.lab import switching

PORT = 30300
_NAMESPACE = "default"
_SERVER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 8080))
while True:
    data, peer = s.recvfrom(2048)
    s.sendto(data + b" " + peer[0].encode(), peer)
"""
_OBJECTS: tuple[switching.Object, ...] = (
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "datagrams", "namespace": _NAMESPACE, "labels": {"app": "datagrams"}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": "kind-worker"},
            "containers": [
                {"name": "echo", "image": "sourceip/tools", "command": ["python3", "-u", "-c"], "args": [_SERVER]}
            ],
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "datagrams", "namespace": _NAMESPACE},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "datagrams"},
            "ports": [{"name": "udp", "port": 8080, "protocol": "UDP", "nodePort": PORT}],
        },
    },
)
_BACKEND = "kind-worker"
_PAUSE_S = 0.01
# Sockets that are open at once; the oldest is given up, answered or not.
_OPEN = 400


@dataclass
class Asker:
    """Sends a numbered datagram through each node again and again, each on a new socket, and on one that stays."""

    allowed: dict[str, set[str]]
    answered: int = 0
    sent: int = 0
    wrong: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, namespace: Path) -> None:
        """Ask from that network namespace until ``stop``."""
        namespaces.enter(namespace)
        with contextlib.ExitStack() as stack:
            lasting = {address: stack.enter_context(_socket()) for address in self.allowed}
            fresh: collections.deque[tuple[socket.socket, str]] = collections.deque()
            while not self._stopping.wait(_PAUSE_S):
                self._ask(lasting, fresh)
                self._listen([*((sock, address) for address, sock in lasting.items()), *fresh])
            for sock, _ in fresh:
                sock.close()

    def stop(self) -> None:
        """Send no more."""
        self._stopping.set()

    def _ask(self, lasting: dict[str, socket.socket], fresh: collections.deque[tuple[socket.socket, str]]) -> None:
        for address, sock in lasting.items():
            fresh.append((_socket(), address))
            for each in (sock, fresh[-1][0]):
                self.sent += 1
                # A refusal to the last datagram is told when the next one is sent.
                with contextlib.suppress(OSError):
                    each.sendto(address.encode(), (address, PORT))
        while len(fresh) > _OPEN:
            fresh.popleft()[0].close()

    def _listen(self, waiting_for: list[tuple[socket.socket, str]]) -> None:
        by_number = {sock.fileno(): (sock, address) for sock, address in waiting_for}
        poll = select.poll()
        for number in by_number:
            poll.register(number, select.POLLIN)
        for number, _ in poll.poll(0):
            sock, address = by_number[number]
            with contextlib.suppress(OSError):
                data, peer = sock.recvfrom(2048)
                self._judge(address, data.decode(), peer)

    def _judge(self, address: str, text: str, peer: tuple[str, int]) -> None:
        self.answered += 1
        asked, _, seen = text.partition(" ")
        if peer != (address, PORT) or asked != address or seen not in self.allowed[address]:
            self.wrong.append(f"{address} was asked; {peer} answered {text!r}")


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


@contextmanager
def asking_throughout(found: switching.Cluster) -> Iterator[Asker]:
    """An echo server in the lab, and an asker on the client for as long as the block runs."""
    for item in _OBJECTS:
        found.api.apply(item)
    try:
        waiting.wait_until(
            lambda: found.pods(_NAMESPACE, "app=datagrams"),
            lambda pods: [pod["status"].get("phase") for pod in pods] == ["Running"],
            what="a running echo server",
            timeout_s=switching.SWITCH_S,
        )
        with _running(found) as asker:
            waiting.wait_until(
                lambda: asker.answered, bool, what="a first answer", timeout_s=switching.SWITCH_S, delay_s=_PAUSE_S
            )
            yield asker
    finally:
        for item in _OBJECTS:
            found.api.delete(found.api.path_of(item))


@contextmanager
def _running(found: switching.Cluster) -> Iterator[Asker]:
    asker = Asker(
        {
            place.address: {found.lab.client, place.address if place.name == _BACKEND else place.tunnel}
            for place in found.places
        }
    )
    namespace = Path(f"/proc/{found.lab.owner.pid}/root/run/netns/client")
    thread = threading.Thread(target=asker.run, args=(namespace,), name="asker")
    thread.start()
    try:
        yield asker
    finally:
        asker.stop()
        thread.join()
