"""Moves what containers write from their pipes to their logs: one thread for a whole node."""

from __future__ import annotations

import logging
import os
import select
import threading
from dataclasses import dataclass

from harness.lab.kubelet import logs

log = logging.getLogger("harness.lab.kubelet")

_CHUNK = 65536


@dataclass(kw_only=True)
class _Source:
    writer: logs.LogWriter
    closing: bool = False


class Pump:
    """Reads every open pipe as soon as it has something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: dict[int, _Source] = {}
        self._poll = select.poll()
        self._wake_in, self._wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._wake_in, select.POLLIN)

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="logs", daemon=True).start()

    def attach(self, descriptor: int, writer: logs.LogWriter) -> None:
        """Take over the reading end of a pipe."""
        os.set_blocking(descriptor, False)
        with self._lock:
            self._sources[descriptor] = _Source(writer=writer)
        self._poll.register(descriptor, select.POLLIN)
        self._wake()

    def finish(self, writer: logs.LogWriter) -> None:
        """The container has ended: read what is there, then close, even if a stray process still holds the pipe."""
        with self._lock:
            for source in self._sources.values():
                if source.writer is writer:
                    source.closing = True
        self._wake()

    def _wake(self) -> None:
        os.write(self._wake_out, b"x")

    def _run(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._wake_in:
                    os.read(self._wake_in, _CHUNK)
                else:
                    self._drain(descriptor)
            with self._lock:
                closing = [descriptor for descriptor, source in self._sources.items() if source.closing]
            for descriptor in closing:
                self._drain(descriptor)
                self._close(descriptor)

    def _drain(self, descriptor: int) -> None:
        with self._lock:
            source = self._sources.get(descriptor)
        while source is not None:
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                self._close(descriptor)
                return
            try:
                source.writer.take(data)
            except OSError as error:
                # A full disk costs the log, not the container.
                log.error("log %s: %s", source.writer.path, error)

    def _close(self, descriptor: int) -> None:
        with self._lock:
            source = self._sources.pop(descriptor, None)
        if source is not None:
            self._poll.unregister(descriptor)
            os.close(descriptor)
            source.writer.finish()
