"""``sourceip diff``: what changed between two runs, from their records."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import tabulate

from harness.model import records
from harness.report import differing, serial, style

SCHEMA, VERSION = "sourceip.diff", 1
SAME, DIFFERENT = 0, 1
# With two columns between each they fill a terminal.
_HEADERS = ("what", "before", "after", "in", "where")
_WIDTHS = [13, 25, 25, 4, 25]
# Four lines of a column; the JSON has all of it.
_LONG = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Compare two records of runs, cell by cell. The exit code is 0 if nothing that means something changed, 1 if "
        "something did, and 2 if a record can't be read. Other addresses, generated names and counters are counted "
        "apart, and times are never a difference."
    )
    parser.add_argument("before", type=Path, metavar="RUN1", help="a run.json, or the directory that has it")
    parser.add_argument("after", type=Path, metavar="RUN2", help="the same of the later run")
    parser.add_argument("--json", action="store_true", help=f"print JSON of schema {SCHEMA}, version {VERSION}")


def run(args: argparse.Namespace) -> int:
    """Print what changed; 0 if nothing did, 1 if something did.

    Raises:
        UsageError: A record can't be read, is of another version or damaged.
    """
    before, after = (serial.read(_file(path)) for path in (args.before, args.after))
    found = differing.compare(before, after)
    if args.json:
        sys.stdout.write(json.dumps(document(before, after, found), indent=1) + "\n")
    else:
        sys.stdout.write(text(before, after, found))
    return DIFFERENT if found.differences else SAME


def _file(path: Path) -> Path:
    return path / "run.json" if path.is_dir() else path


def document(before: records.RunRecord, after: records.RunRecord, found: differing.Comparison) -> dict[str, object]:
    """The comparison as plain data, every change by itself. Pure."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "same": not found.differences,
        "before": {"started": before.started, "dataplane": before.description},
        "after": {"started": after.started, "dataplane": after.description},
        "differences": [_plain(change) for change in found.differences],
        "incidental": [_plain(change) for change in found.incidental],
        "timings": [
            {"name": item.name, "before": item.before, "after": item.after, "ratio": item.ratio}
            for item in found.timings
        ],
    }


def _plain(change: differing.Change) -> dict[str, str]:
    return {
        "scope": change.scope,
        "where": change.where,
        "what": change.what,
        "before": change.before,
        "after": change.after,
    }


def text(before: records.RunRecord, after: records.RunRecord, found: differing.Comparison) -> str:
    """The comparison in at most 100 columns: a table for each phase, what is the same for many in one line. Pure."""
    return "\n".join(_lines(before, after, found)) + "\n"


def _lines(before: records.RunRecord, after: records.RunRecord, found: differing.Comparison) -> Iterator[str]:
    for name, record in (("before", before), ("after", after)):
        yield from style.wrapped(f"{name}: {record.started}, {record.description}")
    groups = differing.shared(found.differences)
    for scope in dict.fromkeys(group.first.scope for group in groups):
        yield from ("", scope, _table([group for group in groups if group.first.scope == scope]))
    if found.timings:
        yield from ("", _times(found))
    yield ""
    if found.incidental:
        yield from style.wrapped(
            f"{len(found.incidental)} more in addresses, generated names and counters only, which differ from run to "
            "run (--json lists them)"
        )
    places = {(change.scope, change.where) for change in found.differences}
    yield f"DIFFERENT: {len(found.differences)} changes in {len(places)} places" if places else "SAME"


def _table(groups: list[differing.Shared]) -> str:
    return tabulate.tabulate(
        [_row(group) for group in groups],
        headers=_HEADERS,
        tablefmt="simple",
        maxcolwidths=_WIDTHS,
        disable_numparse=True,
    )


def _row(group: differing.Shared) -> list[str]:
    name, *rest = group.where
    values = shortened(style.printable(group.first.before), style.printable(group.first.after))
    where = f"{name}, …" if rest else name
    return [style.printable(group.first.what), *values, str(len(group.where)), style.printable(where or "all of it")]


def shortened(before: str, after: str) -> tuple[str, str]:
    """Two long texts cut down to where they begin to differ. Pure."""
    if max(len(before), len(after)) <= _LONG:
        return before, after
    alike = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    # From the beginning of the word that differs, so that an address is shown whole.
    start = before.rfind(" ", 0, alike) + 1
    return _cut(before, start), _cut(after, start)


def _cut(text: str, start: int) -> str:
    rest = f"… {text[start:]}" if start else text
    return rest if len(rest) <= _LONG else f"{rest[: _LONG - 2]} …"


def _times(found: differing.Comparison) -> str:
    rows = [
        (style.printable(item.name), f"{item.before:.2f}", f"{item.after:.2f}", _ratio(item.ratio))
        for item in found.timings
    ]
    return tabulate.tabulate(
        rows,
        headers=("measured (no difference by itself)", "before", "after", "times"),
        tablefmt="simple",
        maxcolwidths=[50, 12, 12, 10],
        colalign=("left", "right", "right", "right"),
        disable_numparse=True,
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
