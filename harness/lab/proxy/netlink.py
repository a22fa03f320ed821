"""A small door to the kernel's netfilter subsystems over netlink: requests with an answer, and dumps.

The layouts are those of linux/netlink.h and linux/netfilter/nfnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

_NETLINK_NETFILTER = 12
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_FAMILY_HEADER = struct.Struct("=BBH")

_REQUEST, _ACK, _CREATE, _DUMP = 0x1, 0x4, 0x400, 0x300
_MSG_ERROR, _MSG_DONE = 2, 3
_TYPE_MASK = 0x3FFF
_RECEIVE_BYTES = 1 << 17


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, kind) + data + bytes(-length % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in a message or in a nested attribute, by kind without its flags."""
    found: dict[int, bytes] = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = data[_ATTRIBUTE.size : length]
        data = data[length + -length % 4 :]
    return found


def call(subsystem: int, message: int, payload: bytes, *, family: int = socket.AF_UNSPEC, create: bool = False) -> None:
    """Send one request and wait for the kernel's answer.

    Raises:
        OSError: The kernel refused, with its errno.
    """
    flags = _REQUEST | _ACK | (_CREATE if create else 0)
    for _ in _exchange(subsystem, message, payload, family, flags):
        pass


def dump(subsystem: int, message: int, *, family: int) -> Iterator[bytes]:
    """All objects of a subsystem, each as its attributes' bytes.

    Raises:
        OSError: The kernel refused, with its errno.
    """
    for body in _exchange(subsystem, message, b"", family, _REQUEST | _DUMP):
        yield body[_FAMILY_HEADER.size :]


def _exchange(subsystem: int, message: int, payload: bytes, family: int, flags: int) -> Iterator[bytes]:
    body = _FAMILY_HEADER.pack(family, 0, 0) + payload
    kind = subsystem << 8 | message
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as channel:
        channel.bind((0, 0))
        channel.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)
        while True:
            for answer, data in _messages(channel.recv(_RECEIVE_BYTES)):
                if answer == _MSG_DONE:
                    return
                if answer == _MSG_ERROR:
                    _raise_for(data)
                    return
                yield data


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[length + -length % 4 :]


def _raise_for(data: bytes) -> None:
    (code,) = _ERROR.unpack_from(data)
    if code:
        raise OSError(-code, os.strerror(-code))
