"""The check itself: sample every planned cell of a phase while the witnesses watch, match every account, judge."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks import sampling, scene
from harness.core import errors, waiting
from harness.dataplane import attribution
from harness.model import cells, facts, matrix, words
from harness.oracle import judge, predictions
from harness.witness import witnesses
from harness.witness.witnesses import Question

Watches = Sequence[tuple[words.Witness, witnesses.Watch]]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One phase, sampled and judged.

    Attributes:
        verdicts: One for every planned cell.
        skipped: The rows that had no place or no expectation.
        known: The facts that the plan was made from.
    """

    verdicts: tuple[cells.Verdict, ...]
    skipped: tuple[cells.Skipped, ...]
    known: facts.Facts


def check(
    place: scene.Scene,
    phase: words.Phase,
    known: facts.Facts,
    *,
    samples: int,
    rows: Sequence[matrix.Row],
    tell: sampling.Tell = lambda _done, _all: None,
    clock: waiting.Clock = waiting.REAL,
    datagrams_at: float = 0.0,
) -> Checked:
    """Sample these rows of the matrix in a phase and judge them.

    All clients dial side by side, as ``sampling`` bounds it, so that a phase does not take the sum of its time limits.

    Args:
        place: The cluster, its clients and its witnesses.
        phase: What is expected to be in force.
        known: The facts of this phase.
        samples: How many samples a cell gets; at least one.
        rows: What of the matrix to sample.
        tell: Hears how many samples of how many have been taken.
        clock: Time, by which samples are paced.
        datagrams_at: When, by that clock, the kernels have forgotten the datagrams of the phase before.

    Raises:
        CapabilityMissing: Nothing of it can be expected here.
        ApiError: A log could not be read, or a probe could not be started.
        ProbeError: A probe failed.
    """
    try:
        plan = predictions.plan(phase, known, rows)
    except ValueError as error:
        raise errors.CapabilityMissing("prediction", str(error)) from error
    planned = [cell for cell, _ in plan.planned]
    with witnesses.all_watching(place.witnesses, known, planned) as watches:
        sampler = sampling.Sampler(place.at, tell=tell, clock=clock, datagrams_at=datagrams_at)
        asked = sampler.take(sampling.orders(plan, samples, place.patience))
        taken = _samples(asked, watches)
        rewrites = _rewrites(asked, watches, taken)
    watching = {cell.name: frozenset(kind for kind, watch in watches if watch.covers(cell)) for cell in planned}
    found = judge.judge_all(plan, taken, known, wanted=samples, watching=watching)
    return Checked(
        verdicts=tuple(dataclasses.replace(item, rewrites=rewrites.get(item.cell.name, ())) for item in found),
        skipped=plan.skipped,
        known=known,
    )


def _samples(asked: Sequence[Question], watches: Watches) -> dict[str, list[cells.Sample]]:
    told = [watch.accounts(asked) for _, watch in watches]
    found: dict[str, list[cells.Sample]] = {}
    for item in asked:
        accounts = tuple(account for mine in told for account in mine.get(item.token, ()))
        sample = cells.Sample(token=item.token, reply=item.reply, accounts=accounts)
        found.setdefault(item.cell.name, []).append(sample)
    return found


def _rewrites(
    asked: Sequence[Question], watches: Watches, taken: Mapping[str, Sequence[cells.Sample]]
) -> Mapping[str, tuple[cells.Rewrite, ...]]:
    """The distinct rewrites of each cell, with the number of samples that each was found on the way of."""
    told = [watch.rewrites(asked) for _, watch in watches]
    planned, by_cell = {item.cell.name: item.cell for item in asked}, dict[str, list[cells.Rewrite]]()
    for item in asked:
        mine = by_cell.setdefault(item.cell.name, [])
        mine += [rewrite for part in told for rewrite in part.get(item.token, ())]
    found = {name: merged(mine) for name, mine in by_cell.items()}
    return {name: mine + attribution.unexplained(planned[name], taken[name], mine) for name, mine in found.items()}


def merged(found: Iterable[cells.Rewrite]) -> tuple[cells.Rewrite, ...]:
    """Equal rewrites as one, with the evidence of the first and the number of all; in the order of the way. Pure."""
    first: dict[cells.Rewrite, cells.Rewrite] = {}
    count: Counter[cells.Rewrite] = Counter()
    for rewrite in found:
        key = dataclasses.replace(rewrite, evidence="", samples=1)
        first.setdefault(key, rewrite)
        count[key] += 1
    return tuple(dataclasses.replace(rewrite, samples=count[key]) for key, rewrite in first.items())
