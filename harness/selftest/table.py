"""What came of a selftest, as a table of at most 100 columns and as JSON. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import tabulate

from harness.selftest import catching, mutations, trial

WIDTH = 100
VERSION = 1
_HEADERS = ("mutation", "where", "outcome", "caught by", "what names it")
_WIDTHS = (21, 8, 7, 19, 35)
_LISTED = ("mutation", "where", "phase", "what it does", "which hole or accident")
_LISTED_WIDTHS = (22, 8, 8, 28, 22)
_LONGEST = 110


def render(tried: Sequence[trial.Tried], untried: Mapping[str, str]) -> str:
    """The table mutation x caught-by, survivors and false alarms in full, and the verdict."""
    return "\n".join(_lines(tried, untried)) + "\n"


def listing(known: Iterable[mutations.Mutation]) -> str:
    """Every mutation with what it does, for ``--list``."""
    rows = [(item.name, item.place.value, item.phase.value, item.does, item.origin) for item in known]
    return _tabulated(rows, _LISTED, _LISTED_WIDTHS) + "\n"


def document(tried: Sequence[trial.Tried], untried: Mapping[str, str]) -> str:
    """The same as JSON."""
    said = {
        "version": VERSION,
        "passed": passed(tried),
        "mutations": [_as_json(item) for item in tried],
        "untried": dict(untried),
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _lines(tried: Sequence[trial.Tried], untried: Mapping[str, str]) -> Iterator[str]:
    yield ""
    yield _tabulated([_row(item) for item in tried], _HEADERS, _WIDTHS)
    yield ""
    for item in tried:
        if not item.good:
            yield from _in_full(item)
    for name, reason in untried.items():
        yield from _wrapped(f"NOT TRIED {name}: {reason}")
    yield verdict(tried, untried)


def passed(tried: Sequence[trial.Tried]) -> bool:
    """Whether the harness was not fooled; where nothing could be tried, nothing was shown."""
    return bool(tried) and all(item.good for item in tried)


def verdict(tried: Sequence[trial.Tried], untried: Mapping[str, str]) -> str:
    """The last line."""
    harmful = [item for item in tried if item.mutation.catch is not None]
    harmless = [item for item in tried if item.mutation.catch is None]
    word = "PASS" if passed(tried) else "FAIL"
    let_be = f", {_count(harmless)} harmless ones let be" if harmless else ""
    left_out = f", {len(untried)} not tried" if untried else ""
    return f"SELFTEST {word}: {_count(harmful)} caught{let_be}{left_out}"


def _count(tried: Sequence[trial.Tried]) -> str:
    return f"{sum(item.good for item in tried)} of {len(tried)}"


def _row(item: trial.Tried) -> tuple[str, ...]:
    catch = item.mutation.catch
    if catch is None:
        caught = ("-", "harmless: all stays green") if item.good else ("! FALSE ALARM", _first(item))
    elif item.complaint is not None:
        # The whole sentence names the cell too; this is the part of it that tells.
        caught = (item.complaint.by.value, catch.text)
    else:
        caught = ("! SURVIVES", _first(item))
    return (item.mutation.name, item.mutation.place.value, _name(item.seen) or "refused", *caught)


def _first(item: trial.Tried) -> str:
    return _shortened(item.seen.complaints[0].text) if item.seen.complaints else "nobody says anything"


def _shortened(text: str) -> str:
    return textwrap.shorten(text, _LONGEST, placeholder=" …", break_on_hyphens=False)


def _in_full(item: trial.Tried) -> Iterator[str]:
    mutation, outcome = item.mutation, item.seen.outcome
    what = "FALSE ALARM" if mutation.catch is None else "SURVIVOR"
    yield from _wrapped(f"{what} {mutation.name}: {mutation.does} ({mutation.origin})")
    yield from _wrapped(f"  wanted: {_wanted(mutation.catch)}")
    yield f"  got: {outcome.value if outcome else 'a refusal'}"
    for complaint in item.seen.complaints or (None,):
        yield from _wrapped(f"    {_said(complaint)}")


def _wanted(catch: mutations.Catch | None) -> str:
    if catch is None:
        return "PASS without a word"
    outcome = catch.outcome.value if catch.outcome else "a refusal"
    return f"{outcome}, by {catch.by.value}: … {catch.text} …"


def _said(complaint: catching.Complaint | None) -> str:
    return f"{complaint.by.value}: {complaint.text}" if complaint else "not one complaint"


def _as_json(item: trial.Tried) -> dict[str, Any]:
    mutation, catch = item.mutation, item.mutation.catch
    return {
        "name": mutation.name,
        "where": mutation.place.value,
        "phase": mutation.phase.value,
        "does": mutation.does,
        "origin": mutation.origin,
        "good": item.good,
        "wanted": None if catch is None else {"by": catch.by.value, "text": catch.text, "outcome": _name(catch)},
        "outcome": _name(item.seen),
        "caught": None if item.complaint is None else {"by": item.complaint.by.value, "text": item.complaint.text},
        "complaints": [{"by": said.by.value, "text": said.text} for said in item.seen.complaints],
        "seconds": item.seconds,
    }


def _name(of: mutations.Catch | catching.Seen) -> str | None:
    return of.outcome.value if of.outcome is not None else None


def _tabulated(rows: Sequence[Sequence[str]], headers: Sequence[str], widths: Sequence[int]) -> str:
    return tabulate.tabulate(
        rows,
        headers=headers,
        tablefmt="simple",
        maxcolwidths=list(widths),
        disable_numparse=True,
        break_on_hyphens=False,
    )


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
