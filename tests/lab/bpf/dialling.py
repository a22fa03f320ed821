"""Clients: one fresh socket a sample."""

from __future__ import annotations

import socket

from tests.lab.bpf import world

REFUSED, TIMEOUT, RESET = "refused", "timeout", "reset"
ANSWERED_S, UNANSWERED_S = 3.0, 0.3


def dial(
    place: world.World,
    who: str,
    address: str,
    port: int,
    protocol: str,
    *,
    octets: int = 0,
    upload: int = 0,
    source_port: int = 0,
    timeout_s: float = ANSWERED_S,
) -> str:
    """Ask an echo server who is asking: the address that it saw, or why there was no answer."""
    return ask(
        place,
        who,
        address,
        port,
        protocol,
        octets=octets,
        upload=upload,
        source_port=source_port,
        timeout_s=timeout_s,
    )[0]


def ask(
    place: world.World,
    who: str,
    address: str,
    port: int,
    protocol: str,
    *,
    octets: int = 0,
    upload: int = 0,
    source_port: int = 0,
    timeout_s: float = ANSWERED_S,
) -> tuple[str, str]:
    """Ask an echo server who is asking: the address that it saw, and its own; or why there was no answer.

    Args:
        place: The cluster.
        who: The client: ``external``, ``gateway``, a pod or a host.
        address: What it dials.
        port: What it dials.
        protocol: ``TCP`` (or ``HTTP``), ``UDP`` for a connected socket, ``UDP-unconnected``.
        octets: How many octets the answer has besides.
        upload: How many octets the question has besides.
        source_port: The client's port; 0 for any.
        timeout_s: Seconds until there is no answer.
    """
    stream = protocol in ("TCP", "HTTP")
    with place.as_client(who):
        dialling = socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    with dialling:
        dialling.settimeout(timeout_s)
        if source_port:
            dialling.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            dialling.bind(("0.0.0.0", source_port))
        try:
            if stream:
                answer = _stream(dialling, (address, port), octets, upload)
            else:
                question = f"{octets} ".encode() + b" " * upload
                answer = _datagram(dialling, (address, port), question, connected=protocol == "UDP")
        except ConnectionRefusedError:
            return REFUSED, ""
        except ConnectionResetError:
            return RESET, ""
        except TimeoutError:
            return TIMEOUT, ""
    line, _, rest = answer.partition(b"\n")
    if len(rest) != octets:
        return f"{len(rest)} of {octets} octets", ""
    seen, server = line.decode().split()
    return seen, server


def _stream(dialling: socket.socket, service: tuple[str, int], octets: int, upload: int) -> bytes:
    dialling.connect(service)
    dialling.sendall(f"{octets} {upload}\n".encode() + b"y" * upload)
    with dialling.makefile("rb") as reader:
        return reader.read()


def _datagram(dialling: socket.socket, service: tuple[str, int], question: bytes, *, connected: bool) -> bytes:
    if connected:
        dialling.connect(service)
        dialling.send(question)
        return dialling.recv(65535)
    dialling.sendto(question, service)
    answer, peer = dialling.recvfrom(65535)
    # Who answers must be who was asked, as a client would check.
    return answer if peer == service else b"someone-else answered\n"
