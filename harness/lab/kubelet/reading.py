"""Logs over the kubelet's door."""

from __future__ import annotations

import datetime
import json
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.core import errors
from harness.lab.kubelet import containers, logs

_CALLER_GONE_S = 1.0
"""How often a follower whose container is silent looks whether its caller is still there."""


def serve(connection: socket.socket, runs: containers.ContainerRuns, request: Mapping[str, Any]) -> None:
    """Send the part of a container's log that is asked for.

    Raises:
        ApiError: There is no such log, or the request is not one.
    """
    chosen = selection_of(request, now_s=time.time())
    previous = bool(request.get("previous"))
    path, writer = _log_of(runs, previous=previous)
    connection.sendall(b'{"ok": true}\n')
    left = chosen.limit_bytes
    for line in _lines(path, None if previous else writer, chosen, connection):
        data = line if left is None else line[:left]
        connection.sendall(data)
        left = None if left is None else left - len(data)
        if left == 0:
            return


def selection_of(request: Mapping[str, Any], *, now_s: float) -> logs.Selection:
    """Parse the fields of ``v1.PodLogOptions``.

    Raises:
        ApiError: One has not the form it must have.
    """
    try:
        return logs.Selection(
            tail_lines=_number(request.get("tailLines")),
            since=_since(request, now_s),
            timestamps=bool(request.get("timestamps")),
            limit_bytes=_number(request.get("limitBytes")),
            follow=bool(request.get("follow")),
        )
    except (ValueError, TypeError) as error:
        raise errors.ApiError(400, "BadRequest", f"{json.dumps(dict(request))}: {error}") from error


def _number(value: object) -> int | None:
    if value is None:
        return None
    number = int(str(value))
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number


def _since(request: Mapping[str, Any], now_s: float) -> bytes:
    if request.get("sinceTime"):
        moment = datetime.datetime.fromisoformat(str(request["sinceTime"]))
        return logs.timestamp(int(moment.timestamp() * 1e9))
    if request.get("sinceSeconds"):
        return logs.timestamp(int((now_s - float(request["sinceSeconds"])) * 1e9))
    return b""


def _log_of(runs: containers.ContainerRuns, *, previous: bool) -> tuple[Path, logs.LogWriter | None]:
    writer = runs.log
    name = runs.spec.name
    if writer is None:
        reason = runs.state.reason if hasattr(runs.state, "reason") else "ContainerCreating"
        raise errors.ApiError(400, "BadRequest", f'container "{name}" is waiting to start: {reason}')
    if not previous:
        return writer.path, writer
    path = writer.path.with_name(f"{int(writer.path.stem) - 1}.log")
    if not path.exists():
        raise errors.ApiError(400, "BadRequest", f'previous terminated container "{name}" not found')
    return path, None


def _lines(
    path: Path, writer: logs.LogWriter | None, chosen: logs.Selection, connection: socket.socket
) -> Iterator[bytes]:
    reader = logs.LogReader(path)
    try:
        writes, finished = (writer.writes, writer.finished) if writer else (0, True)
        yield from logs.select(reader.records(), chosen)
        shown = logs.Selection(since=chosen.since, timestamps=chosen.timestamps)
        while writer is not None and chosen.follow and not finished and not _left(connection):
            _await_more(writer, writes)
            writes, finished = writer.writes, writer.finished
            yield from logs.select(reader.records(), shown)
    finally:
        reader.close()


def _await_more(writer: logs.LogWriter, seen: int) -> None:
    with writer.changed:
        writer.changed.wait_for(lambda: writer.finished or writer.writes != seen, _CALLER_GONE_S)


def _left(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
