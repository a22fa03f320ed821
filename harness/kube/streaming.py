"""A program in a pod that goes on running, with its standard input and output as lines: the API's exec, held open.

The TLS connection below a WebSocket must not be read and written by two threads at once, so the reader waits outside
of the lock and takes it for one message, which then is already there.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from harness.core import errors
from harness.kube import client, execution

# Version 5 of the protocol has a message that closes a channel; before it, only the connection's end does.
_CLOSE, _CLOSING = 255, "v5.channel.k8s.io"
_END_S = 5.0


class Stream:
    """One exec that is under way. Writing is safe from several threads; each output has one reader."""

    def __init__(self, connection: Any, where: str) -> None:  # noqa: ANN401 - the library has no types
        self._connection = connection
        # The library forgets its socket when it finds the connection closed.
        self._socket: socket.socket = connection.sock
        self._where = where
        self._lock = threading.Lock()
        self._output: queue.Queue[bytes | None] = queue.Queue()
        self._complaints: queue.Queue[bytes | None] = queue.Queue()
        self._status = b""
        self._broken = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def write(self, data: bytes) -> None:
        """Send to the program's standard input.

        Raises:
            OSError: It has ended, or the connection broke.
        """
        if not self._reader.is_alive():
            raise BrokenPipeError(self.end)
        try:
            self._send(bytes([execution.STDIN]) + data)
        except (errors.ApiError, TimeoutError) as error:
            raise BrokenPipeError(str(error)) from error

    def output(self) -> Iterator[bytes]:
        """Every line of its standard output, until it ends."""
        return _lines(self._output)

    def complaints(self) -> Iterator[bytes]:
        """Every line of its standard error, until it ends."""
        return _lines(self._complaints)

    @property
    def end(self) -> str:
        """How it ended, as far as that is known."""
        if self._status:
            with contextlib.suppress(errors.ApiError):
                return f"exit code {execution.exit_code(self._status)}"
            return self._status[:200].decode(errors="backslashreplace")
        return self._broken or "no exit code so far"

    def close(self) -> None:
        """End its input, wait a moment for its end, and close the connection, which ends it by force."""
        with contextlib.suppress(errors.ApiError, TimeoutError):
            if self._reader.is_alive() and self._connection.subprotocol == _CLOSING:
                self._send(bytes([_CLOSE, execution.STDIN]))
                self._reader.join(_END_S)
        # A reader that waits for a message wakes up when the connection is shut down, and not when it is closed.
        with self._lock, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(_END_S)
        self._connection.shutdown()

    def _send(self, message: bytes) -> None:
        with self._lock, execution.translated(self._where):
            self._connection.send_binary(message)

    def _read(self) -> None:
        parts = {execution.STDOUT: self._output, execution.STDERR: self._complaints}
        try:
            with execution.translated(self._where):
                while (message := self._message()) is not None:
                    channel, data = message
                    if channel in parts:
                        parts[channel].put(data)
                    elif channel == execution.ERROR:
                        self._status += data
        except (errors.ApiError, TimeoutError) as error:
            self._broken = str(error)
        for part in parts.values():
            part.put(None)

    def _message(self) -> tuple[int, bytes] | None:
        """The next message with its channel; None when the server closes."""
        import websocket

        while True:
            self._await_data()
            with self._lock:
                # A ping comes back as soon as it is answered; else the lock would be held until the next message.
                opcode, data = self._connection.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return None
            if opcode == websocket.ABNF.OPCODE_BINARY and data:
                return data[0], data[1:]

    def _await_data(self) -> None:
        pending = getattr(self._socket, "pending", None)
        if pending is None or not pending():
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            poll.poll()


def opened(
    api: client.Client, *, namespace: str, pod: str, container: str, argv: Sequence[str], timeout_s: float
) -> Stream:
    """A program that has been started in a pod's container; ``timeout_s`` bounds the handshake and each message.

    Raises:
        ApiError: The API refused, the connection broke, or the handshake took too long (reason ``Timeout``).
    """
    where = f"exec in {namespace}/{pod}"
    url = execution.url_of(api, namespace=namespace, pod=pod, container=container, argv=argv, stdin=True)
    try:
        with execution.translated(where):
            return Stream(execution.connected(api, url, timeout_s), where)
    except TimeoutError as error:
        raise errors.ApiError(0, "Timeout", f"{where}: no answer within {timeout_s:g} s") from error


def _lines(part: queue.Queue[bytes | None]) -> Iterator[bytes]:
    left = b""
    while (data := part.get()) is not None:
        *whole, left = (left + data).split(b"\n")
        yield from whole
    if left:
        yield left
