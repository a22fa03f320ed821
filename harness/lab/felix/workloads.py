"""The pods of this node, as its own routes tell. Pure.

The kubelet makes a pod's device and a route of one address to it. Felix reads them in the kernel, not in the API:
what is there is what packets find.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from harness.core import errors

DEVICE_PREFIX = "cali"
_ONE_ADDRESS = 0xFFFFFFFF


@dataclass(frozen=True, order=True)
class Pod:
    """A pod with a network of its own.

    Attributes:
        device: The host's end of its wire.
        address: Its address.
    """

    device: str
    address: ipaddress.IPv4Address


def pods(table: str) -> tuple[Pod, ...]:
    """The pods in the text of ``/proc/net/route``, by device and address.

    Raises:
        ParseError: It is no such text.
    """
    try:
        rows = [line.split() for line in table.splitlines()[1:]]
        return tuple(
            sorted(
                Pod(row[0], _address(row[1]))
                for row in rows
                if row[0].startswith(DEVICE_PREFIX) and int(row[7], 16) == _ONE_ADDRESS
            )
        )
    except (IndexError, ValueError) as error:
        raise errors.ParseError(f"/proc/net/route: {error!r}") from error


def _address(text: str) -> ipaddress.IPv4Address:
    # The kernel prints the address as one number of the machine's own byte order.
    return ipaddress.IPv4Address(struct.pack("=I", int(text, 16)))
