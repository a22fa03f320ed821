"""A run as one self-contained page: ``report.html``, which asks nothing of any network.

The template escapes whatever a cluster said, and the page's own policy lets no script run but the page's.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import markupsafe

from harness.model import cells, records, words
from harness.report import counts, findings, folding, style
from harness.report.page import evidence, picture

_HERE = Path(__file__).parent
_CAP = 12


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the matrix: the same cell in every phase.

    Attributes:
        anchor: Unique on the page.
        name: The cell without its phase.
        verdicts: One a phase, in the record's order; None where the phase has no such cell.
    """

    anchor: str
    name: str
    verdicts: tuple[cells.Verdict | None, ...]

    @property
    def found(self) -> tuple[cells.Verdict, ...]:
        """The verdicts that there are."""
        return tuple(verdict for verdict in self.verdicts if verdict is not None)

    @property
    def client(self) -> str:
        """Who dials."""
        return self.found[0].cell.client.kind.value

    @property
    def protocol(self) -> str:
        """What is spoken."""
        return self.found[0].cell.row.protocol.value

    @property
    def state(self) -> str:
        """``bad``, ``warned`` or ``good``."""
        if any(verdict.outcome is not words.Outcome.PASS for verdict in self.found):
            return "bad"
        return "warned" if any(verdict.warnings for verdict in self.found) else "good"


def render(record: records.RunRecord) -> str:
    """The whole page."""
    rows = _rows(record)
    groups = folding.groups(record)
    return _template().render(
        record=record,
        rows=rows,
        anchors={verdict.cell.name: row.anchor for row in rows for verdict in row.found},
        groups=groups[:_CAP],
        more=len(groups) - _CAP,
        clients=_distinct([row.client for row in rows]),
        protocols=_distinct([row.protocol for row in rows]),
        style=_own("page.css"),
        script=_own("page.js"),
        hashes={name: _hash(name) for name in ("page.css", "page.js")},
    )


def _rows(record: records.RunRecord) -> Sequence[Row]:
    found: dict[str, list[cells.Verdict | None]] = {}
    for index, phase in enumerate(record.phases):
        for verdict in phase.verdicts:
            name = verdict.cell.name.removeprefix(f"{phase.phase.value}: ")
            found.setdefault(name, [None] * len(record.phases))[index] = verdict
    return [
        Row(anchor=f"cell-{number}", name=name, verdicts=tuple(verdicts))
        for number, (name, verdicts) in enumerate(found.items(), start=1)
    ]


def _distinct(items: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(items))


@functools.cache
def _template() -> jinja2.Template:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.globals.update(_WORDS)
    return made.get_template("page.html.j2")


def _shown(value: object) -> object:
    """What a page shows: text without characters that would turn it around, hide it or end it."""
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return style.printable(value)
    return value


@functools.cache
def _own(name: str) -> markupsafe.Markup:
    return markupsafe.Markup((_HERE / name).read_text(encoding="utf-8"))


def _hash(name: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(_own(name).encode()).digest()).decode()}"


_WORDS: Mapping[str, object] = {
    "counts": counts,
    "evidence": evidence,
    "findings": findings,
    "folding": folding,
    "picture": picture,
    "marks": {
        words.Outcome.PASS: "\N{CHECK MARK} pass",
        words.Outcome.FAIL: "\N{BALLOT X} FAIL",
        words.Outcome.ERROR: "\N{BALLOT X} ERROR",
        words.Outcome.INVALID: "\N{BALLOT X} INVALID",
        words.Outcome.SKIP: "skipped",
    },
}
