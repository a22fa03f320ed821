"""What the backends' logs say about samples, collected from every pod that can have answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.core import errors, waiting
from harness.kube import client, logs
from harness.model import cells, facts
from harness.witness import access_log

Accounts = dict[str, tuple[cells.Logged, ...]]


def collect(
    api: client.Client,
    backends: Iterable[facts.Pod],
    *,
    tokens: Sequence[str],
    answered: Iterable[str],
    timeout_s: float,
) -> Accounts:
    """All log lines of these tokens, once every answered one has a line or the time is up.

    A line that is still missing then is for the judge to say something about. Host-network backends and others that
    share a log are read once.

    Args:
        api: The cluster.
        backends: The pods that can have answered.
        tokens: Every token that was sent, answered or not: an unanswered one may have reached the application.
        answered: Those that got an answer, whose lines are awaited.
        timeout_s: Seconds to wait for them.

    Raises:
        ApiError: A log could not be read.
    """
    pods = sorted({(pod.namespace, pod.name) for pod in backends})
    awaited = frozenset(answered)

    def observe() -> Accounts:
        found: dict[str, list[cells.Logged]] = {token: [] for token in tokens}
        for namespace, name in pods:
            lines = access_log.parse(logs.read(api, namespace=namespace, pod=name))
            for token, mine in access_log.by_token(lines, tokens).items():
                found[token] += [_logged(f"{namespace}/{name}", line) for line in mine]
        return {token: tuple(mine) for token, mine in found.items()}

    def complete(found: Accounts) -> bool:
        return all(found[token] for token in awaited)

    try:
        return waiting.wait_until(observe, complete, what="the log lines", timeout_s=timeout_s, delay_s=0.1)
    except errors.WaitTimeout:
        return observe()


def _logged(backend: str, line: access_log.Line) -> cells.Logged:
    return cells.Logged(backend=backend, address=line.address, status=line.status)
