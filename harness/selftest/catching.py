"""What of a run's record has caught a mutation. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model import cells, records, words
from harness.selftest.mutations import By, Catch

_NEVER_TAKEN = ("were never taken", "were used twice")
_DISAGREE = "witnesses disagree"


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """One sentence of a report that says that something is wrong, and which part of the harness says it."""

    by: By
    text: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a run came to.

    Attributes:
        outcome: Of the whole run; None if it was refused.
        complaints: Everything that is wrong, and warnings too: whoever reads one looks twice.
    """

    outcome: words.Outcome | None
    complaints: tuple[Complaint, ...]

    @property
    def green(self) -> bool:
        """Nothing is wrong, and nothing is remarked upon."""
        return self.outcome is words.Outcome.PASS and not self.complaints


def of_record(record: records.RunRecord) -> Seen:
    """What that record says."""
    return Seen(outcome=record.outcome, complaints=tuple(_complaints(record)))


def of_refusal(error: Exception) -> Seen:
    """What an error says that kept a run from taking place."""
    return Seen(outcome=None, complaints=(Complaint(by=By.REFUSAL, text=str(error)),))


def catches(seen: Seen, catch: Catch | None) -> Complaint | None:
    """The complaint that catches a mutation as it must be caught; None if it survives. A harmless one has none."""
    if catch is None or seen.outcome is not catch.outcome:
        return None
    return next((item for item in seen.complaints if item.by is catch.by and catch.text in item.text), None)


def _complaints(record: records.RunRecord) -> Iterator[Complaint]:
    # A finding that does not block is a remark for a person to read, and a healthy cluster may have some.
    for finding in (item for item in record.environment if item.blocking):
        yield Complaint(by=By.ENVIRONMENT, text=f"{finding.cause} ({finding.where}): {finding.text}")
    if record.interrupted:
        yield Complaint(by=By.ACCOUNTING, text=record.interrupted)
    missing = [phase.value for phase in record.wanted if phase not in {item.phase for item in record.phases}]
    if missing or not record.phases:
        yield Complaint(by=By.ACCOUNTING, text=f"never run: {', '.join(missing) or 'any phase'}")
    for phase in record.phases:
        yield from _of_phase(phase)


def _of_phase(phase: records.PhaseRecord) -> Iterator[Complaint]:
    for control in phase.controls:
        if not control.held:
            yield Complaint(by=By.CONTROL, text=f"{control.name}: {control.text}")
    for verdict in phase.verdicts:
        if verdict.outcome is not words.Outcome.PASS:
            yield Complaint(by=_by(verdict), text=verdict.sentence)
        if isinstance(verdict.expectation, cells.Answer) and verdict.single is not None:
            text = f"{verdict.cell.name}: seen by the {verdict.single.value} alone"
            yield Complaint(by=By.SINGLE, text=text)
        for warning in verdict.warnings:
            yield Complaint(by=By.VERDICT, text=f"warning: {warning}")
    if phase.trouble:
        yield Complaint(by=By.PROOF, text=phase.trouble)


def _by(verdict: cells.Verdict) -> By:
    if any(_DISAGREE in reason for reason in verdict.reasons):
        return By.DISAGREEMENT
    if any(mark in reason for reason in verdict.reasons for mark in _NEVER_TAKEN):
        return By.ACCOUNTING
    return By.VERDICT
