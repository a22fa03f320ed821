"""Taking a phase's samples: how many at once, in which order, and how fast.

A sample that is lost because the probe, the echo server or a kernel was overrun would be blamed on the dataplane, and
there are no retries. So samples go in lanes, each of a bounded width:

* answered ones, a few dials at a time: they cost processor time at both ends;
* ones that must stay unanswered, many at a time: they cost nothing but their time limit;
* ones of a connected UDP socket that must be *refused*, one a second for each client and dialled address. Such a
  refusal is an ICMP error, and Linux sends one address no more than six of these and then one a second
  (``net.ipv4.icmp_ratelimit``, inet_peer_xrlim_allow() in net/ipv4/inetpeer.c); a harness must not change that on a
  cluster that is not its own, and a refusal that the limit swallows looks like a drop. At one a second the limit's
  store is not touched, so that it is there for whatever else a node has to refuse to that client.

Where a switch to eBPF came before, answered datagrams wait until the kernel has forgotten those of the phase before:
what it still has in its connection table rewrites an answer to the same port, masquerading took ports by chance, and
no program of the new dataplane asks that table before it uses one.

A node's own processes send theirs when all others are through. The kernel masquerades what a pod sends out of the pool
with the node's address and a port taken by chance, and knows nothing of the ports that the eBPF dataplane translated
for the node itself: where the two are one, an answer to the pod is rewritten for a process that is no more.

Datagrams that nobody waits an ICMP error for draw on the same limit all the same, so they are sent when the paced
ones are through.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import enum
import itertools
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.core import timeouts, waiting
from harness.model import cells, facts, words
from harness.oracle import predictions
from harness.probing import client as probing
from harness.witness.witnesses import Question

At = Callable[[facts.Client], probing.Dialler]
Tell = Callable[[int, int], object]
"""Hears how many samples of how many have been taken."""

# A little more than net.ipv4.icmp_ratelimit's default of 1,000 ms: two samples that are sent a second apart may
# arrive a little closer to each other.
ICMP_INTERVAL_S = 1.05
# net.netfilter.nf_conntrack_udp_timeout's default, which is what one question and one answer get, and a little more.
FORGOTTEN_S = 31.0
_ANSWERED_DIALS, _ANSWERED_AT_ONCE = 4, 8
_SILENT_DIALS, _SILENT_AT_ONCE = 24, 20


class Lane(enum.Enum):
    """How samples of a cell are sent."""

    ANSWERED = "answered"
    DATAGRAMS = "datagrams"
    SILENT = "silent"
    PACED = "paced"
    AFTERWARDS = "afterwards"


def lane(cell: cells.Cell, expected: cells.Expectation) -> Lane:
    """The lane for a cell, by what must be seen in it. Pure."""
    udp = cell.destination.protocol in (words.Protocol.UDP, words.Protocol.UDP_UNCONNECTED)
    if isinstance(expected, cells.Answer):
        return Lane.DATAGRAMS if udp else Lane.ANSWERED
    if not udp:
        return Lane.SILENT
    needs_refusal = words.Silence.REFUSED in expected.how and words.Silence.TIMEOUT not in expected.how
    return Lane.PACED if needs_refusal else Lane.AFTERWARDS


@dataclass(frozen=True, kw_only=True)
class Order:
    """The samples of one cell, to be sent.

    Attributes:
        cell: The cell.
        dial: The samples.
        lane: How they are sent.
    """

    cell: cells.Cell
    dial: probing.Dial
    lane: Lane


def orders(plan: predictions.Plan, samples: int, patience: timeouts.Timeouts) -> tuple[Order, ...]:
    """What has to be sent for a plan, with tokens that nobody has used before."""
    return tuple(_order(cell, expected, samples, patience) for cell, expected in plan.planned)


def _order(cell: cells.Cell, expected: cells.Expectation, samples: int, patience: timeouts.Timeouts) -> Order:
    address, port = cell.path.dialled
    answered = isinstance(expected, cells.Answer)
    dial = probing.Dial(
        address=address,
        port=port,
        protocol=cell.destination.protocol,
        tokens=tuple(str(uuid.uuid4()) for _ in range(samples)),
        timeout_s=patience.probe_s if answered else patience.unanswered_s,
        concurrency=_ANSWERED_AT_ONCE if answered else _SILENT_AT_ONCE,
    )
    return Order(cell=cell, dial=dial, lane=lane(cell, expected))


class Sampler:
    """Sends orders through their lanes and counts what has come back."""

    def __init__(
        self,
        at: At,
        *,
        tell: Tell = lambda _done, _all: None,
        clock: waiting.Clock = waiting.REAL,
        datagrams_at: float = 0.0,
    ) -> None:
        """Sample by the agents that ``at`` gives; ``clock`` paces, and by it datagrams wait for ``datagrams_at``."""
        self._datagrams_at = datagrams_at
        self._at = at
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._done = self._all = 0

    def take(self, wanted: Sequence[Order]) -> list[Question]:
        """Send all of them, and return what came of each sample; once in a sampler's life.

        Raises:
            ProbeError: A probe failed.
            ApiError: A probe could not be started.
        """
        self._done, self._all = 0, sum(len(order.dial.tokens) for order in wanted)
        # Agents are started before the first sample, one after another: a start costs more than a sample.
        diallers = {client: self._at(client) for client in dict.fromkeys(order.cell.client for order in wanted)}
        by_lane = {each: [order for order in wanted if order.lane is each] for each in Lane}
        paced = _by_way(by_lane[Lane.PACED])
        with contextlib.ExitStack() as stack:
            busy, idle, slow = (
                stack.enter_context(concurrent.futures.ThreadPoolExecutor(width))
                for width in (_ANSWERED_DIALS, _SILENT_DIALS, max(1, len(paced)))
            )
            # A run that is interrupted does not wait for what it would still have asked.
            stack.callback(self._stop, (busy, idle, slow))
            under_way = [busy.submit(self._dial, diallers, item) for item in alternating(by_lane[Lane.ANSWERED])]
            under_way += [idle.submit(self._dial, diallers, item) for item in by_lane[Lane.SILENT]]
            refused = [slow.submit(self._pace, diallers, group) for group in paced]
            if by_lane[Lane.DATAGRAMS]:
                self._await_datagrams()
            for turn in in_turns(by_lane[Lane.DATAGRAMS]):
                datagrams = [busy.submit(self._dial, diallers, item) for item in alternating(turn)]
                concurrent.futures.wait(datagrams)
                under_way += datagrams
            concurrent.futures.wait(refused)
            under_way += [idle.submit(self._dial, diallers, item) for item in by_lane[Lane.AFTERWARDS]]
            return [question for future in (*under_way, *refused) for question in future.result()]

    def _await_datagrams(self) -> None:
        left = self._datagrams_at - self._clock.now()
        if left > 0:
            self._clock.sleep(left)

    def _stop(self, pools: Iterable[concurrent.futures.Executor]) -> None:
        self._stopped.set()
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _dial(self, diallers: Mapping[facts.Client, probing.Dialler], order: Order) -> list[Question]:
        return self._asked(diallers[order.cell.client], order.cell, order.dial)

    def _pace(self, diallers: Mapping[facts.Client, probing.Dialler], group: Sequence[Order]) -> list[Question]:
        found: list[Question] = []
        for order, token in ((each, token) for each in group for token in each.dial.tokens):
            if found:
                self._clock.sleep(ICMP_INTERVAL_S)
            if self._stopped.is_set():
                break
            one = dataclasses.replace(order.dial, tokens=(token,))
            found += self._asked(diallers[order.cell.client], order.cell, one)
        return found

    def _asked(self, dialler: probing.Dialler, cell: cells.Cell, dial: probing.Dial) -> list[Question]:
        replies = dialler.dial(dial)
        with self._lock:
            self._done += len(replies)
            self._tell(self._done, self._all)
        return [Question(cell=cell, token=token, reply=reply) for token, reply in replies.items()]


def once(at: At, cell: cells.Cell, patience: timeouts.Timeouts) -> cells.Reply:
    """One more sample of a cell, of which nobody keeps account; raises ProbeError and ApiError."""
    address, port = cell.path.dialled
    token = str(uuid.uuid4())
    dial = probing.Dial(
        address=address,
        port=port,
        protocol=cell.destination.protocol,
        tokens=(token,),
        timeout_s=patience.unanswered_s,
    )
    return at(cell.client).dial(dial)[token]


def _by_way(wanted: Iterable[Order]) -> list[tuple[Order, ...]]:
    """Orders that share the client's and the dialled address, which is what the kernel counts errors by."""
    groups: dict[tuple[facts.Address, facts.Address], list[Order]] = {}
    for order in wanted:
        groups.setdefault((order.cell.client.address, order.dial.address), []).append(order)
    return [tuple(group) for group in groups.values()]


def in_turns(wanted: Iterable[Order]) -> tuple[list[Order], list[Order]]:
    """The orders of all others, and those of the nodes' own processes, which come when the others are through. Pure."""
    orders_of: tuple[list[Order], list[Order]] = ([], [])
    for order in wanted:
        orders_of[order.cell.client.kind is words.ClientKind.HOST].append(order)
    return orders_of


def alternating(wanted: Iterable[Order]) -> list[Order]:
    """The orders, one of each client in turn, so that no agent gets all of the dials at once. Pure."""
    by_client: dict[facts.Client, list[Order]] = {}
    for order in wanted:
        by_client.setdefault(order.cell.client, []).append(order)
    rounds = itertools.zip_longest(*by_client.values())
    return [order for each in rounds for order in each if order is not None]
