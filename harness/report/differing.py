"""What changed between two runs: every field of every cell that is in both, and what is in one of them only. Pure.

Two healthy runs are never equal letter by letter: pods have other names and addresses, rules other positions,
counters other values. Such a change is kept apart as *incidental*, so that a change of whose address was seen is not
lost among them; an address of which nobody knows whose it is never counts as incidental. Times are told as ratios
and are no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from harness.model import cells, records, words
from harness.report import own_values

ABSENT = "-"
"""What stands for the value in the run that lacks the thing."""
_RUN = "run"
_Of = TypeVar("_Of")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that is not the same in both runs.

    Attributes:
        scope: The phase, or ``run`` for what concerns all of it.
        where: The cell's name without its phase, the node, the control, or the cause and its place; may be empty.
        what: Which of its fields.
        before: Its value in the first run, as text; ``ABSENT`` where there is none.
        after: The same in the second.
    """

    scope: str
    where: str
    what: str
    before: str
    after: str

    @property
    def incidental(self) -> bool:
        """Whether the values differ only in what every run has of its own: addresses, generated names, counters."""
        return own_values.masked(self.before) == own_values.masked(self.after)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One measured value of both runs.

    Attributes:
        name: What was measured, with its unit.
        before: The first run's.
        after: The second run's.
    """

    name: str
    before: float
    after: float

    @property
    def ratio(self) -> float | None:
        """How many times the first run's value the second's is; None where the first is nothing."""
        return self.after / self.before if self.before else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        changes: All that differs, in the runs' own order.
        timings: What both measured; for people, and never a difference.
    """

    changes: tuple[Change, ...]
    timings: tuple[Timing, ...] = ()

    @property
    def differences(self) -> tuple[Change, ...]:
        """The changes that mean something."""
        return tuple(change for change in self.changes if not change.incidental)

    @property
    def incidental(self) -> tuple[Change, ...]:
        """The changes in what every run has of its own."""
        return tuple(change for change in self.changes if change.incidental)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Changes that say the same of several cells, nodes or controls; ``where`` lists these, in order."""

    first: Change
    where: tuple[str, ...]


def compare(before: records.RunRecord, after: records.RunRecord) -> Comparison:
    """All that changed from one run to another."""
    changes = (*_run(before, after), *_phases(before, after))
    return Comparison(changes=changes, timings=tuple(_timings(before, after)))


def shared(changes: tuple[Change, ...]) -> tuple[Shared, ...]:
    """Changes of one scope that are the same but for what is their own, as one; in the order of the first of each."""
    found: dict[tuple[str, str, str, str], list[Change]] = {}
    for change in changes:
        values = own_values.masked(change.before), own_values.masked(change.after)
        found.setdefault((change.scope, change.what, *values), []).append(change)
    return tuple(Shared(first=same[0], where=tuple(item.where for item in same)) for same in found.values())


def _run(before: records.RunRecord, after: records.RunRecord) -> Iterator[Change]:
    yield from _fields(_RUN, "", _RUN_FIELDS, before, after)
    yield from _named(_RUN, "left out", before.skipped, after.skipped)
    yield from _named(_RUN, "environment", _environment(before), _environment(after))


def _phases(before: records.RunRecord, after: records.RunRecord) -> Iterator[Change]:
    first, second = ({phase.phase: phase for phase in record.phases} for record in (before, after))
    for phase in dict.fromkeys([*first, *second]):
        here, there = first.get(phase), second.get(phase)
        if here is None or there is None:
            told = [ABSENT if side is None else side.outcome.value for side in (here, there)]
            yield Change(scope=phase.value, where="", what="the whole phase", before=told[0], after=told[1])
        else:
            yield from _phase(phase.value, here, there)


def _phase(scope: str, before: records.PhaseRecord, after: records.PhaseRecord) -> Iterator[Change]:
    yield from _fields(scope, "", _PHASE_FIELDS, before, after)
    yield from _named(scope, "proof", before.proof, after.proof)
    yield from _named(scope, "control", _controls(before), _controls(after))
    yield from _named(scope, "row left out", _skipped(before), _skipped(after))
    first, second = _verdicts(before), _verdicts(after)
    for name in dict.fromkeys([*first, *second]):
        here, there = first.get(name), second.get(name)
        if here is None or there is None:
            told = [ABSENT if side is None else side.outcome.value for side in (here, there)]
            yield Change(scope=scope, where=name, what="the whole cell", before=told[0], after=told[1])
        else:
            yield from _fields(scope, name, CELL_FIELDS, here, there)


def _fields(
    scope: str, where: str, fields: Mapping[str, Callable[[_Of], str]], before: _Of, after: _Of
) -> Iterator[Change]:
    values = {what: (value(before), value(after)) for what, value in fields.items()}
    yield from (
        Change(scope=scope, where=where, what=what, before=old or ABSENT, after=new or ABSENT)
        for what, (old, new) in values.items()
        if old != new
    )


def _named(scope: str, what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name, ABSENT), after.get(name, ABSENT)
        if old != new:
            yield Change(scope=scope, where=name, what=what, before=old, after=new)


def _timings(before: records.RunRecord, after: records.RunRecord) -> Iterator[Timing]:
    first, second = _measured(before), _measured(after)
    yield from (Timing(name=name, before=first[name], after=second[name]) for name in first if name in second)


def _measured(record: records.RunRecord) -> dict[str, float]:
    found: dict[str, float | None] = {f"{name}, s": value for name, value in record.timings_s.items()}
    for phase in record.phases:
        found[f"{phase.phase.value} right, s"] = phase.converged_s
        found[f"{phase.phase.value} proven, s"] = phase.proven_s
    found["memory, MiB"] = record.memory_mib
    return {name: value for name, value in found.items() if value is not None}


def _environment(record: records.RunRecord) -> dict[str, str]:
    return {f"{item.cause}, {item.where}": item.text for item in record.environment}


def _controls(phase: records.PhaseRecord) -> dict[str, str]:
    return {item.name: f"{'held' if item.held else 'did not hold'}: {item.text}" for item in phase.controls}


def _skipped(phase: records.PhaseRecord) -> dict[str, str]:
    return {item.row.name: f"{item.reason.value}: {item.detail}" for item in phase.skipped}


def _verdicts(phase: records.PhaseRecord) -> dict[str, cells.Verdict]:
    return {item.cell.name.removeprefix(f"{phase.phase.value}: "): item for item in phase.verdicts}


def _rewrites(verdict: cells.Verdict) -> str:
    told = (f"{item.node}: {item.field} {item.before} -> {item.after} by {item.by}" for item in verdict.rewrites)
    return "; ".join(sorted(told))


def _names(found: Mapping[words.Witness, int]) -> str:
    return ", ".join(witness.value for witness in words.Witness if found.get(witness))


_RUN_FIELDS: Mapping[str, Callable[[records.RunRecord], str]] = {
    "outcome": lambda run: run.outcome.value,
    "provider": lambda run: run.provider,
    "dataplane": lambda run: run.description,
    "client": lambda run: run.client_text,
    "samples a cell": lambda run: str(run.samples),
    "phases wanted": lambda run: ", ".join(phase.value for phase in run.wanted),
    "interrupted": lambda run: run.interrupted,
}
_PHASE_FIELDS: Mapping[str, Callable[[records.PhaseRecord], str]] = {
    "whole outcome": lambda phase: phase.outcome.value,
    "switched": lambda phase: "yes" if phase.switched else "no",
    "trouble": lambda phase: phase.trouble,
}
CELL_FIELDS: Mapping[str, Callable[[cells.Verdict], str]] = {
    "outcome": lambda verdict: verdict.outcome.value,
    "expected": lambda verdict: verdict.expectation.text,
    "seen": lambda verdict: verdict.seen_text,
    "right": lambda verdict: f"{verdict.right} of {verdict.total}",
    "rewritten": _rewrites,
    "reasons": lambda verdict: "; ".join(verdict.reasons),
    "warnings": lambda verdict: "; ".join(verdict.warnings),
    "watched by": lambda verdict: ", ".join(sorted(witness.value for witness in verdict.watching)),
    "witnessed by": lambda verdict: _names(verdict.witnessed),
}
"""What is compared of a cell, each as the text that is shown."""
