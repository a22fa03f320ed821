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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core import errors, process
from harness.lab.kubelet import containers, frames, runtime

_CHUNK = 32768
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
    order = runtime.Order(argv=command, environment=_environment(runs, request), folder=runs.spec.working_folder)
    try:
        session = _start(order, first.pid, runs, request)
    except errors.CommandError as error:
        connection.sendall(b'{"ok": true}\n')
        connection.sendall(frames.frame(frames.ERROR, json.dumps(_not_started(runs, error)).encode()))
        return
    connection.sendall(b'{"ok": true}\n')
    _Carrier(connection, session).run(rest)


def _environment(runs: containers.ContainerRuns, request: Mapping[str, Any]) -> dict[str, str]:
    return {**runs.environment, **({"TERM": "xterm"} if request.get("tty") else {})}


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
    """Moves bytes between a connection and a session, in one thread."""

    def __init__(self, connection: socket.socket, session: Session) -> None:
        self._connection = connection
        self._session = session
        self._parser = frames.Parser()
        self._pidfd = os.pidfd_open(session.child.pid)
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], None]] = {
            connection.fileno(): self._from_caller,
            **{number: self._output_reader(number) for number in session.outputs},
        }
        self._caller_left = False

    def run(self, rest: bytes) -> None:
        """Carry until the process has ended and its output is sent, or the caller has left."""
        for descriptor in (*self._readers, self._pidfd):
            self._poll.register(descriptor, select.POLLIN)
        try:
            self._take_frames(rest)
            self._carry()
        finally:
            self._close()
        if not self._caller_left:
            status = exit_status(self._session.child.returncode)
            self._connection.sendall(frames.frame(frames.ERROR, json.dumps(status).encode()))

    def _carry(self) -> None:
        ended = False
        while not self._caller_left and not (ended and not self._session.outputs):
            ready = [number for number, _ in self._poll.poll(_WAIT_FOR_OUTPUT_MS if ended else None)]
            if ended and not ready:
                return
            for number in ready:
                if number == self._pidfd:
                    self._session.child.wait()
                    self._poll.unregister(self._pidfd)
                    ended = True
                elif number in self._readers:
                    self._readers[number]()

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
            if channel == frames.STDIN:
                self._write(content)
            elif channel == frames.RESIZE and self._session.terminal is not None:
                _resize(self._session.terminal, content)

    def _write(self, data: bytes) -> None:
        target = self._session.stdin
        if target is None:
            return
        if not data:
            self._close_input(target)
            return
        try:
            while data:
                data = data[os.write(target, data) :]
        except OSError:
            # The process no longer reads; what it does instead decides how this ends.
            self._session.stdin = None

    def _close_input(self, target: int) -> None:
        self._session.stdin = None
        if target == self._session.terminal:
            os.write(target, b"\x04")
        else:
            os.close(target)

    def _output_reader(self, number: int) -> Callable[[], None]:
        def read() -> None:
            try:
                data = os.read(number, _CHUNK)
            except OSError:
                # A terminal's master answers so when the last process on it is gone.
                data = b""
            if data:
                self._connection.sendall(frames.frame(self._session.outputs[number], data))
            else:
                self._drop_output(number)

        return read

    def _drop_output(self, number: int) -> None:
        self._poll.unregister(number)
        del self._readers[number], self._session.outputs[number]
        if number != self._session.terminal:
            os.close(number)

    def _close(self) -> None:
        child = self._session.child
        if child.poll() is None:
            runtime.end(child, signal.SIGHUP if self._session.terminal is not None else signal.SIGKILL)
            runtime.end(child, signal.SIGKILL)
            child.wait()
        numbers = {*self._session.outputs, self._session.stdin, self._session.terminal, self._pidfd}
        for number in numbers - {None}:
            with contextlib.suppress(OSError):
                os.close(number or 0)


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
