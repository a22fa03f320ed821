"""The application's own account: the access log of yaobank's customer, and what an echo server says that it saw.

The log is collected from every pod that can have answered. An echo server has no log; it answers with the address of
its socket's peer and its own name, and that it was the backend who said so is for another witness to confirm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core import errors, timeouts, waiting
from harness.kube import client, logs
from harness.model import cells, facts, words
from harness.witness import access_log
from harness.witness.witnesses import Question, Told

# A line is written before its answer is sent; what takes time is its way into the log.
_LOG_S = timeouts.DEFAULT.log_s
_DELAY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Application:
    """The witness; reads logs through the API, and waits for their lines by ``clock``."""

    api: client.Client
    kind: words.Witness = words.Witness.APPLICATION
    clock: waiting.Clock = waiting.REAL

    @contextlib.contextmanager
    def watching(self, known: facts.Facts, planned: Sequence[cells.Cell]) -> Iterator[ApplicationWatch]:
        """Nothing has to be put in place: logs are kept, and answers come by themselves."""
        del known, planned
        yield ApplicationWatch(api=self.api, clock=self.clock)


@dataclass(frozen=True, kw_only=True)
class ApplicationWatch:
    """Reads what the applications have said."""

    api: client.Client
    clock: waiting.Clock = waiting.REAL

    def covers(self, cell: cells.Cell) -> bool:
        """Every application says whom it saw."""
        del cell
        return True

    def accounts(self, asked: Sequence[Question]) -> Told:
        """The log's lines for what was asked of an application that logs, and what echo servers answered.

        Raises:
            ApiError: A log could not be read.
        """
        logging = [item for item in asked if keeps_log(item.cell)]
        echoed = {item.token: echo_accounts(item) for item in asked if not keeps_log(item.cell)}
        return {**echoed, **_logged(self.api, logging, self.clock)}

    def rewrites(self, asked: Sequence[Question]) -> Mapping[str, tuple[cells.Rewrite, ...]]:
        """An application knows its peer and nothing of the way."""
        del asked
        return {}


def keeps_log(cell: cells.Cell) -> bool:
    """Whether the application's account is in its log, which is where Werkzeug's servers leave it."""
    return cell.destination.protocol is words.Protocol.HTTP and not cell.row.host_backend


def echo_accounts(asked: Question) -> tuple[cells.Account, ...]:
    """What the echo server that answered says; nothing if what answered gives no name of a backend. Pure."""
    reply = asked.reply
    backend = next((pod for pod in asked.cell.destination.backends if _is_named(pod, reply.server)), None)
    if reply.saw is None or backend is None:
        return ()
    address, port = reply.saw
    name = f"{backend.namespace}/{backend.name}"
    said = f"{reply.server} answered that it saw {address}:{port}"
    return (cells.Account(witness=words.Witness.APPLICATION, address=address, port=port, backend=name, detail=said),)


def _is_named(pod: facts.Pod, server: str) -> bool:
    # A pod's host name is its own; a host-network pod's is its node's.
    return server == (pod.node if pod.host_network else pod.name)


def _logged(api: client.Client, asked: Sequence[Question], clock: waiting.Clock) -> Told:
    pods = sorted({(pod.namespace, pod.name) for item in asked for pod in item.cell.destination.backends})
    tokens = [item.token for item in asked]
    # An unanswered sample may have reached the application, but its line is not worth waiting for.
    awaited = [item.token for item in asked if item.reply.answered]
    if not pods:
        return {}

    def observe() -> dict[str, tuple[cells.Account, ...]]:
        return _read(api, pods, tokens)

    def complete(found: Told) -> bool:
        return all(found[token] for token in awaited)

    try:
        return waiting.wait_until(
            observe, complete, what="the log lines", timeout_s=_LOG_S, delay_s=_DELAY_S, clock=clock
        )
    except errors.WaitTimeout:
        # A line that is missing even now is for the judge to say something about.
        return observe()


def _read(
    api: client.Client, pods: Iterable[tuple[str, str]], tokens: Sequence[str]
) -> dict[str, tuple[cells.Account, ...]]:
    found: dict[str, tuple[cells.Account, ...]] = dict.fromkeys(tokens, ())
    for namespace, name in pods:
        lines = access_log.parse(logs.read(api, namespace=namespace, pod=name))
        for token, mine in access_log.by_token(lines, tokens).items():
            found[token] += tuple(_account(f"{namespace}/{name}", line) for line in mine)
    return found


def _account(backend: str, line: access_log.Line) -> cells.Account:
    return cells.Account(
        witness=words.Witness.APPLICATION,
        address=line.address,
        backend=backend,
        status=line.status,
        detail=f"access log: {line.address} {line.target} {line.status}",
    )
