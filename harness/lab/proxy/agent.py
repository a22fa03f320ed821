"""kube-proxy's loop: watch the cluster, render, put in force.

One thread does all the work on rules; it is woken by each change of a Service, an EndpointSlice or its Node. Every
half minute it looks whether its canary chains are still there, and writes everything anew if somebody has flushed
iptables. As of the real one, a single rule that somebody removed stays away until the next change of the cluster.
On SIGTERM it ends and leaves the rules in force, as the real one does: connections go on while it is restarted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from harness.core import errors
from harness.lab import services
from harness.lab.proxy import flows, health, health_checks, options, render, rules

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


class Hands(Protocol):
    """What the agent does on its node; ``kernel.Kernel`` is the real one and says what each method means."""

    def counters(self) -> frozenset[str]:
        """The counters that rules may name."""

    def is_liberal(self) -> bool:
        """Whether INVALID packets must be left alone."""

    def apply(self, wanted: rules.Ruleset) -> bool:
        """Put rules in force."""

    def is_flushed(self) -> bool:
        """Whether somebody took the rules away."""

    def settle(self) -> None:
        """Set what the rules rely on."""

    def drop_flows(self, allowed: flows.Served) -> None:
        """End what must not go on."""

    def answer_health_checks(self, checks: Mapping[int, health_checks.Check]) -> None:
        """Answer load balancers."""


class Agent:
    """kube-proxy on one node. Not safe for threads, except ``stop``."""

    def __init__(
        self,
        view: View,
        hands: Hands,
        *,
        node_name: str,
        state: health.Health,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view = view
        self._hands = hands
        self._node_name = node_name
        self._state = state
        self._now = now
        self._stopping = False
        self._counters: frozenset[str] = frozenset()
        self._applied: rules.Ruleset | None = None
        self._served = flows.Served()
        self._next_look = 0.0
        self._settled = False
        self._failures = 0

    def stop(self) -> None:
        """Let ``run`` return at its next turn; wake the view afterwards."""
        self._stopping = True

    def run(self) -> None:
        """Follow the cluster until ``stop``."""
        self._counters = self._hands.counters()
        log.info("iptables mode on node %s, counters: %s", self._node_name, ", ".join(sorted(self._counters)) or "none")
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
            self._failures += 1
            return False
        self._state.succeeded()
        self._failures = 0
        return True

    def sync(self) -> None:
        """Make the kernel agree with the cluster as it is seen now.

        Raises:
            HarnessError: An object cannot be read, or iptables failed.
            OSError: The kernel does not let us.
        """
        ports = services.service_ports(self._view.items(SERVICES), self._view.items(SLICES))
        config = options.Options(conntrack_tcp_liberal=self._hands.is_liberal(), counters=self._counters)
        wanted = render.ruleset(ports, self._node(), config)
        if wanted != self._applied or self._is_flushed():
            self._apply(wanted)
        self._hands.answer_health_checks(health_checks.checks_of(ports, self._node_name))
        self._drop_stale_flows(flows.served(ports))

    def _is_flushed(self) -> bool:
        if self._now() < self._next_look:
            return False
        self._next_look = self._now() + RESYNC_S
        return self._hands.is_flushed()

    def _apply(self, wanted: rules.Ruleset) -> None:
        started = self._now()
        try:
            changed = self._hands.apply(wanted)
        except errors.CommandError as error:
            # Counters can be made where rules cannot name them, for want of iptables' extension or of the kernel's.
            # The first failure may have another cause, such as somebody else's change at the same moment.
            if "nfacct" in error.stderr or self._failures:
                self._counters = frozenset()
            raise
        self._applied = wanted
        self._next_look = self._now() + RESYNC_S
        if not self._settled:
            self._hands.settle()
            self._settled = True
        if changed:
            log.info("rules in force: %d, after %.0f ms", len(wanted.rules), (self._now() - started) * 1000)

    def _drop_stale_flows(self, allowed: flows.Served) -> None:
        if allowed != self._served:
            self._hands.drop_flows(allowed.without(self._served))
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
