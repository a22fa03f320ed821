"""A program that rewrites a source address by BPF on one device, as long as its standard input is open.

``python -m harness.selftest.lab_liar --to ADDRESS|--device NAME --truth A --claim B``. Its programs come before all
that are on the device, and go with it: nothing is pinned.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import socket
import sys
from pathlib import Path

from harness.core import process
from harness.lab.bpf import kernel, loading
from harness.lab.topology import kernel as system
from harness.selftest import lab_bench

_LIE, _TAKE_BACK, _MAP = "sip_lie", "sip_take_back", "sip_the_lie"


def main() -> int:
    """Lie until standard input ends; 0, or ``lab_bench.MISSING`` where the kernel has no such attachment."""
    parser = argparse.ArgumentParser()
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", help="on the device that leads to this address, on the way there")
    where.add_argument("--device", help="on this device, for what comes in by it")
    parser.add_argument("--truth", required=True, help="whose address")
    parser.add_argument("--claim", required=True, help="becomes which")
    args = parser.parse_args()
    incoming = args.device is not None
    ifindex = socket.if_nametoindex(args.device if incoming else device_to(args.to))
    with contextlib.ExitStack() as held:
        found = load(held, socket.inet_aton(args.truth) + socket.inet_aton(args.claim))
        for name, ingress in ((_LIE, incoming), (_TAKE_BACK, not incoming)):
            direction = kernel.TCX_INGRESS if ingress else kernel.TCX_EGRESS
            try:
                link = kernel.link(found[name].fd, ifindex, direction, flags=kernel.BEFORE)
            except kernel.KernelError as error:
                if error.errno != errno.EINVAL:
                    raise
                sys.stderr.write("this kernel attaches no program before others (TCX, Linux 6.6)\n")
                return lab_bench.MISSING
            held.callback(os.close, link)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


def device_to(address: str) -> str:
    """The device by which packets for an address leave; CommandError if there is no way to it."""
    return str(json.loads(process.run(["ip", "-j", "route", "get", address]).stdout)[0]["dev"])


def load(held: contextlib.ExitStack, lie: bytes) -> dict[str, loading.Program]:
    """The programs, told whose address becomes which; their maps are named in a bpffs that nobody else sees."""
    folder = system.detached_mount("bpf")
    held.callback(os.close, folder)
    pins = Path(f"/proc/self/fd/{folder}")
    found = {program.name: program for program in loading.load(loading.LIAR, pins)}
    for program in found.values():
        held.callback(program.close)
    with contextlib.closing(kernel.Map.at(pins / _MAP)) as opened:
        opened.put(bytes(4), lie)
    return found


if __name__ == "__main__":
    sys.exit(main())
