"""A program that leaves entries in the nodes' conntrack for the source ports that a client will use again.

``python -m harness.selftest.lab_planter --to ADDRESS:PORT --first N --count M``: one datagram from each of these ports,
answered or not; then the namespace's sockets get no other ports, until standard input ends.
"""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TIMEOUT_S = 1.0


def main() -> int:
    """Plant, and hold the ports; 0."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    args = parser.parse_args()
    host, _, port = args.to.partition(":")
    for source in range(args.first, args.first + args.count):
        plant((host, int(port)), source)
    before = _RANGE.read_text()
    _RANGE.write_text(f"{args.first} {args.first + args.count - 1}")
    try:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        _RANGE.write_text(before)
    return 0


def plant(target: tuple[str, int], source: int) -> None:
    """One datagram and its answer, so that the entry counts as one of a flow that goes both ways."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_TIMEOUT_S)
        sock.bind(("", source))
        sock.sendto(b"planted\n", target)
        sock.recv(65536)


if __name__ == "__main__":
    sys.exit(main())
