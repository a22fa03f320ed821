"""exec over the kubelet's door: a process beside a container's, with pipes or a terminal, and its end as a Status."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.core import errors, process
from harness.lab.kubelet import containers, frames, runtime

_CHUNK = 32768
_PENDING_BYTES = 1 << 20
_WAIT_FOR_OUTPUT_MS = 200
"""How long output is awaited after the process has ended, if something it left behind still holds the pipe."""


@dataclass(kw_only=True)
class Session:
    """One exec: the process and this side's ends of its streams.

    Attributes:
        child: The process.
        stdin: Where its input goes; None once closed, or if there is none.
        outputs: Its outputs' descriptors, each with the channel that it is sent on.
        terminal: Its terminal's master side; None with pipes.
    """

    child: process.Child
    stdin: int | None
    outputs: dict[int, int]
    terminal: int | None


def serve(connection: socket.socket, runs: containers.ContainerRuns, request: Mapping[str, Any], rest: bytes) -> None:
    """Run a command in a container and carry its streams until it ends or the caller leaves.

    Raises:
        ApiError: The container does not run, or the request names no command.
    """
    command = tuple(str(word) for word in request.get("command") or ())
    first = runs.child
    if not command:
        raise errors.ApiError(400, "BadRequest", "you must specify at least 1 command for the container")
    if first is None:
        raise errors.ApiError(400, "BadRequest", f"container not found ({json.dumps(runs.spec.name)})")
    order = runs.order(command)
    if request.get("tty"):
        order = replace(order, environment={**order.environment, "TERM": "xterm"})
    try:
        session = _start(order, first.pid, runs, request)
    except errors.CommandError as error:
        connection.sendall(b'{"ok": true}\n')
        connection.sendall(frames.frame(frames.ERROR, json.dumps(_not_started(runs, error)).encode()))
        return
    connection.sendall(b'{"ok": true}\n')
    _Carrier(connection, session).run(rest)


def _start(order: runtime.Order, first: int, runs: containers.ContainerRuns, request: Mapping[str, Any]) -> Session:
    cgroup = runs.cgroup
    if request.get("tty"):
        return _start_on_terminal(order, first, runs, wants_input=bool(request.get("stdin")))
    child = runtime.start_beside(
        order,
        first,
        cgroup,
        stdin=subprocess.PIPE if request.get("stdin") else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    # The descriptors are taken over, so that one owner closes them.
    stdin = os.dup(child.stdin.fileno()) if child.stdin else None
    outputs = {os.dup(child.stdout.fileno()): frames.STDOUT, os.dup(child.stderr.fileno()): frames.STDERR}
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            stream.close()
    return Session(child=child, stdin=stdin, outputs=outputs, terminal=None)


def _start_on_terminal(
    order: runtime.Order, first: int, runs: containers.ContainerRuns, *, wants_input: bool
) -> Session:
    master, slave = pty.openpty()
    try:
        child = runtime.start_beside(order, first, runs.cgroup, stdin=slave, stdout=slave, stderr=slave, terminal=slave)
    except errors.CommandError:
        os.close(master)
        raise
    finally:
        os.close(slave)
    return Session(child=child, stdin=master if wants_input else None, outputs={master: frames.STDOUT}, terminal=master)


class _Carrier:
    """Moves bytes between a connection and a session, in one thread that never blocks on either."""

    def __init__(self, connection: socket.socket, session: Session) -> None:
        self._connection = connection
        self._session = session
        self._parser = frames.Parser()
        self._pidfd = os.pidfd_open(session.child.pid)
        self._pending = b""
        self._input_ends = False
        self._ended = False
        self._caller_left = False
        if session.stdin is not None:
            os.set_blocking(session.stdin, False)

    def run(self, rest: bytes) -> None:
        """Carry until the process has ended and its output is sent, or the caller has left."""
        try:
            self._take_frames(rest)
            self._carry()
        finally:
            self._close()
        if not self._caller_left:
            status = exit_status(self._session.child.returncode)
            self._connection.sendall(frames.frame(frames.ERROR, json.dumps(status).encode()))

    def _carry(self) -> None:
        while not self._caller_left and not (self._ended and not self._session.outputs):
            poll = select.poll()
            for number, mask in self._interests().items():
                poll.register(number, mask)
            ready = poll.poll(_WAIT_FOR_OUTPUT_MS if self._ended else None)
            if self._ended and not ready:
                return
            for number, what in ready:
                self._act(number, what)

    def _interests(self) -> dict[int, int]:
        masks = dict.fromkeys(self._session.outputs, select.POLLIN)
        if not self._ended:
            masks[self._pidfd] = select.POLLIN
        # A process that does not read holds back its caller, as a pipe would.
        if len(self._pending) < _PENDING_BYTES:
            masks[self._connection.fileno()] = select.POLLIN
        if self._pending and self._session.stdin is not None:
            masks[self._session.stdin] = masks.get(self._session.stdin, 0) | select.POLLOUT
        return masks

    def _act(self, number: int, what: int) -> None:
        if number == self._pidfd:
            self._session.child.wait()
            self._ended = True
        elif number == self._connection.fileno():
            self._from_caller()
        else:
            if number == self._session.stdin and what & (select.POLLOUT | select.POLLERR):
                self._write()
            if number in self._session.outputs and what & ~select.POLLOUT:
                self._read(number)

    def _from_caller(self) -> None:
        try:
            data = self._connection.recv(_CHUNK)
        except ConnectionResetError:
            data = b""
        if not data:
            self._caller_left = True
            return
        self._take_frames(data)

    def _take_frames(self, data: bytes) -> None:
        for channel, content in self._parser.take(data):
            if channel == frames.STDIN and self._session.stdin is not None:
                self._input_ends = self._input_ends or not content
                self._pending += content
                self._write()
            elif channel == frames.RESIZE and self._session.terminal is not None:
                _resize(self._session.terminal, content)

    def _write(self) -> None:
        target = self._session.stdin
        if target is None:
            return
        try:
            while self._pending:
                self._pending = self._pending[os.write(target, self._pending) :]
        except BlockingIOError:
            return
        except OSError:
            # The process no longer reads; what it does instead decides how this ends.
            self._pending, self._input_ends = b"", True
        if self._input_ends:
            self._close_input(target)

    def _close_input(self, target: int) -> None:
        self._session.stdin = None
        if target == self._session.terminal:
            # A terminal has no end of its own; this is what a person would type.
            with contextlib.suppress(OSError):
                os.write(target, b"\x04")
        else:
            os.close(target)

    def _read(self, number: int) -> None:
        try:
            data = os.read(number, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            # A terminal's master answers so when the last process on it is gone.
            data = b""
        if data:
            self._connection.sendall(frames.frame(self._session.outputs[number], data))
            return
        del self._session.outputs[number]
        if number != self._session.terminal:
            os.close(number)

    def _close(self) -> None:
        child = self._session.child
        if child.poll() is None:
            runtime.end(child, signal.SIGHUP if self._session.terminal is not None else signal.SIGKILL)
            runtime.end(child, signal.SIGKILL)
            child.wait()
        held = (*self._session.outputs, self._session.stdin, self._session.terminal, self._pidfd)
        for number in {each for each in held if each is not None}:
            os.close(number)


def _resize(terminal: int, content: bytes) -> None:
    with contextlib.suppress(ValueError, KeyError, struct.error, OSError):
        size = json.loads(content)
        packed = struct.pack("HHHH", int(size["Height"]), int(size["Width"]), 0, 0)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)


def exit_status(code: int) -> dict[str, Any]:
    """A process's end as Kubernetes reports it on the error channel; a signal counts as 128 and its number."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    shown = code if code > 0 else 128 - code
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {shown}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(shown)}]},
    }


def _not_started(runs: containers.ContainerRuns, error: errors.CommandError) -> dict[str, Any]:
    message = (
        "Internal error occurred: Internal error occurred: error executing command in container: failed to exec in "
        f'container: failed to start exec "{runs.container_id.removeprefix("containerd://")}": '
        f"OCI runtime exec failed: exec failed: unable to start container process: {error.stderr}"
    )
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }
