"""Play cells: one agent at each client's place takes all of its cells side by side, a few fresh sockets each."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import json
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core import waiting
from harness.probing import runners
from tests.lab.matrix import cast, outcomes, recorded

SAMPLES = 3
# Where nothing was recorded to come, one second is enough to see nothing; where something was, only a hang is not.
SILENT_S, ANSWERED_S = 1.0, 8.0
_LOG_S, _PAUSE_S = 5.0, 0.05
_CLIENTS_AT_ONCE = 5

Events = dict[str, dict[str, Any]]
Seen = dict[recorded.Cell, frozenset[outcomes.Outcome]]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One cell to play, with a token for each sample, and octets that question and answer carry besides."""

    cell: recorded.Cell
    address: str
    tokens: tuple[str, ...]
    timeout_s: float
    padding: int = 0

    def request(self) -> dict[str, Any]:
        """What the agent is asked."""
        return {
            "id": self.tokens[0],
            "op": "dial",
            "host": self.address,
            "port": self.cell.port,
            "protocol": self.cell.protocol.lower(),
            "tokens": self.tokens,
            "timeout_s": self.timeout_s,
            "concurrency": len(self.tokens),
            "padding": self.padding,
        }


def played(place: cast.Cast, wanted: Mapping[recorded.Cell, frozenset[outcomes.Outcome]]) -> Seen:
    """What is seen in each of these cells; the recorded outcomes only say how long to wait for nothing."""
    questions = [_question(place, cell, seen) for cell, seen in wanted.items()]
    clients = sorted({question.cell.client for question in questions})
    with concurrent.futures.ThreadPoolExecutor(_CLIENTS_AT_ONCE) as pool:
        mine = ([item for item in questions if item.cell.client == who] for who in clients)
        parts = list(pool.map(lambda who, items: asked(place, who, items), clients, mine))
    events: Events = {token: event for part in parts for token, event in part.items()}
    logged = _logged(place, questions, events)
    return {question.cell: frozenset(_outcomes(place, question, events, logged)) for question in questions}


def asked(place: cast.Cast, who: str, questions: Iterable[Question]) -> Events:
    """What the agent at a client's place reports, by token."""
    requests = [json.dumps(question.request(), separators=(",", ":")) for question in questions]
    text = place.run(who, [sys.executable, "-S", "-P", "-u", str(runners.AGENT), *requests])
    events = [json.loads(line) for line in text.splitlines()]
    failed = [event for event in events if event["event"] == "error"]
    assert not failed, f"{who}: the agent failed: {failed}"
    return {event["token"]: event for event in events if event["event"] == "sample"}


def _question(place: cast.Cast, cell: recorded.Cell, seen: frozenset[outcomes.Outcome]) -> Question:
    silent = {outcome.seen for outcome in seen} == {outcomes.TIMEOUT}
    return Question(
        cell=cell,
        address=place.address(cell),
        tokens=tuple(f"{uuid.uuid4()}" for _ in range(SAMPLES)),
        timeout_s=SILENT_S if silent else ANSWERED_S,
    )


def _logged(place: cast.Cast, questions: Iterable[Question], events: Events) -> dict[str, str]:
    """Whom the customer logged for each answered token of HTTP, each of them exactly once."""
    tokens = [token for item in questions if item.cell.protocol == "HTTP" for token in item.tokens]
    answered = [token for token in tokens if events[token].get("status") == 200]
    lines = waiting.wait_until(
        lambda: place.cluster.logged(tokens),
        lambda found: all(found[token] for token in answered),
        what="the log lines of all answered samples",
        timeout_s=_LOG_S,
        delay_s=_PAUSE_S,
    )
    assert all(len(found) <= 1 for found in lines.values()), "the customer logged one request more than once"
    return {token: str(found[0].address) for token, found in lines.items() if found}


def _outcomes(
    place: cast.Cast, question: Question, events: Events, logged: Mapping[str, str]
) -> Iterator[outcomes.Outcome]:
    dialled = (question.address, question.cell.port)
    for token in question.tokens:
        event = events[token]
        http = question.cell.protocol == "HTTP"
        if http and event.get("status") not in (200, None):
            # A preserved address is not a working service (the recordings' finding 11).
            yield outcomes.Outcome(seen=f"HTTP {event['status']}")
            continue
        seen = logged.get(token) if http else event.get("seen")
        yield outcomes.played(event, seen and str(ipaddress.ip_address(seen)), dialled, place.owners)
