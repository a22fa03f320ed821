"""The last screen of a report: what a person must know who has never seen this tool, in at most forty lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from harness.model import cells, records
from harness.report import counts, findings, folding, style

HEIGHT = 40
_CAP = 12
_PROBLEMS = 12
_LABEL = 11


def lines(record: records.RunRecord, folder: str, colour: bool) -> list[str]:
    """The screen, from its rule to its last line; the last line is the outcome with its counts."""
    top, bottom = list(_top(record, folder, colour)), list(_bottom(record, colour))
    room = HEIGHT - len(top) - len(bottom)
    return [*top, *_failures(folding.groups(record), folder, room, colour), *bottom]


def _top(record: records.RunRecord, folder: str, colour: bool) -> Iterator[str]:
    yield " verdict ".center(style.WIDTH, "=")
    yield from style.wrapped(f"dataplane: {record.description}", lines=2)
    problems = [line for text in _problems(record, folder) for line in style.wrapped(text, lines=3)]
    yield from (style.painted(line, style.RED, colour) for line in problems[:_PROBLEMS])
    if len(problems) > _PROBLEMS:
        yield "  … and more of that kind above"


# Which question a control that failed raises, for somebody who has never seen one.
_ASKS = {
    "positive": "what stands between the client and a node (NAT, proxy), or is the log read wrongly?",
    "negative": "why is a pod's own address not in the log: a proxy, or a log that is not this application's?",
    "unreachable": "what answers there although no backend is on that node?",
}


def _problems(record: records.RunRecord, folder: str) -> Iterator[str]:
    """What concerns the whole run, so that nobody blames a cell for it."""
    if record.interrupted:
        yield f"INTERRUPTED {record.interrupted}; what was measured until then stands"
    missing = counts.missing(record)
    if missing:
        yield f"NEVER RAN {', '.join(phase.value for phase in missing)}"
    for finding in record.environment:
        yield environment(finding)
    for phase, control in counts.controls(record):
        if not control.held:
            asks = _ASKS.get(control.name, "the run's own progress")
            yield f"CONTROL {control.name} did not hold in {phase.value}: {control.text}; look next: {asks}"
    for measured in record.phases:
        if measured.trouble:
            what = f"NOT IN FORCE {measured.phase.dataplane.value} in {measured.phase.value}: {measured.trouble}"
            yield f"{what}; look next: {folder}/evidence/{measured.phase.value}/logs/calico-system"


def environment(finding: records.Environment) -> str:
    """One finding as a sentence, and what it means for the rest."""
    return finding.sentence + ("; nothing measured with it means anything" if finding.blocking else "")


def _failures(groups: tuple[folding.Group, ...], folder: str, room: int, colour: bool) -> Iterator[str]:
    """The first failures in full as long as there is room, a line for each of the next, a count of the rest."""
    shown = groups[:_CAP]
    more = len(groups) - len(shown)
    left = room - bool(more)
    for number, group in enumerate(shown, start=1):
        # Every group that still waits needs a line.
        block = list(_block(number, group, folder))
        waiting = len(shown) - number
        chosen = block if len(block) + waiting <= left else block[:1]
        left -= len(chosen)
        yield style.painted(chosen[0], style.RED, colour)
        yield from chosen[1:]
    if more:
        yield f"+{more} more in run.json and in the list above"


def _block(number: int, group: folding.Group, folder: str) -> Iterator[str]:
    first = group.first
    yield from _head(number, group)
    yield from _field("where", findings.where(group), 2)
    why = f"{first.expectation.text}   ({folding.confirmed(first.expectation)}: {findings.because(first.expectation)})"
    yield from _field("expected", why, 2)
    yield from _field("seen", group.seen_text, 2)
    yield from _reasons(first)
    if first.samples:
        yield from _fields("rewritten", findings.rewrites(first))
        yield from _field("witnesses", findings.witnesses(first), 2)
    yield from _fields("look next", findings.look_next(group, folder))


def _head(number: int, group: folding.Group) -> list[str]:
    first = group.first
    cell = f"{first.outcome.value} {group.phase.value}: {first.cell.row.path_name}, {group.over}"
    return style.wrapped(f"{number}. {cell}: {group.right} of {group.total}, seen {group.seen_text}", lines=1)


def _fields(label: str, texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(islice(texts, 3)):
        yield from _field("" if number else label, text, 2)


def _reasons(verdict: cells.Verdict) -> Iterator[str]:
    # A wrong address is told by "expected" and "seen"; any other reason is not.
    told = [reason for reason in verdict.reasons if " instead of " not in reason and "disagree" not in reason]
    yield from (line for reason in told[:1] for line in _field("because", reason))


def _field(label: str, text: str, height: int = 1) -> list[str]:
    margin = " " * (_LABEL + 3)
    return style.wrapped(f"   {label:{_LABEL}}{text}".rstrip(), indent=margin, lines=height) if text else []


def _bottom(record: records.RunRecord, colour: bool) -> Iterator[str]:
    held = [control.held for _, control in counts.controls(record)]
    if held:
        yield f"controls: {sum(held)} of {len(held)} held"
    doubts = counts.doubts(record)
    if doubts:
        yield from style.wrapped(f"cells: {', '.join(f'{count} {name}' for name, count in doubts.items())}", lines=2)
    skipped = counts.skips(record)
    if skipped:
        first, count = skipped.most_common(1)[0]
        yield from style.wrapped(f"rows left out: {sum(skipped.values())}; {count} x {first}", lines=1)
    outcome = record.outcome
    yield from style.wrapped(f"{outcome.value} means: {counts.MEANING[outcome]}.", lines=2)
    yield style.painted(f"{outcome.value}: {counts.totals(record)}", style.shade(outcome), colour)
