"""What is counted of a run. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.model import cells, records, words

MEANING = {
    words.Outcome.PASS: (
        "every planned cell was sampled, and every sample of what is predicted for certain showed exactly that"
    ),
    words.Outcome.SKIP: "nothing was measured",
    words.Outcome.FAIL: "what was seen is not what was predicted",
    words.Outcome.ERROR: "something that was planned was not measured, and this run says nothing about that part",
    words.Outcome.INVALID: "a control or the environment shows that nothing measured here can be trusted, green or red",
}


def verdicts(record: records.RunRecord) -> tuple[cells.Verdict, ...]:
    """All verdicts of all phases."""
    return tuple(verdict for phase in record.phases for verdict in phase.verdicts)


def totals(record: records.RunRecord) -> str:
    """How much of it passed, as the last line of a report says it."""
    every = verdicts(record)
    passed = sum(verdict.outcome is words.Outcome.PASS for verdict in every)
    right, total = sum(verdict.right for verdict in every), sum(verdict.total for verdict in every)
    return f"{passed} of {len(every)} cells, {right} of {total} samples, {len(record.phases)} phase(s)"


def doubts(record: records.RunRecord) -> dict[str, int]:
    """How many cells did not pass, and how many did but say less than the rest, by name; only what occurs."""
    every = verdicts(record)
    bad = Counter(verdict.outcome.value for verdict in every if verdict.outcome is not words.Outcome.PASS)
    found = {
        **bad,
        "with a warning (observed once, never explained)": sum(bool(verdict.warnings) for verdict in every),
        "with one witness only": sum(verdict.single is not None for verdict in every),
        "whose prediction nothing has confirmed yet": sum(
            verdict.expectation.confirmed is words.Confirmed.UNCONFIRMED for verdict in every
        ),
    }
    return {name: count for name, count in found.items() if count}


def skips(record: records.RunRecord) -> Counter[str]:
    """The rows that were left out, by reason and detail."""
    return Counter(f"{item.reason.value}: {item.detail}" for phase in record.phases for item in phase.skipped)


def missing(record: records.RunRecord) -> tuple[words.Phase, ...]:
    """The phases that were wanted and never run."""
    done = {phase.phase for phase in record.phases}
    return tuple(phase for phase in record.wanted if phase not in done)


def controls(record: records.RunRecord) -> Iterator[tuple[words.Phase, records.Control]]:
    """Every control with its phase."""
    for phase in record.phases:
        for control in phase.controls:
            yield phase.phase, control
