"""A packet capture in one file, standard library only: what passes a node while a cell is dialled once more.

Run as ``python3 -c SOURCE SECONDS ADDRESS…``: it writes a pcap (Linux cooked capture, ``LINKTYPE_LINUX_SLL``) of every
packet on any device that has one of these addresses in its first octets, inside a tunnel too, to standard output.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

MAGIC, MAJOR, MINOR, SNAP, LINKTYPE_LINUX_SLL = 0xA1B2C3D4, 2, 4, 512, 113
ALL = 0x0003
# The addresses of a packet inside a VXLAN packet are before this octet.
HEAD = 160
MOST = 4000


def main() -> None:
    """Capture until the time is up or there is enough."""
    end = time.monotonic() + float(sys.argv[1])
    wanted = [socket.inet_aton(address) for address in sys.argv[2:]]
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL))
    out = sys.stdout.buffer
    out.write(struct.pack("<IHHiIII", MAGIC, MAJOR, MINOR, 0, 0, SNAP, LINKTYPE_LINUX_SLL))
    kept = 0
    while kept < MOST and time.monotonic() < end:
        tap.settimeout(max(0.01, end - time.monotonic()))
        try:
            data, (_, protocol, kind, hardware, sender) = tap.recvfrom(65535)
        except socket.timeout:  # noqa: UP041 - not the same before Python 3.10
            break
        if any(address in data[:HEAD] for address in wanted):
            kept += 1
            out.write(record(data, protocol, kind, hardware, sender, time.time()))
    out.flush()


def record(data: bytes, protocol: int, kind: int, hardware: int, sender: bytes, now: float) -> bytes:
    """One packet as a pcap record with the header of a cooked capture."""
    head = struct.pack("!HHH8sH", kind, hardware, len(sender), sender[:8].ljust(8, b"\0"), protocol)
    taken = head + data[: SNAP - len(head)]
    return struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(taken), len(head) + len(data)) + taken


if __name__ == "__main__":
    main()
