"""A run as text: what was expected beside what was seen, a mark on what differs, at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

import tabulate

from harness.model import cells, records, words

WIDTH = 100
_HEADERS = ("entry node", "policy", "expected", "seen", "right", "")
_WIDTHS = (18, 7, 27, 29, 5, 4)
_MARKS = {
    words.Outcome.PASS: "ok",
    words.Outcome.FAIL: "FAIL",
    words.Outcome.INVALID: "INV",
    words.Outcome.ERROR: "ERR",
    words.Outcome.SKIP: "SKIP",
}
_GREEN, _RED, _YELLOW, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"


def render(record: records.RunRecord, *, colour: bool = False) -> str:
    """The whole report. Colour is for terminals only."""
    return "\n".join(_lines(record, colour)) + "\n"


def _lines(record: records.RunRecord, colour: bool) -> Iterator[str]:
    yield ""
    yield from _wrapped(f"dataplane: {record.description}")
    yield f"client: {record.client.kind.value}, {record.client.address}; {record.samples} samples a cell"
    for phase in record.phases:
        yield ""
        yield from _phase(phase, colour)
    yield ""
    for what, reason in record.skipped.items():
        yield from _wrapped(_painted(f"SKIPPED {what}: {reason}", _YELLOW, colour))
    yield from _measures(record)
    verdict = "PASS" if record.passed else "FAIL"
    yield _painted(f"{verdict}: {_counts(record)}", _GREEN if record.passed else _RED, colour)


def _phase(phase: records.PhaseRecord, colour: bool) -> Iterator[str]:
    how = "after a switch" if phase.switched else "as found"
    yield f"{phase.phase.value} ({phase.phase.dataplane.value}, {how}) - in force, by proof: {_proof(phase)}"
    if phase.trouble:
        yield from _wrapped(_painted(f"TROUBLE {phase.trouble}", _RED, colour))
    rows = [_row(verdict, colour) for verdict in phase.verdicts]
    yield tabulate.tabulate(
        rows, headers=_HEADERS, tablefmt="simple", maxcolwidths=list(_WIDTHS), disable_numparse=True
    )
    for verdict in phase.verdicts:
        if verdict.outcome is not words.Outcome.PASS:
            yield from _wrapped(_painted(verdict.sentence, _RED, colour))


def _row(verdict: cells.Verdict, colour: bool) -> tuple[str, ...]:
    passed = verdict.outcome is words.Outcome.PASS
    seen = verdict.seen_text if passed else f"! {verdict.seen_text}"
    return (
        verdict.cell.entry.name if verdict.cell.entry else "-",
        verdict.cell.policy.value,
        verdict.expectation.text,
        _painted(seen, _RED, colour and not passed),
        f"{verdict.right}/{verdict.total}",
        _painted(_MARKS[verdict.outcome], _GREEN if passed else _RED, colour),
    )


def _proof(phase: records.PhaseRecord) -> str:
    wanted = phase.phase.dataplane.value
    good = sum(state == wanted for state in phase.proof.values())
    return f"{good} of {len(phase.proof)} nodes"


def _measures(record: records.RunRecord) -> Iterator[str]:
    rows = [(name, f"{seconds:.2f} s") for name, seconds in record.timings_s.items()]
    if record.memory_mib is not None:
        rows.append(("memory, sum of PSS", f"{record.memory_mib:.0f} MiB"))
    if rows:
        yield tabulate.tabulate(rows, tablefmt="plain", disable_numparse=True, colalign=("left", "right"))


def _counts(record: records.RunRecord) -> str:
    verdicts = [verdict for phase in record.phases for verdict in phase.verdicts]
    passed = sum(verdict.outcome is words.Outcome.PASS for verdict in verdicts)
    right, total = sum(verdict.right for verdict in verdicts), sum(verdict.total for verdict in verdicts)
    return f"{passed} of {len(verdicts)} cells, {right} of {total} samples, {len(record.phases)} phase(s)"


def _painted(text: str, code: str, colour: bool) -> str:
    return f"{code}{text}{_PLAIN}" if colour else text


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False) or [""]
