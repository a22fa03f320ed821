"""A run as text of at most 100 columns: the matrix, everything that is not right, the times, and the verdict last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tabulate

from harness.model import records, words
from harness.report import counts, folding, screen, style, tables


def render(record: records.RunRecord, *, colour: bool = False, folder: Path | None = None) -> str:
    """The whole report.

    Args:
        record: The run.
        colour: For terminals only.
        folder: Where the run's files are; without one, ``DIR`` stands for the value of ``--report-dir``.
    """
    return "\n".join(_lines(record, colour, str(folder or "DIR"))) + "\n"


def _lines(record: records.RunRecord, colour: bool, folder: str) -> Iterator[str]:
    yield ""
    yield from style.wrapped(f"dataplane: {record.description}")
    yield f"client: {record.client_text}; {record.samples} samples a cell"
    yield from _phases(record, colour)
    yield ""
    yield from _left_out(record, colour)
    yield from _doubtful(record, colour)
    yield from _measures(record)
    yield from screen.lines(record, folder, colour)


def _phases(record: records.RunRecord, colour: bool) -> Iterator[str]:
    short = tables.is_short(record)
    for measured in record.phases:
        if short:
            yield ""
        yield from _head(measured, colour)
        if short:
            yield tables.phase(measured, colour)
            yield from _sentences(measured, colour)
    if not short:
        yield from ("", tables.folded(record, colour))
        yield from (line for table in tables.bad(folding.groups(record), colour) for line in ("", table))


def _head(phase: records.PhaseRecord, colour: bool) -> Iterator[str]:
    how = "after a switch" if phase.switched else "as found"
    yield f"{phase.phase.value} ({phase.phase.dataplane.value}, {how}) - in force, by proof: {_proof(phase)}"
    if phase.trouble:
        yield from _painted(f"TROUBLE {phase.trouble}", style.RED, colour)
    for control in phase.controls:
        if not control.held:
            yield from _painted(f"CONTROL {control.name} did not hold: {control.text}", style.RED, colour)


def _sentences(phase: records.PhaseRecord, colour: bool) -> Iterator[str]:
    for verdict in phase.verdicts:
        if verdict.outcome is not words.Outcome.PASS:
            yield from _painted(verdict.sentence, style.RED, colour)


def _left_out(record: records.RunRecord, colour: bool) -> Iterator[str]:
    for what, reason in record.skipped.items():
        yield from _painted(f"SKIPPED {what}: {reason}", style.YELLOW, colour)
    for reason, count in counts.skips(record).items():
        yield from _painted(f"SKIPPED {count} row(s): {reason}", style.YELLOW, colour)


def _doubtful(record: records.RunRecord, colour: bool) -> Iterator[str]:
    for group in folding.groups(record, warned=True):
        row = group.first.cell.row
        said = f"{group.phase.value}: {row.path_name}, {group.over}: {'; '.join(group.first.warnings)}"
        observed = f"expected {group.first.expectation.text}, {folding.confirmed(group.first.expectation)}"
        yield from _painted(f"WARNING {said} ({observed}, {group.right} of {group.total})", style.YELLOW, colour)
    for finding in record.environment:
        yield from _painted(screen.environment(finding), style.YELLOW, colour)


def _proof(phase: records.PhaseRecord) -> str:
    wanted = phase.phase.dataplane.value
    # The name is followed by the evidence where all of it was collected.
    good = sum(state.partition(":")[0] == wanted for state in phase.proof.values())
    return f"{good} of {len(phase.proof)} nodes"


def _measures(record: records.RunRecord) -> Iterator[str]:
    rows = [(name, f"{seconds:.2f} s") for name, seconds in record.timings_s.items()]
    if record.memory_mib is not None:
        rows.append(("memory, sum of PSS", f"{record.memory_mib:.0f} MiB"))
    if rows:
        yield tabulate.tabulate(rows, tablefmt="plain", disable_numparse=True, colalign=("left", "right"))


def _painted(text: str, code: str, colour: bool) -> Iterator[str]:
    return (style.painted(line, code, colour) for line in style.wrapped(text))
