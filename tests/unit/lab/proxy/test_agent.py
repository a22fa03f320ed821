"""kube-proxy's loop, with a cluster and a kernel of its own."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from harness.core import errors
from harness.lab.proxy import agent, flows, health, health_checks, options, rules
from tests.unit.lab.proxy import objects

NODE = {"metadata": {"name": "here"}, "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]}}


class Cluster:
    """A view that changes only between turns; it ends the agent when nothing more is to come."""

    def __init__(self, *turns: dict[str, list[dict[str, Any]]]) -> None:
        self._turns = list(turns)
        self._now: dict[str, list[dict[str, Any]]] = {}
        self.waits: list[float | None] = []
        self.agent: agent.Agent | None = None

    @property
    def synced(self) -> bool:
        """Whether a turn has come that is more than nothing."""
        return bool(self._now)

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of this turn."""
        return self._now.get(path, [])

    def wait(self, timeout_s: float | None = None) -> bool:
        """Go to the next turn."""
        self.waits.append(timeout_s)
        if self._turns:
            self._now = self._turns.pop(0)
        elif self.agent:
            self.agent.stop()
        return True


@dataclasses.dataclass
class Kernel:
    """Hands that only note what they are told."""

    failures: list[Exception] = dataclasses.field(default_factory=list)
    applied: list[rules.Ruleset] = dataclasses.field(default_factory=list)
    dropped: list[flows.Served] = dataclasses.field(default_factory=list)
    settled: int = 0
    flushed: bool = False

    def counters(self) -> frozenset[str]:
        """All."""
        return options.COUNTERS

    def is_liberal(self) -> bool:
        """No."""
        return False

    def apply(self, wanted: rules.Ruleset) -> bool:
        """Note it, or fail as planned."""
        if self.failures:
            raise self.failures.pop(0)
        self.applied.append(wanted)
        return True

    def is_flushed(self) -> bool:
        """As the test says."""
        return self.flushed

    def settle(self) -> None:
        """Count it."""
        self.settled += 1

    def drop_flows(self, allowed: flows.Served) -> None:
        """Note it."""
        self.dropped.append(allowed)

    def answer_health_checks(self, checks: Mapping[int, health_checks.Check]) -> None:
        """Nobody asks."""


@dataclasses.dataclass
class Run:
    """An agent that has run to its end, with what it did."""

    kernel: Kernel
    cluster: Cluster
    state: health.Health


def run(
    *turns: dict[str, list[dict[str, Any]]],
    failures: tuple[Exception, ...] = (),
    step_s: float = 0.0,
    flushed: bool = False,
) -> Run:
    """Run an agent through these turns; ``step_s`` is how far its clock goes at each look."""
    cluster, kernel = Cluster(*turns), Kernel(failures=list(failures), flushed=flushed)
    state = health.Health(lambda: datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC))
    times = iter(step_s * index for index in range(1000))
    proxy = agent.Agent(cluster, kernel, node_name="here", state=state, now=lambda: next(times))
    cluster.agent = proxy
    proxy.run()
    return Run(kernel=kernel, cluster=cluster, state=state)


def turn(*endpoints: dict[str, Any], protocol: str = "TCP") -> dict[str, list[dict[str, Any]]]:
    """A cluster with one Service and these endpoints."""
    ports = [{"name": "http", "port": 80, "protocol": protocol}]
    return {
        agent.SERVICES: [objects.service(ports=ports)],
        agent.SLICES: [objects.endpoint_slice(*endpoints, ports=ports)],
        agent.NODES: [NODE],
    }


ONE = turn(objects.endpoint("10.244.0.1"))
TWO = turn(objects.endpoint("10.244.0.1"), objects.endpoint("10.244.0.2"))


def test_nothing_is_applied_before_everything_was_read() -> None:
    """Half a cluster would mean removing half the rules."""
    assert run({}).kernel.applied == []


def test_each_change_is_applied_once() -> None:
    """A turn that changes no rule leaves the kernel alone, and the kernel's settings are made once."""
    done = run(ONE, ONE, TWO).kernel
    assert len(done.applied) == 2
    assert done.settled == 1


def test_flushed_rules_are_applied_again_when_their_time_comes() -> None:
    """It looks now and then, and applies again only what somebody flushed."""
    assert len(run(ONE, ONE, flushed=True, step_s=agent.RESYNC_S).kernel.applied) == 2
    assert len(run(ONE, ONE, flushed=False, step_s=agent.RESYNC_S).kernel.applied) == 1
    assert len(run(ONE, ONE, flushed=True, step_s=0).kernel.applied) == 1


def test_a_failure_is_tried_again_and_said() -> None:
    """The agent is unhealthy, tries again soon, and is healthy again when it works."""
    busy = errors.CommandError(["iptables-restore"], 4, "", "Resource temporarily unavailable")
    done = run(ONE, failures=(busy,))
    assert done.cluster.waits[1] == agent.RETRY_S
    assert done.state.answer()[0] == 503
    done = run(ONE, ONE, failures=(busy,))
    assert done.state.answer()[0] == 200
    assert len(done.kernel.applied) == 1


def test_failures_in_a_row_make_it_wait_longer() -> None:
    """The pause doubles."""
    busy = errors.CommandError(["iptables-restore"], 4, "", "busy")
    assert run(ONE, ONE, ONE, failures=(busy,) * 3).cluster.waits[1:] == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("said", "failures"), [("Couldn't load match `nfacct'", 1), ("RULE_APPEND failed (No such file)", 2)]
)
def test_an_iptables_that_cannot_count_gets_rules_without_counters(said: str, failures: int) -> None:
    """At once if it says so, else when it fails twice."""
    error = errors.CommandError(["iptables-restore"], 2, "", said)
    (applied,) = run(*[ONE] * (failures + 1), failures=(error,) * failures).kernel.applied
    assert not any("nfacct" in rule.text for rule in applied.rules)


def test_an_object_that_cannot_be_read_does_not_end_the_agent() -> None:
    """It is unhealthy until the object is gone."""
    broken = ONE | {agent.SERVICES: [{"kind": "Service", "metadata": {"name": "x"}, "spec": {"clusterIP": 7}}]}
    done = run(broken, ONE)
    assert len(done.kernel.applied) == 1
    assert done.state.answer()[0] == 200


def test_udp_flows_are_checked_when_what_is_served_changes() -> None:
    """Once at the start and once for each change, after the rules are in force."""
    one = turn(objects.endpoint("10.244.0.1"), protocol="UDP")
    none = turn(protocol="UDP")
    done = run(one, one, none).kernel
    assert [found.addresses["10.96.0.10:80"] for found in done.dropped] == [{"10.244.0.1:80"}, set()]


def test_without_its_node_the_agent_knows_its_name() -> None:
    """Local endpoints are found by name, even before the Node object is there."""
    assert len(run(ONE | {agent.NODES: []}).kernel.applied) == 1
