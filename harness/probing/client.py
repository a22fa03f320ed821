"""A running probe agent, and what it says, parsed into the model's types."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import ipaddress
import itertools
import json
import logging
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
CONCURRENCY = 32
"""How many samples of several dials are under way at once that a server may be at work for."""
_START_S = 10.0
_ALIVE_S = 5.0
_END_S = 5.0
# What a whole dial may take beyond its samples' own time limits, on a busy machine.
_SLACK_S = 20.0
_PORTS = range(1 << 16)

Replies = dict[str, cells.Reply]
"""What the client got, by token."""


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
        concurrency: How many samples are under way at once, in a dial of its own; silent ones do not count for long.
        source_port: The client's port, with one token only; 0 lets the agent choose one that is new.
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
        if len(set(self.tokens)) != len(self.tokens):
            raise ValueError("a token is of one sample only")

    def request(self) -> dict[str, object]:
        """The same in the agent's words."""
        return {
            "host": str(self.address),
            "port": self.port,
            "protocol": _PROTOCOLS[self.protocol],
            "tokens": self.tokens,
            "timeout_s": self.timeout_s,
            "source_port": self.source_port,
            "keep_open": self.keep_open,
        }


class Dialler(Protocol):
    """Somebody who takes samples."""

    @property
    def alive(self) -> bool:
        """Whether it still answers."""

    def dial(self, wanted: Dial) -> Replies:
        """Take samples, and return what the client got for each token; raises ProbeError."""

    def dial_many(self, wanted: Sequence[Dial]) -> list[Replies]:
        """Take the samples of all these dials side by side; raises ProbeError."""


class Answer:
    """What an agent says to one request: any number of samples, and one last event."""

    def __init__(self) -> None:
        self.samples: list[Mapping[str, Any]] = []
        self.last: Mapping[str, Any] = {}
        self._whole = threading.Event()

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event; what comes after the last is not heard."""
        if self._whole.is_set():
            return
        if event["event"] == "sample":
            self.samples.append(event)
        else:
            self.last = event
            self._whole.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the last event; whether it came in time."""
        return self._whole.wait(timeout_s)


class Session:
    """One agent, running somewhere, that takes any number of dials at once. Safe to use from several threads.

    No two of its samples to one destination have the same source port, so keep it for all phases of a run.
    """

    def __init__(self, transport: transports.Transport, where: str) -> None:
        """Talk to an agent that has been started; ``where`` names its place in messages."""
        self._transport = transport
        self._where = where
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._ended = False
        self._answers = {"None": Answer()}
        self._said: collections.deque[str] = collections.deque(maxlen=5)
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
        self._whole("None", "ready", _START_S)

    def dial(self, wanted: Dial) -> Replies:
        """Take samples, and return what the client got for each token.

        Raises:
            ProbeError: The agent failed; the samples are lost.
        """
        return self._dialled([wanted], wanted.concurrency)[0]

    def dial_many(self, wanted: Sequence[Dial]) -> list[Replies]:
        """Take the samples of all these dials side by side, by one request.

        Raises:
            ProbeError: The agent failed; the samples are lost.
        """
        return self._dialled(wanted, CONCURRENCY)

    def serve(self, port: int, *, host: str = "0.0.0.0", identity: str) -> int:
        """Answer TCP and UDP on a port for as long as the session lives; returns the port.

        Raises:
            ProbeError: The agent cannot listen there.
        """
        name = self._send({"op": "serve", "port": port, "host": host, "identity": identity})
        return int(self._whole(name, "serving", _START_S).last["port"])

    @property
    def alive(self) -> bool:
        """Whether the agent still answers: a connection that was cut on its way says nothing of it by itself."""
        try:
            self._whole(self._send({"op": "dial", "dials": []}), "done", _ALIVE_S)
        except ProbeError:
            return False
        return True

    def close(self) -> None:
        """End the agent, by the end of its input, and by force if that does not help."""
        self._transport.close()
        for thread in self._threads:
            thread.join(_END_S)

    def _dialled(self, wanted: Sequence[Dial], concurrency: int) -> list[Replies]:
        dials = [dial.request() for dial in wanted]
        name = self._send({"op": "dial", "dials": dials, "concurrency": concurrency})
        answer = self._whole(name, "done", longest_s(wanted, concurrency))
        try:
            return replies_from(answer.samples, wanted)
        except ProbeError as error:
            raise ProbeError(f"{self._where}: {error}") from error

    def _send(self, request: Mapping[str, Any]) -> str:
        name = str(next(self._ids))
        line = json.dumps({**request, "id": name}).encode() + b"\n"
        with self._lock:
            try:
                if self._ended:
                    raise BrokenPipeError("its output ended")
                self._answers[name] = Answer()
                self._transport.write(line)
            except (OSError, ValueError) as error:
                raise ProbeError(self._obituary()) from error
        return name

    def _whole(self, name: str, last: str, timeout_s: float) -> Answer:
        """The answer to a request, when it is whole and ends as it should."""
        answer = self._answers[name]
        came = answer.wait(timeout_s)
        with self._lock:
            del self._answers[name]
        if not came:
            raise ProbeError(f"{self._where}: the probe did not finish in {timeout_s:g} s; {self._words()}")
        if answer.last["event"] == "ended":
            raise ProbeError(self._obituary())
        if answer.last["event"] != last:
            raise ProbeError(f"{self._where}: {answer.last.get('error') or answer.last}")
        return answer

    def _read_events(self) -> None:
        for line in self._transport.output():
            event = event_from(line)
            if event is None:
                self._said.append(line.decode(errors="backslashreplace").rstrip())
                continue
            answer = self._answers.get(str(event["id"]))
            if answer is not None:
                answer.add(event)
        with self._lock:
            self._ended = True
            for answer in self._answers.values():
                answer.add({"event": "ended"})

    def _read_complaints(self) -> None:
        for line in self._transport.complaints():
            self._said.append(line.decode(errors="backslashreplace").rstrip())

    def _obituary(self) -> str:
        return f"{self._where}: the probe ended ({self._transport.end}); {self._words()}"

    def _words(self) -> str:
        return "it said: " + " / ".join(self._said) if self._said else "it said nothing"


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


def longest_s(dials: Sequence[Dial], concurrency: int) -> float:
    """The longest that dials can take side by side if servers take every sample and answer none."""
    rounds = -(-sum(len(dial.tokens) for dial in dials) // max(1, concurrency))
    return rounds * max((dial.timeout_s for dial in dials), default=0.0) + _SLACK_S


def event_from(line: bytes) -> Mapping[str, Any] | None:
    """One line of an agent's, or None if it is no event: somebody else's words, such as a shell's."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and "id" in event and isinstance(event.get("event"), str) else None


def replies_from(samples: Sequence[Mapping[str, Any]], dials: Sequence[Dial]) -> list[Replies]:
    """What the agent says of all samples of these dials, each exactly once.

    Raises:
        ProbeError: One is missing, doubled, or was never asked for, or what it says of one has no meaning.
    """
    wanted = collections.Counter(f"{place!r} {token}" for place, dial in enumerate(dials) for token in dial.tokens)
    told = collections.Counter(f"{event.get('dial')!r} {event.get('token')}" for event in samples)
    if told != wanted:
        raise ProbeError(f"{(told & wanted).total()} of {wanted.total()} samples came back, {told.total()} in all")
    found: list[Replies] = [{} for _ in dials]
    for event in samples:
        found[event["dial"]][event["token"]] = reply_from(event)
    return found


def reply_from(event: Mapping[str, Any]) -> cells.Reply:
    """What the agent says of one sample, in the model's words; a server's nonsense is an answer with an error.

    Raises:
        ProbeError: The agent itself says something that has no meaning.
    """
    try:
        silence, status = event.get("silence"), event.get("status")
        if status is not None and type(status) is not int:
            raise TypeError("a status is a number")
        reply = cells.Reply(
            status=status,
            silence=words.Silence(silence) if silence is not None else None,
            error=str(event.get("error", "")),
            local=_endpoint(event.get("local")),
            peer=_endpoint(event.get("peer")),
            latency_ms=float(event["latency_ms"]),
            sender=_endpoint(event.get("reply_from")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ProbeError(f"the probe's words have no meaning: {event}") from error
    return _with_account(reply, event)


def _with_account(reply: cells.Reply, event: Mapping[str, Any]) -> cells.Reply:
    if "seen_token" not in event:
        return reply
    token, server = str(event["seen_token"]), str(event.get("server", ""))
    try:
        saw = _endpoint((event["seen"], event["seen_port"]))
    except (ValueError, KeyError, TypeError):
        said = f"{event.get('seen')!r} port {event.get('seen_port')!r}"
        return dataclasses.replace(reply, token=token, server=server, error=f"the server says that it saw {said}")
    return dataclasses.replace(reply, token=token, server=server, saw=saw)


def _endpoint(pair: Any) -> tuple[facts.Address, int] | None:  # noqa: ANN401 - whatever JSON can say
    if pair is None:
        return None
    address, port = pair
    if not isinstance(address, str) or type(port) is not int or port not in _PORTS:
        raise TypeError("an endpoint is an address and a port")
    return _address(address), port


@functools.lru_cache(maxsize=1024)
def _address(text: str) -> facts.Address:
    return ipaddress.ip_address(text)
