"""The matrix in a terminal: every cell of a short run, the folded matrix of a long one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import tabulate

from harness.model import cells, records, words
from harness.report import folding, style

_HEADERS = ("entry node", "policy", "expected", "seen", "right", "")
_WIDTHS = (18, 7, 27, 29, 5, 4)
_FOLDED_WIDTHS = (37, 19, 19, 19)
_BAD_HEADERS = ("phase, cell", "over", "to", "expected", "seen", "right", "")
_BAD_WIDTHS = (24, 8, 4, 18, 18, 7, 4)
# The walk-through has six cells a phase; beyond this a person no longer reads every line.
_SHORT = 12


def is_short(record: records.RunRecord) -> bool:
    """Whether every cell has a line of its own."""
    return all(len(phase.verdicts) <= _SHORT for phase in record.phases)


def phase(measured: records.PhaseRecord, colour: bool) -> str:
    """Every cell of a phase: what was expected beside what was seen."""
    rows = [_row(verdict, colour) for verdict in measured.verdicts]
    return tabulate.tabulate(
        rows, headers=_HEADERS, tablefmt="simple", maxcolwidths=list(_WIDTHS), disable_numparse=True
    )


def _row(verdict: cells.Verdict, colour: bool) -> tuple[str, ...]:
    passed = verdict.outcome is words.Outcome.PASS
    seen = style.printable(verdict.seen_text)
    return (
        verdict.cell.entry.name if verdict.cell.entry else "-",
        verdict.cell.policy.value,
        verdict.expectation.text,
        seen if passed else style.painted(f"! {seen}", style.RED, colour),
        f"{verdict.right}/{verdict.total}",
        style.painted(style.MARKS[verdict.outcome], style.shade(verdict.outcome), colour),
    )


def folded(record: records.RunRecord, colour: bool) -> str:
    """The phases side by side, a line a way through the cluster: whose address is due, and how many cells passed."""
    columns = [folding.by_path(measured) for measured in record.phases]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [(name, *(_summary(column.get(name, ()), colour) for column in columns)) for name in names]
    return tabulate.tabulate(
        rows,
        headers=("cells (all protocols and backends)", *(measured.phase.value for measured in record.phases)),
        tablefmt="simple",
        maxcolwidths=list(_FOLDED_WIDTHS[: len(columns) + 1]),
        disable_numparse=True,
    )


def _summary(verdicts: Sequence[cells.Verdict], colour: bool) -> str:
    if not verdicts:
        return "-"
    passed = sum(verdict.outcome is words.Outcome.PASS for verdict in verdicts)
    expected = ", ".join(dict.fromkeys(folding.classes(verdict.expectation) for verdict in verdicts))
    text = f"{expected} {passed}/{len(verdicts)}"
    if passed < len(verdicts):
        return style.painted(f"! {text}", style.RED, colour)
    return f"{text} ~" if any(verdict.warnings for verdict in verdicts) else text


def bad(groups: Sequence[folding.Group], colour: bool) -> Iterator[str]:
    """Everything that did not pass: what was expected beside what was seen."""
    rows = [
        (
            f"{group.phase.value}: {group.first.cell.row.path_name}",
            group.over,
            group.to,
            group.first.expectation.text,
            style.printable(group.seen_text),
            f"{group.right}/{group.total}",
            style.painted(style.MARKS[group.first.outcome], style.shade(group.first.outcome), colour),
        )
        for group in groups
    ]
    if rows:
        yield tabulate.tabulate(
            rows, headers=_BAD_HEADERS, tablefmt="simple", maxcolwidths=list(_BAD_WIDTHS), disable_numparse=True
        )
