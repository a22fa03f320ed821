"""A running probe agent, and what it says, parsed into the model's types."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ipaddress
import itertools
import json
import logging
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.core import errors, process
from harness.model import cells, facts, words
from harness.probing import runners, transports

log = logging.getLogger("harness.probing")

_PROTOCOLS = {
    words.Protocol.HTTP: "http",
    words.Protocol.TCP: "tcp",
    words.Protocol.UDP: "udp",
    words.Protocol.UDP_UNCONNECTED: "udp-unconnected",
}
_START_S = 10.0
_ALIVE_S = 5.0
_END_S = 5.0
# What a whole dial may take beyond its samples' own time limits, on a busy machine.
_SLACK_S = 20.0


class ProbeError(errors.HarnessError):
    """The probe itself failed: it ended, did not understand, or did not finish. Nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Dial:
    """Samples to take on one path.

    Attributes:
        address: The address that is dialled.
        port: The port.
        protocol: What the samples speak.
        tokens: One for each sample.
        timeout_s: Seconds until a sample counts as unanswered.
        concurrency: How many samples are under way at once.
        source_port: The client's port, with one token only; 0 lets the system choose.
        keep_open: Whether the connections stay open until the session ends.
    """

    address: facts.Address
    port: int
    protocol: words.Protocol
    tokens: tuple[str, ...]
    timeout_s: float
    concurrency: int = 20
    source_port: int = 0
    keep_open: bool = False

    def __post_init__(self) -> None:
        if not self.tokens or (self.source_port and len(self.tokens) > 1):
            raise ValueError("a dial has one token or more, and exactly one if the source port is fixed")

    @property
    def longest_s(self) -> float:
        """The longest that the whole dial can take if every sample stays unanswered."""
        rounds = -(-len(self.tokens) // max(1, self.concurrency))
        return rounds * self.timeout_s + _SLACK_S


class Dialler(Protocol):
    """Somebody who takes samples."""

    @property
    def alive(self) -> bool:
        """Whether it still answers."""

    def dial(self, wanted: Dial) -> dict[str, cells.Reply]:
        """Take samples, and return what the client got for each token; raises ProbeError."""


class Session:
    """One agent, running somewhere, that takes any number of dials at once. Safe to use from several threads."""

    def __init__(self, transport: transports.Transport, where: str) -> None:
        """Talk to an agent that has been started; ``where`` names its place in messages."""
        self._transport = transport
        self._where = where
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._answers: dict[str, queue.Queue[Mapping[str, Any]]] = {"None": queue.Queue()}
        self._said: list[str] = []
        self._threads = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_complaints, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def wait_ready(self) -> None:
        """Wait for the agent's first word.

        Raises:
            ProbeError: It did not start.
        """
        self._next("None", _START_S)

    def dial(self, wanted: Dial) -> dict[str, cells.Reply]:
        """Take samples, and return what the client got for each token.

        Raises:
            ProbeError: The agent failed; the samples are lost.
        """
        name = self._send(
            {
                "op": "dial",
                "host": str(wanted.address),
                "port": wanted.port,
                "protocol": _PROTOCOLS[wanted.protocol],
                "tokens": list(wanted.tokens),
                "timeout_s": wanted.timeout_s,
                "concurrency": wanted.concurrency,
                "source_port": wanted.source_port,
                "keep_open": wanted.keep_open,
            }
        )
        found = {str(event["token"]): reply_from(event) for event in self._until_done(name, wanted.longest_s)}
        if set(found) != set(wanted.tokens):
            raise ProbeError(f"{self._where}: {len(found)} of {len(wanted.tokens)} samples came back")
        return found

    def serve(self, port: int, *, host: str = "0.0.0.0", identity: str) -> int:
        """Answer TCP and UDP on a port for as long as the session lives; returns the port.

        Raises:
            ProbeError: The agent cannot listen there.
        """
        name = self._send({"op": "serve", "port": port, "host": host, "identity": identity})
        return int(self._next(name, _START_S)["port"])

    @property
    def alive(self) -> bool:
        """Whether the agent still answers: a connection that was cut on its way says nothing of it by itself."""
        try:
            list(self._until_done(self._send({"op": "release", "of": ""}), _ALIVE_S))
        except ProbeError:
            return False
        return True

    def close(self) -> None:
        """End the agent, by the end of its input, and by force if that does not help."""
        self._transport.close()
        for thread in self._threads:
            thread.join(_END_S)

    def _send(self, request: Mapping[str, Any]) -> str:
        name = str(next(self._ids))
        with self._lock:
            self._answers[name] = queue.Queue()
            line = json.dumps({**request, "id": name}).encode() + b"\n"
            try:
                self._transport.write(line)
            except (OSError, ValueError) as error:
                raise ProbeError(self._obituary()) from error
        return name

    def _until_done(self, name: str, timeout_s: float) -> Iterator[Mapping[str, Any]]:
        try:
            while (event := self._next(name, timeout_s))["event"] != "done":
                yield event
        finally:
            with self._lock:
                del self._answers[name]

    def _next(self, name: str, timeout_s: float) -> Mapping[str, Any]:
        try:
            event = self._answers[name].get(timeout=timeout_s)
        except queue.Empty as error:
            raise ProbeError(f"{self._where}: the probe said nothing for {timeout_s:g} s; {self._words()}") from error
        if event["event"] == "ended":
            self._answers[name].put(event)
            raise ProbeError(self._obituary())
        if event["event"] == "error":
            raise ProbeError(f"{self._where}: {event['error']}")
        return event

    def _read_events(self) -> None:
        for line in self._transport.output():
            try:
                event = json.loads(line)
                answers = self._answers.get(str(event["id"]))
            except (ValueError, KeyError, TypeError):
                self._said.append(line.decode(errors="backslashreplace").rstrip())
                continue
            if answers is not None:
                answers.put(event)
        with self._lock:
            for answers in self._answers.values():
                answers.put({"event": "ended"})

    def _read_complaints(self) -> None:
        for line in self._transport.complaints():
            self._said.append(line.decode(errors="backslashreplace").rstrip())

    def _obituary(self) -> str:
        return f"{self._where}: the probe ended ({self._transport.end}); {self._words()}"

    def _words(self) -> str:
        return "it said: " + " / ".join(self._said[-5:]) if self._said else "it said nothing"


def started(runner: runners.Runner) -> Session:
    """An agent that has been started at that place and may not listen yet; the caller closes it.

    Raises:
        CommandError: The prefix names no program.
    """
    child = process.start(runner.argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return Session(transports.Pipes(child), " ".join(runner.prefix) or "this machine")


@contextlib.contextmanager
def running(runner: runners.Runner) -> Iterator[Session]:
    """An agent that runs at that place until the block ends.

    Raises:
        CommandError: The prefix names no program.
        ProbeError: The agent did not start.
    """
    with contextlib.closing(started(runner)) as session:
        session.wait_ready()
        yield session


def dial_all(session: Dialler, dials: Sequence[Dial]) -> list[dict[str, cells.Reply]]:
    """Take all dials side by side, so that unanswered ones cost the longest time limit and not the sum of all.

    Raises:
        ProbeError: The agent failed.
    """
    with concurrent.futures.ThreadPoolExecutor(max(1, len(dials))) as pool:
        return list(pool.map(session.dial, dials))


def reply_from(event: Mapping[str, Any]) -> cells.Reply:
    """What the agent says of one sample, in the model's words.

    Raises:
        ProbeError: It says something that has no meaning.
    """
    try:
        silence = event.get("silence")
        return cells.Reply(
            status=event.get("status"),
            silence=words.Silence(silence) if silence is not None else None,
            error=str(event.get("error", "")),
            local=_endpoint(event.get("local")),
            peer=_endpoint(event.get("peer")),
            latency_ms=float(event["latency_ms"]),
            token=str(event["seen_token"]) if "seen_token" in event else None,
            saw=_endpoint((event["seen"], event["seen_port"])) if "seen" in event else None,
            server=str(event.get("server", "")),
            sender=_endpoint(event.get("reply_from")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ProbeError(f"the probe's words have no meaning: {event}") from error


def _endpoint(pair: Sequence[Any] | None) -> tuple[facts.Address, int] | None:
    if pair is None:
        return None
    return ipaddress.ip_address(pair[0]), int(pair[1])
