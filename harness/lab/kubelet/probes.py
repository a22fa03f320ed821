"""Readiness probes: one attempt, and when the next one is due."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass

from harness.core import errors
from harness.lab.kubelet import specs

log = logging.getLogger("harness.lab.kubelet")

EAGER_PERIOD_S = 0.1
"""Seconds between attempts until the first success: a real kubelet waits a whole period, which only costs time here."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one attempt ended; the text is the kubelet's for the event."""

    ok: bool
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Successes or failures in a row, and what they add up to.

    Attributes:
        ready: Whether the probe holds.
        streak: How many equal outcomes came in a row.
        last_ok: What they were.
    """

    ready: bool = False
    streak: int = 0
    last_ok: bool = False

    def after(self, ok: bool, probe: specs.Probe) -> Tally:
        """The tally with one more outcome."""
        streak = self.streak + 1 if ok == self.last_ok else 1
        threshold = probe.success_threshold if ok else probe.failure_threshold
        # Before the first success nothing has to be taken back, so a failure needs no threshold.
        return Tally(ready=ok if streak >= threshold else self.ready, streak=streak, last_ok=ok)


def http_get(address: str, port: int, probe: specs.Probe) -> Outcome:
    """GET; any answer from 200 to 399 is a success, as Kubernetes has it."""
    host = probe.host or address
    try:
        connection = _connection(host, port, probe)
        try:
            connection.request(
                "GET", probe.http_path or "/", headers={"User-Agent": "kube-probe/1.36", **dict(probe.headers)}
            )
            code = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return Outcome(ok=False, text=f'Get "http://{host}:{port}{probe.http_path}": {error}')
    return Outcome(ok=200 <= code < 400, text=f"HTTP probe failed with statuscode: {code}")


def _connection(host: str, port: int, probe: specs.Probe) -> http.client.HTTPConnection:
    if not probe.tls:
        return http.client.HTTPConnection(host, port, timeout=probe.timeout_s)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=probe.timeout_s, context=context)


def tcp_connect(address: str, port: int, probe: specs.Probe) -> Outcome:
    """Connect; an open port is a success."""
    try:
        socket.create_connection((probe.host or address, port), timeout=probe.timeout_s).close()
    except OSError as error:
        return Outcome(ok=False, text=f"dial tcp {probe.host or address}:{port}: {error}")
    return Outcome(ok=True)


def port_of(container: specs.Container, port: int | str) -> int:
    """The number of a port that may be given by name; 0, which never answers, for an unknown name."""
    if isinstance(port, int):
        return port
    return next((number for name, number in container.ports if name == port), int(port) if port.isdigit() else 0)


class Prober:
    """Probes one run of one container from a thread of its own, until it is stopped."""

    def __init__(
        self,
        probe: specs.Probe,
        attempt: Callable[[], Outcome],
        changed: Callable[[bool], None],
        failed: Callable[[str], None],
    ) -> None:
        """Attempt again and again; ``changed`` hears of readiness, ``failed`` of failures after the first success."""
        self._probe = probe
        self._attempt = attempt
        self._changed = changed
        self._failed = failed
        self._stopping = threading.Event()

    def start(self, name: str) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name=f"probe {name}", daemon=True).start()

    def stop(self) -> None:
        """Stop; an attempt that is under way is not heard any more."""
        self._stopping.set()

    def _run(self) -> None:
        tally, eager = Tally(), True
        self._stopping.wait(self._probe.initial_delay_s)
        while not self._stopping.is_set():
            try:
                outcome = self._attempt()
            except errors.HarnessError as error:
                outcome = Outcome(ok=False, text=str(error))
            if self._stopping.is_set():
                return
            before, tally = tally, tally.after(outcome.ok, self._probe)
            if not outcome.ok and not eager:
                self._failed(outcome.text)
            if before.ready != tally.ready:
                eager = False
                self._changed(tally.ready)
            self._stopping.wait(EAGER_PERIOD_S if eager else self._probe.period_s)
