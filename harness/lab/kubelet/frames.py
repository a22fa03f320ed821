"""The frames of exec: one byte channel, four bytes length, data. The channels are Kubernetes' own. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_HEAD = struct.Struct("!BI")
LONGEST = 1 << 24


def frame(channel: int, data: bytes) -> bytes:
    """One frame."""
    return _HEAD.pack(channel, len(data)) + data


class Parser:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self) -> None:
        self._data = b""

    def take(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are whole now.

        Raises:
            ValueError: A frame is longer than any that is meant.
        """
        self._data += data
        while len(self._data) >= _HEAD.size:
            channel, length = _HEAD.unpack_from(self._data)
            if length > LONGEST:
                raise ValueError(f"a frame of {length} bytes")
            if len(self._data) < _HEAD.size + length:
                return
            yield channel, self._data[_HEAD.size : _HEAD.size + length]
            self._data = self._data[_HEAD.size + length :]
