"""Awaiting a dataplane: proof on every node, and fresh connections that are right several times in a row.

A look is cheap first: one fresh connection through every node, and only when all of these are right each node's
kernel is asked. A wrong connection afterwards discards the proof along with the streak.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.checks import scene, source_ip
from harness.core import errors, waiting
from harness.dataplane import operator_status, proof
from harness.kube import client
from harness.model import facts, matrix, named, words
from harness.probing import client as probing

# How many looks in a row must be right before a phase counts as converged.
STREAK = 3
_DELAY_S = 0.1

# Each of these is answered in every phase.
SENTINELS = (
    matrix.row("external/with/NodePort-Cluster/UDP/pod"),
    matrix.row("external/without/NodePort-Cluster/UDP/pod"),
    named.row("calico-11"),
    named.row("calico-12"),
)

Observe = Callable[[client.Client, facts.Facts], tuple[proof.InForce, ...]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at a cluster that may be under way from one dataplane to the other.

    Attributes:
        at: When its connections had been judged, on the clock of the wait.
        wrong: One sentence for every fresh connection that was not right.
        found: What is in force on each node; empty while a connection is wrong.
        proven_at: When every node had been asked; None if not every node has the dataplane.
        standing: What the operator said, where the look was not right.
    """

    at: float
    wrong: tuple[str, ...]
    found: tuple[proof.InForce, ...] = ()
    proven_at: float | None = None
    standing: operator_status.Standing = operator_status.SILENT

    @property
    def right(self) -> bool:
        """Fresh connections are right, and every kernel has the dataplane."""
        return not self.wrong and self.proven_at is not None

    def __str__(self) -> str:
        seen = "; ".join(self.wrong) or proof.text(self.found)
        return f"{seen}; TigeraStatus calico: {self.standing.text}" if self.standing.text else seen


@dataclass(frozen=True, kw_only=True)
class Settled:
    """How a wait for a dataplane ended.

    Attributes:
        found: What is in force on each node at its end.
        right_at: When fresh connections were first right and then stayed so; None if they did not.
        proven_at: When every node's kernel had then been asked and had it; None likewise.
        trouble: Why it is not settled; empty if it is.
    """

    found: tuple[proof.InForce, ...]
    right_at: float | None = None
    proven_at: float | None = None
    trouble: str = ""


def awaited(rows: Sequence[matrix.Row], *, outside: bool = True) -> tuple[matrix.Row, ...]:
    """The rows of which every look takes one sample, where these rows are to be sampled afterwards. Pure.

    A node translates TCP and UDP by rules of their own, and what its pods and its own processes dial by yet others;
    they need not come into force at one moment. ``outside`` is whether there is a client outside the cluster.
    """
    first = matrix.ANSWERING if outside else matrix.ANSWERING_INSIDE
    return (*first, *(row for row in SENTINELS if row in rows))


def settle(
    place: scene.Scene,
    phase: words.Phase,
    *,
    rows: Sequence[matrix.Row] = matrix.ANSWERING,
    observe: Observe = proof.observe,
    tell: Callable[[str], object] = lambda _text: None,
    clock: waiting.Clock = waiting.REAL,
) -> Settled:
    """Wait until a phase's dataplane is in force and seen; a wait in vain is a result, not an error.

    An API that refuses for a moment is part of a switch, so it only makes a look wrong, and so does an agent in a pod
    whose exec a switch has cut, since the next look starts another. An Installation that the operator refuses ends
    the wait at once.

    Args:
        place: The cluster and its clients.
        phase: What is to come into force.
        rows: What a look takes a sample of.
        observe: Asks every node what is in force on it.
        tell: Hears what the operator says whenever that changes.
        clock: Time.

    Raises:
        ApiError: The API still refused when the wait was over.
        ProbeError: The probe of the client outside has ended, which nobody starts again.
    """
    streak: list[Look] = []
    told = ""

    def look() -> Look:
        nonlocal told
        try:
            current = _look(place, phase, rows, observe, clock, streak)
            if not current.right:
                current = dataclasses.replace(current, standing=operator_status.observe(place.api))
        except errors.ApiError as error:
            current = Look(at=clock.now(), wrong=(str(error),))
        except probing.ProbeError as error:
            if place.probe is not None and not place.probe.alive:
                raise
            current = Look(at=clock.now(), wrong=(str(error),))
        if current.standing.text not in ("", told):
            told = current.standing.text
            tell(f"TigeraStatus calico: {told}")
        streak.append(current)
        if not current.right:
            streak.clear()
        return current

    try:
        waiting.wait_until(
            look,
            lambda current: current.right,
            what=f"{phase.dataplane.value} in force and seen",
            timeout_s=place.patience.switch_s,
            delay_s=_DELAY_S,
            successes=STREAK,
            failed=lambda current: bool(current.standing.refusal),
            clock=clock,
        )
    except errors.WaitError as error:
        found = observe(place.api, place.facts())
        return Settled(found=found, trouble=f"{error}; in force: {proof.text(found)}")
    return Settled(found=streak[-1].found, right_at=streak[0].at, proven_at=streak[0].proven_at)


def _look(
    place: scene.Scene,
    phase: words.Phase,
    rows: Sequence[matrix.Row],
    observe: Observe,
    clock: waiting.Clock,
    streak: list[Look],
) -> Look:
    known = place.facts()
    wrong = _wrong(place, phase, known, rows)
    at = clock.now()
    if wrong:
        return Look(at=at, wrong=wrong)
    if streak:
        return dataclasses.replace(streak[0], at=at)
    found = observe(place.api, known)
    everywhere = proof.is_everywhere(found, phase.dataplane)
    return Look(at=at, wrong=(), found=found, proven_at=clock.now() if everywhere else None)


def _wrong(place: scene.Scene, phase: words.Phase, known: facts.Facts, rows: Sequence[matrix.Row]) -> tuple[str, ...]:
    """What one fresh connection a cell shows; those that must stay unanswered are left to the verdict."""
    # A connection whose first packet was lost on the way of a switch tells nothing more by being waited for: the kernel
    # sends the next after a second, and the next look is sooner. A bank that is slow must be waited for all the same.
    patience = dataclasses.replace(place.patience, probe_s=place.patience.look_s)
    hasty = dataclasses.replace(place, patience=patience, witnesses=place.witnesses[:1])
    try:
        found = source_ip.check(hasty, phase, known, samples=1, rows=rows).verdicts
    except errors.CapabilityMissing as error:
        # A pod that is being replaced leaves its Service without a backend for a moment.
        return (str(error),)
    return tuple(verdict.sentence for verdict in found if verdict.outcome is not words.Outcome.PASS)
