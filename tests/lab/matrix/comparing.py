"""Recorded beside seen: which cells differ, which of these are listed with a cause, and a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.lab.matrix import listed, outcomes, playing, recorded

Outcomes = frozenset[outcomes.Outcome]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell of one phase.

    Attributes:
        phase: The recorded phase.
        cell: The cell.
        recorded: What the real cluster showed; more than one thing where its samples disagreed.
        seen: What the lab showed.
        cause: Why the lab is known to differ here; None where it must not.
    """

    phase: str
    cell: recorded.Cell
    recorded: Outcomes
    seen: Outcomes
    cause: listed.Difference | None

    @property
    def equal(self) -> bool:
        """Whether the lab showed nothing but what was recorded."""
        return bool(self.seen) and self.seen <= self.recorded

    @property
    def right(self) -> bool:
        """Equal, or different exactly as listed; a listed difference that no longer occurs is wrong too."""
        if self.cause is None:
            return self.equal
        return not self.equal and {str(outcome) for outcome in self.seen} == {self.cause.by_cell[self.phase, self.cell]}

    @property
    def mark(self) -> str:
        """What stands at the end of its line."""
        if self.right:
            return f"  listed: {self.cause.name}" if self.cause else ""
        return "  <-- listed, but not so" if self.cause else "  <-- DIFFERS"


def rows(phase: str, seen: playing.Seen) -> list[Row]:
    """Every recorded cell of a phase beside what the lab showed; a cell that was not played showed nothing."""
    return [
        Row(
            phase=phase,
            cell=cell,
            recorded=wanted,
            seen=seen.get(cell, frozenset()),
            cause=listed.cause(phase, cell),
        )
        for cell, wanted in recorded.cells(phase).items()
    ]


def table(found: Iterable[Row]) -> str:
    """All rows as aligned text, with a count at the end."""
    found = list(found)
    lines = [(row.phase, str(row.cell), _text(row.recorded), _text(row.seen), row.mark) for row in found]
    head = ("phase", "cell", "recorded", "seen", "")
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    text = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *lines)
    ]
    return "\n".join([*text, summary(found)])


def summary(found: Iterable[Row]) -> str:
    """How many cells are equal, different as listed, and wrong."""
    found = list(found)
    counts: Mapping[str, int] = {
        "equal": sum(row.equal for row in found),
        "different as listed": sum(row.right and not row.equal for row in found),
        "wrong": sum(not row.right for row in found),
    }
    return f"{len(found)} cells: " + ", ".join(f"{count} {what}" for what, count in counts.items())


def _text(seen: Outcomes) -> str:
    return " / ".join(sorted(str(outcome) for outcome in seen)) or "not played"
