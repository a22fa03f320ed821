"""What carries lines between a session and its agent: the pipes of a program, or an exec in a pod."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from typing import IO, Protocol

from harness.core import process

_END_S = 5.0


class Transport(Protocol):
    """A program that runs, with its standard streams. ``harness.kube.streaming.Stream`` is one too."""

    def write(self, data: bytes) -> None:
        """Send to its standard input; raises OSError when it has ended."""

    def output(self) -> Iterator[bytes]:
        """Every line of its standard output, until it ends."""

    def complaints(self) -> Iterator[bytes]:
        """Every line of its standard error, until it ends."""

    @property
    def end(self) -> str:
        """How it ended, as far as that is known."""

    def close(self) -> None:
        """End it, by the end of its input, and by force if that does not help."""


class Pipes:
    """A program of this machine."""

    def __init__(self, child: process.Child) -> None:
        """Take over a program that was started with a pipe for each of its streams."""
        self._child = child

    def write(self, data: bytes) -> None:
        """Send to its standard input; raises OSError when it has ended."""
        stdin = _stream(self._child.stdin)
        if stdin.closed:
            raise BrokenPipeError(self.end)
        stdin.write(data)
        stdin.flush()

    def output(self) -> Iterator[bytes]:
        """Every line of its standard output, until it ends."""
        return _lines(_stream(self._child.stdout))

    def complaints(self) -> Iterator[bytes]:
        """Every line of its standard error, until it ends."""
        return _lines(_stream(self._child.stderr))

    @property
    def end(self) -> str:
        """Its exit code, if it has ended."""
        code = self._child.poll()
        return "no exit code so far" if code is None else f"exit code {code}"

    def close(self) -> None:
        """End it, by the end of its input, and by force if that does not help."""
        with contextlib.suppress(OSError):
            _stream(self._child.stdin).close()
        try:
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(_END_S)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    # Whoever reads to the end closes, so that nobody closes what another thread still reads.
    with stream:
        yield from stream


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    # Popen's streams are there whenever a pipe was asked for, which is always here.
    if stream is None:
        raise ValueError("a stream that was never opened")
    return stream
