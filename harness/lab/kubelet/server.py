"""The kubelet's door: a Unix socket for logs and exec. One request a connection (docs/lab.md, "Pods")."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.core import errors
from harness.lab.kubelet import containers, executing, reading, worker

log = logging.getLogger("harness.lab.kubelet")

_LONGEST_REQUEST = 1 << 20

Find = Callable[[str, str], worker.PodWorker | None]


class Door:
    """Listens for as long as the kubelet lives; each connection has a thread of its own."""

    def __init__(self, path: Path, find: Find) -> None:
        self._find = find
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A path may be longer than a socket's address; a descriptor's path never is.
        with contextlib.ExitStack() as stack:
            self._listener.bind(short_path(path, stack))
        self._listener.listen(64)

    def start(self) -> None:
        """Start the thread that accepts."""
        threading.Thread(target=self._accept, name="door", daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), name="request", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._answer(connection)
            except (BrokenPipeError, ConnectionResetError):
                log.debug("a caller left")
            except errors.ApiError as error:
                refuse(connection, error)

    def _answer(self, connection: socket.socket) -> None:
        request, rest = read_request(connection)
        runs = self._container(request)
        match request.get("op"):
            case "logs":
                reading.serve(connection, runs, request)
            case "exec":
                executing.serve(connection, runs, request, rest)
            case operation:
                raise errors.ApiError(400, "BadRequest", f"unknown operation {operation!r}")

    def _container(self, request: Mapping[str, Any]) -> containers.ContainerRuns:
        namespace, name = str(request.get("namespace", "")), str(request.get("pod", ""))
        found = self._find(namespace, name)
        if found is None:
            raise errors.ApiError(404, "NotFound", f'pods "{name}" not found')
        wanted = request.get("container") or found.pod.containers[0].name
        for runs in (*found.init, *found.containers):
            if runs.spec.name == wanted:
                return runs
        if any(each.name == wanted for each in (*found.pod.init, *found.pod.containers)):
            raise errors.ApiError(
                400, "BadRequest", f'container "{wanted}" in pod "{name}" is waiting to start: ContainerCreating'
            )
        raise errors.ApiError(400, "BadRequest", f"container {wanted} is not valid for pod {name}")


def short_path(path: Path, stack: contextlib.ExitStack) -> str:
    """A path of at most 108 bytes for the same socket, good until the stack is closed."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, folder)
    return f"/proc/self/fd/{folder}/{path.name}"


def read_request(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """The JSON line that a connection starts with, and what came after it.

    Raises:
        ApiError: It is none.
    """
    data = b""
    while b"\n" not in data:
        more = connection.recv(65536)
        if not more or len(data) > _LONGEST_REQUEST:
            raise errors.ApiError(400, "BadRequest", "a request is one line of JSON")
        data += more
    line, _, rest = data.partition(b"\n")
    try:
        request = json.loads(line)
    except ValueError as error:
        raise errors.ApiError(400, "BadRequest", f"a request is one line of JSON: {error}") from error
    if not isinstance(request, dict):
        raise errors.ApiError(400, "BadRequest", "a request is a JSON object")
    return request, rest


def refuse(connection: socket.socket, error: errors.ApiError) -> None:
    """Answer with an error in place of ``ok``."""
    body = {"error": {"code": error.code, "reason": error.reason, "message": error.message}}
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(body).encode() + b"\n")
