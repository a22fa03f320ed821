"""Large questions and answers, and the largest packet that a path takes."""

from __future__ import annotations

import sys
import uuid
from typing import Any

from tests.lab.matrix import cast, playing, recorded

# Ethernet's, and what VXLAN over IPv4 leaves of it (RFC 7348: 14 + 8 + 8 + 20 octets).
NODE_MTU, TUNNEL_MTU = 1500, 1450
_PORT = 30200
_NODE_PORTS = {"echo": _PORT, "echohost": 30202}
_DO_NOT_FRAGMENT = """
import errno, select, socket, sys
# Linux's numbers, which Python has no names for.
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
sock.connect((sys.argv[1], int(sys.argv[2])))
sock.settimeout(5)
try:
    sock.send(b"x" * 1471 + b"\\n")
    sock.recv(65536)
except OSError as error:
    if error.errno != errno.EMSGSIZE:
        raise
print(sock.getsockopt(socket.IPPROTO_IP, IP_MTU))
"""


def echoed(place: cast.Cast, who: str, via: str, protocol: str, octets: int) -> dict[str, Any]:
    """The agent's report on one question of so many octets, which the answer brings back and a little more."""
    cell = recorded.Cell(client=who, service="echo", via=via, protocol=protocol, port=_PORT)
    token = str(uuid.uuid4())
    question = playing.Question(
        cell=cell,
        address=place.address(cell),
        tokens=(token,),
        timeout_s=playing.ANSWERED_S,
        padding=octets - len(f"{token} \n"),
    )
    event = playing.asked(place, who, [question])[token]
    assert "error" not in event, f"{cell} with {octets} octets: {event}"
    return event


def forget_path_mtus(place: cast.Cast) -> None:
    """Let the external client find out anew how large a packet each path takes."""
    place.run("external", ["ip", "route", "flush", "cache"])


def path_mtu(place: cast.Cast, service: str, via: str) -> int:
    """What the external client's kernel takes for the path's MTU after a full-size datagram that must stay whole."""
    argv = [sys.executable, "-S", "-c", _DO_NOT_FRAGMENT, place.addresses[service, via], str(_NODE_PORTS[service])]
    return int(place.run("external", argv))
