"""Containers' logs: lines as written, each with the time at which it came. The format on disk is CRI's.

A record is ``TIME stdout F LINE`` (``P`` for a part of a line that is longer than 16 KiB), as containerd writes it
and kubelets read it. Both outputs of a container are one pipe, so that their order is kept; the price is that
every record says ``stdout``. A log that reaches its limit is moved to ``LOG.1``, whose old content is lost.
"""

from __future__ import annotations

import datetime
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LIMIT_BYTES = 10 * 1024 * 1024
PART_BYTES = 16 * 1024
_SECOND_NS = 1_000_000_000


def timestamp(moment_ns: int) -> bytes:
    """RFC 3339 with nine digits of the second, in UTC."""
    seconds, rest = divmod(moment_ns, _SECOND_NS)
    whole = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z".encode()


class LogWriter:
    """The log of one run of one container. One thread writes; any number of readers follow."""

    def __init__(self, path: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path = path
        self.changed = threading.Condition()
        self.finished = False
        self.writes = 0
        self._limit = limit_bytes
        self._pending = b""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def take(self, data: bytes, *, now_ns: int | None = None) -> None:
        """Append what a container wrote; a line's beginning waits for its end."""
        stamp = timestamp(time.time_ns() if now_ns is None else now_ns)
        *lines, self._pending = (self._pending + data).split(b"\n")
        records = [record for line in lines for record in _records(stamp, line)]
        while len(self._pending) > PART_BYTES:
            part, self._pending = self._pending[:PART_BYTES], self._pending[PART_BYTES:]
            records.append(stamp + b" stdout P " + part + b"\n")
        self._append(b"".join(records))

    def finish(self) -> None:
        """The container has ended: write a last line without an end, and let followers go."""
        if self._pending:
            self._append(timestamp(time.time_ns()) + b" stdout P " + self._pending + b"\n")
            self._pending = b""
        self._file.close()
        with self.changed:
            self.finished = True
            self.changed.notify_all()

    def _append(self, data: bytes) -> None:
        if not data:
            return
        self._file.write(data)
        if self._file.tell() > self._limit:
            self._file.close()
            self.path.replace(rotated(self.path))
            self._file = self.path.open("ab", buffering=0)
        with self.changed:
            self.writes += 1
            self.changed.notify_all()


def rotated(path: Path) -> Path:
    """Where a log goes when it has reached its limit."""
    return path.with_name(path.name + ".1")


def _records(stamp: bytes, line: bytes) -> Iterator[bytes]:
    for start in range(0, max(len(line) - 1, 0) // PART_BYTES * PART_BYTES, PART_BYTES):
        yield stamp + b" stdout P " + line[start : start + PART_BYTES] + b"\n"
    rest = max(len(line) - 1, 0) // PART_BYTES * PART_BYTES
    yield stamp + b" stdout F " + line[rest:] + b"\n"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which part of a log is asked for; attributes are the fields of ``v1.PodLogOptions``."""

    tail_lines: int | None = None
    since: bytes = b""
    timestamps: bool = False
    limit_bytes: int | None = None
    follow: bool = False


def select(records: list[bytes], chosen: Selection) -> list[bytes]:
    """The output lines for whole records, the newest ``tail_lines`` of those not older than ``since``. Pure."""
    kept = [record for record in records if record[: record.index(b" ")] >= chosen.since]
    if chosen.tail_lines is not None:
        lines = whole_lines(kept)
        kept = [record for line in lines[max(0, len(lines) - chosen.tail_lines) :] for record in line]
    return [shown(record, timestamps=chosen.timestamps) for record in kept]


def whole_lines(records: list[bytes]) -> list[list[bytes]]:
    """The records of each line: more than one where a line was longer than a record."""
    lines: list[list[bytes]] = []
    going_on = False
    for record in records:
        if going_on:
            lines[-1].append(record)
        else:
            lines.append([record])
        going_on = is_part(record)
    return lines


def is_part(record: bytes) -> bool:
    """Whether a record's line goes on in the next."""
    return record.split(b" ", 3)[2] == b"P"


def shown(record: bytes, *, timestamps: bool) -> bytes:
    """A record as ``kubectl logs`` shows it: the bytes as written."""
    stamp, _, kind, rest = record.split(b" ", 3)
    line = rest if kind == b"F" else rest.removesuffix(b"\n")
    return stamp + b" " + line if timestamps else line


class LogReader:
    """Reads a log from its beginning, and on across rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail = b""
        old = rotated(path)
        self._file: BinaryIO = (old if old.exists() else path).open("rb")

    def records(self) -> list[bytes]:
        """The whole records that have come since the last call."""
        found: list[bytes] = []
        while True:
            # Asked before the reading: a file that has been moved away by now is complete.
            moved = os.fstat(self._file.fileno()).st_ino != self._path.stat().st_ino
            *lines, self._tail = (self._tail + self._file.read()).split(b"\n")
            found += [line + b"\n" for line in lines]
            if not moved:
                return found
            self._file.close()
            self._file = self._path.open("rb")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
