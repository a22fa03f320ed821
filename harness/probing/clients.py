"""The places to dial from: one running agent for each client that a run has."""

from __future__ import annotations

from collections.abc import Callable

from harness.core import cleanup
from harness.model import facts
from harness.probing.client import Dialler, ProbeError

Open = Callable[[facts.Client], tuple[Dialler, Callable[[], object]]]
"""Starts an agent at a client's place; returns it, and what ends it again."""


class Clients:
    """Agents by client, each started when it is first asked for, and all ended together. A context manager."""

    def __init__(self, start: Open) -> None:
        """Start agents by ``start``, which raises ProbeError or ApiError where it can't."""
        self._start = start
        self._running: dict[facts.Client, Dialler] = {}
        self._ends = cleanup.CleanupStack()

    def at(self, client: facts.Client) -> Dialler:
        """The agent at that client's place; one that no longer answers is replaced.

        A switch of the dataplane may cut the connection that an agent is held by.

        Raises:
            ProbeError: It did not start.
        """
        if client not in self._running or not self._running[client].alive:
            dialler, end = self._start(client)
            self._ends.push(f"probe at {client.pod or client.node or client.address}", end)
            self._running[client] = dialler
        return self._running[client]

    def close(self) -> None:
        """End all agents; a client that is asked for afterwards gets a new one. Raises CleanupError."""
        self._running.clear()
        self._ends.run()

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def nobody(client: facts.Client) -> tuple[Dialler, Callable[[], object]]:
    """Refuses every client: for a scene that has none but its probe."""
    raise ProbeError(f"no agent can be started at {client.kind.value} {client.pod or client.node or client.address}")
