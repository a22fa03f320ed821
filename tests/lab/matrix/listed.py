"""The cells in which the lab is known to differ from the recorded cluster, as data, each with its cause.

``docs/lab-vs-calico.md`` has the same list for people. A listed difference that no longer occurs fails the test as an
unlisted one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.lab.matrix import recorded


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One known difference.

    Attributes:
        name: What it is called in the page.
        cause: Why the lab differs.
        by_cell: What the lab shows instead, by phase and cell.
    """

    name: str
    cause: str
    by_cell: Mapping[tuple[str, recorded.Cell], str]

    def seen(self, cell: recorded.Cell) -> str:
        """What the lab shows in a cell, in any phase of this difference."""
        return next(seen for (_, listed), seen in self.by_cell.items() if listed == cell)


DIFFERENCES: tuple[Difference, ...] = ()


def cause(phase: str, cell: recorded.Cell) -> Difference | None:
    """The listed difference that a cell belongs to, or None."""
    return next((item for item in DIFFERENCES if (phase, cell) in item.by_cell), None)
