"""kube-proxy's loop: watch the cluster, render, put in force.

One thread does all the work on rules; it is woken by each change of a Service, an EndpointSlice or its Node. Every half
minute it looks whether the rules are still there, as somebody may have flushed them, and mends what is missing.
On SIGTERM it ends and leaves the rules in force, as the real one does: connections go on while it is restarted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from harness.core import errors
from harness.lab import services
from harness.lab.proxy import counters, flows, health, kernel, options, render, rules

log = logging.getLogger("harness.lab.proxy")

SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
NODES = "/api/v1/nodes"

RESYNC_S = 30.0
RETRY_S = 0.5


class View(Protocol):
    """The cluster as the agent sees it; ``api.Mirror`` is one."""

    @property
    def synced(self) -> bool:
        """Whether everything has been read once."""

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of a collection."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a change."""


class Agent:
    """kube-proxy on one node. Not safe for threads, except ``stop``."""

    def __init__(
        self, view: View, node_name: str, state: health.Health, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._view = view
        self._node_name = node_name
        self._state = state
        self._now = now
        self._stopping = False
        self._counters: frozenset[str] = frozenset()
        self._applied: rules.Ruleset | None = None
        self._served = flows.Served()
        self._next_look = 0.0
        self._settled = False

    def stop(self) -> None:
        """Let ``run`` return at its next turn; wake the view afterwards."""
        self._stopping = True

    def run(self) -> None:
        """Follow the cluster until ``stop``."""
        self._counters = counters.ensured(options.COUNTERS)
        pauses = _pauses()
        timeout_s = RESYNC_S
        while not self._stopping:
            self._view.wait(timeout_s)
            if self._stopping or not self._view.synced:
                continue
            if self._turn():
                pauses, timeout_s = _pauses(), RESYNC_S
            else:
                timeout_s = next(pauses)

    def _turn(self) -> bool:
        try:
            self.sync()
        except (errors.HarnessError, OSError) as error:
            log.error("sync failed, will try again: %s", error)
            self._state.failed()
            self._applied = None
            return False
        self._state.succeeded()
        return True

    def sync(self) -> None:
        """Make the kernel agree with the cluster as it is seen now.

        Raises:
            HarnessError: An object cannot be read, or iptables failed.
            OSError: The kernel does not let us.
        """
        ports = services.service_ports(self._view.items(SERVICES), self._view.items(SLICES))
        config = options.Options(conntrack_tcp_liberal=kernel.conntrack_is_liberal(), counters=self._counters)
        wanted = render.ruleset(ports, self._node(), config)
        if wanted != self._applied or self._now() >= self._next_look:
            self._apply(wanted)
        self._drop_stale_flows(flows.served(ports))

    def _apply(self, wanted: rules.Ruleset) -> None:
        started = self._now()
        try:
            changed = kernel.apply(wanted)
        except errors.CommandError:
            # An iptables without the nfacct extension cannot load a rule that counts; the next try does without.
            self._counters = frozenset()
            raise
        self._applied = wanted
        self._next_look = self._now() + RESYNC_S
        if not self._settled:
            kernel.apply_settings()
            self._settled = True
        if changed:
            log.info("rules in force: %d, after %.0f ms", len(wanted.rules), (self._now() - started) * 1000)

    def _drop_stale_flows(self, allowed: flows.Served) -> None:
        if allowed != self._served:
            flows.remove_stale(allowed.without(self._served))
            self._served = allowed

    def _node(self) -> options.Node:
        found: Mapping[str, Any] | None = next(
            (node for node in self._view.items(NODES) if node["metadata"]["name"] == self._node_name), None
        )
        if found is None:
            return options.Node(name=self._node_name, address=None, zone="")
        return options.node_from_object(found)


def _pauses() -> Iterator[float]:
    """Seconds between tries that fail: ever longer, up to the usual look."""
    pause = RETRY_S
    while True:
        yield pause
        pause = min(2 * pause, RESYNC_S)
