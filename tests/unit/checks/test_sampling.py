"""Samples go in lanes: bounded where they cost something, and paced where a kernel would swallow a refusal."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from harness.checks import sampling
from harness.commands import plan
from harness.core import timeouts
from harness.model import cells, facts, facts_file, matrix, named, words
from harness.oracle import predictions
from harness.probing import client as probing

KNOWN = facts_file.parse(plan.EXAMPLE.read_text(encoding="utf-8")).facts
ANSWERED = cells.Reply(status=None, silence=None)


class Clock:
    """Time that passes only when somebody sleeps; each thread has a time of its own."""

    def __init__(self) -> None:
        self.mine = threading.local()

    def now(self) -> float:
        """The calling thread's time."""
        return float(getattr(self.mine, "now", 0.0))

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.mine.now = self.now() + seconds


class Place:
    """Diallers for everybody, which note when they were asked for what, and how much was under way at once."""

    def __init__(self, clock: Clock, gate: threading.Barrier | None = None) -> None:
        self.clock = clock
        self.gate = gate
        self.lock = threading.Lock()
        self.log: list[tuple[facts.Client, probing.Dial, float]] = []
        self.under_way = self.most = 0

    def at(self, who: facts.Client) -> probing.Dialler:
        """A client's dialler."""
        return Dialler(self, who)

    def dial(self, who: facts.Client, wanted: probing.Dial) -> dict[str, cells.Reply]:
        """Note it, and answer."""
        with self.lock:
            self.log.append((who, wanted, self.clock.now()))
            self.under_way += wanted.concurrency
            self.most = max(self.most, self.under_way)
        if self.gate is not None:
            self.gate.wait()
        with self.lock:
            self.under_way -= wanted.concurrency
        return dict.fromkeys(wanted.tokens, ANSWERED)


@dataclasses.dataclass(frozen=True)
class Dialler:
    """One client of that place."""

    place: Place
    who: facts.Client
    alive: bool = True

    def dial_many(self, wanted: Sequence[probing.Dial]) -> list[probing.Replies]:
        """Nobody asks for it here."""
        raise NotImplementedError

    def dial(self, wanted: probing.Dial) -> dict[str, cells.Reply]:
        """Take samples."""
        return self.place.dial(self.who, wanted)


def orders(phase: words.Phase, rows: tuple[matrix.Row, ...], samples: int) -> tuple[sampling.Order, ...]:
    """What has to be sent for these rows of the example cluster."""
    return sampling.orders(predictions.plan(phase, KNOWN, rows), samples, timeouts.DEFAULT)


@pytest.mark.parametrize(
    ("phase", "name", "lane"),
    [
        (words.Phase.EBPF, "external/without/NodePort-Local/UDP/pod", sampling.Lane.PACED),
        (words.Phase.EBPF, "external/without/NodePort-Local/UDP-unconnected/pod", sampling.Lane.AFTERWARDS),
        (words.Phase.EBPF, "external/without/NodePort-Local/TCP/pod", sampling.Lane.SILENT),
        (words.Phase.EBPF, "external/without/NodePort-Cluster/UDP/pod", sampling.Lane.DATAGRAMS),
        (words.Phase.EBPF, "external/without/NodePort-Cluster/TCP/pod", sampling.Lane.ANSWERED),
        (words.Phase.EBPF, "pod@other/-/ClusterIP-Local/UDP/pod", sampling.Lane.AFTERWARDS),
        (words.Phase.IPTABLES, "external/without/NodePort-Local/UDP/pod", sampling.Lane.AFTERWARDS),
    ],
)
def test_the_lane_follows_from_what_must_be_seen(phase: words.Phase, name: str, lane: sampling.Lane) -> None:
    """Only a refusal of a datagram that nothing else may stand for is paced."""
    assert {order.lane for order in orders(phase, (matrix.row(name),), 1)} == {lane}


def test_no_way_gets_more_than_one_refusal_a_second() -> None:
    """Whatever the cell, for each client and dialled address; and nothing else draws on the limit meanwhile."""
    clock = Clock()
    place = Place(clock)
    wanted = orders(words.Phase.EBPF, matrix.ROWS, 5)
    sampling.Sampler(place.at, clock=clock).take(wanted)
    paced = {token: order for order in wanted if order.lane is sampling.Lane.PACED for token in order.dial.tokens}
    times: dict[tuple[facts.Address, facts.Address], list[float]] = {}
    for who, dial, moment in place.log:
        if dial.tokens[0] in paced:
            times.setdefault((who.address, dial.address), []).append(moment)
    assert len(times) == 4
    for moments in times.values():
        assert len(moments) == 10
        assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(moments))
    afterwards = {order.dial.tokens for order in wanted if order.lane is sampling.Lane.AFTERWARDS}
    first = min(index for index, (_, dial, _) in enumerate(place.log) if dial.tokens in afterwards)
    last = max(index for index, (_, dial, _) in enumerate(place.log) if dial.tokens[0] in paced)
    assert last < first


def test_every_sample_is_taken_once_and_counted() -> None:
    """Each under its own cell; the count only grows, and ends with all."""
    clock, told = Clock(), list[tuple[int, int]]()
    wanted = orders(words.Phase.EBPF, matrix.ROWS, 3)
    asked = sampling.Sampler(Place(clock).at, tell=lambda done, of: told.append((done, of)), clock=clock).take(wanted)
    assert Counter(question.token for question in asked) == Counter(
        token for order in wanted for token in order.dial.tokens
    )
    by_token = {token: order.cell for order in wanted for token in order.dial.tokens}
    assert all(by_token[question.token] is question.cell for question in asked)
    total = sum(len(order.dial.tokens) for order in wanted)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (total, total)


def test_answered_samples_are_few_at_a_time() -> None:
    """Four dials of eight samples are under way at once, and never a fifth."""
    clock = Clock()
    gate = threading.Barrier(4, timeout=10)
    place = Place(clock, gate)
    rows = tuple(row for row in matrix.ROWS if row.dialled.policy is words.Policy.CLUSTER)
    wanted = [order for order in orders(words.Phase.IPTABLES, rows, 20) if order.lane is sampling.Lane.ANSWERED]
    # The gate opens for four at a time.
    sampling.Sampler(place.at, clock=clock).take(wanted[: len(wanted) // 4 * 4])
    assert place.most == 32


def test_datagrams_wait_until_those_before_are_forgotten() -> None:
    """Those that must be answered; nothing else waits for that."""
    clock = Clock()
    place = Place(clock)
    wanted = orders(words.Phase.EBPF, matrix.ROWS, 1)
    sampling.Sampler(place.at, clock=clock, datagrams_at=31.0).take(wanted)
    assert clock.now() == 31.0
    lanes = {order.dial.tokens: order.lane for order in wanted}
    order = [lanes[dial.tokens] for _, dial, _ in place.log]
    assert order.index(sampling.Lane.DATAGRAMS) > order.index(sampling.Lane.ANSWERED)


def test_nodes_send_their_datagrams_when_pods_are_through() -> None:
    """Else a pod's masqueraded port could be one that a node's own process has just used."""
    clock = Clock()
    place = Place(clock)
    wanted = orders(words.Phase.EBPF, matrix.ROWS, 1)
    sampling.Sampler(place.at, clock=clock).take(wanted)
    udp = (words.Protocol.UDP, words.Protocol.UDP_UNCONNECTED)
    answered = {order.dial.tokens for order in wanted if order.lane is sampling.Lane.DATAGRAMS}
    kinds = [who.kind for who, dial, _ in place.log if dial.protocol in udp and dial.tokens in answered]
    first = kinds.index(words.ClientKind.HOST)
    assert set(kinds[first:]) == {words.ClientKind.HOST}
    assert set(kinds[:first]) >= {words.ClientKind.POD, words.ClientKind.EXTERNAL}


def test_a_plan_without_datagrams_waits_for_none() -> None:
    """The walk-through is HTTP, and as fast after a switch as before it."""
    clock = Clock()
    wanted = orders(words.Phase.EBPF, matrix.WALKTHROUGH, 1)
    sampling.Sampler(Place(clock).at, clock=clock, datagrams_at=31.0).take(wanted)
    assert clock.now() == 0.0


def test_clients_take_turns() -> None:
    """The agents share the work from the beginning."""
    rows = named.rows("calico-*")
    wanted = sampling.alternating(orders(words.Phase.IPTABLES, rows, 1))
    clients = {order.cell.client for order in wanted}
    assert len({order.cell.client for order in wanted[: len(clients)]}) == len(clients) > 3


def test_a_probe_that_fails_fails_the_phase() -> None:
    """Lost samples are never silently fewer."""

    class Broken(Place):
        def dial(self, who: facts.Client, wanted: probing.Dial) -> dict[str, cells.Reply]:
            raise probing.ProbeError("gone")

    clock = Clock()
    with pytest.raises(probing.ProbeError, match="gone"):
        sampling.Sampler(Broken(clock).at, clock=clock).take(orders(words.Phase.EBPF, matrix.WALKTHROUGH, 1))
