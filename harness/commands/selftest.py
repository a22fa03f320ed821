"""``sourceip selftest``: try to fool the harness, and fail if one mutation of the evidence or of a lab survives."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from harness.core import errors
from harness.selftest import evidence, mutations, table, trial, world

Say = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to try, and how to print what came of it."""
    parser.add_argument("--list", action="store_true", help="print every mutation and what it does, and try none")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="try this one; may be repeated")
    parser.add_argument("--no-lab", action="store_true", help="try only what needs no cluster and no privileges")
    parser.add_argument("--json", action="store_true", help="print JSON; progress goes to standard error")


def run(args: argparse.Namespace) -> int:
    """Try them and print the table mutation x caught-by; 0 if the harness was not fooled, 1 if it was.

    Raises:
        UsageError: There is no mutation of such a name.
        HarnessError: What is mutated is not green before it is.
    """
    chosen = named(everything(), args.only)
    if args.list:
        sys.stdout.write(table.listing(chosen))
        return 0
    tried = _try_all(chosen, _teller(sys.stderr if args.json else sys.stdout))
    sys.stdout.write(table.document(tried, {}) if args.json else table.render(tried, {}))
    return 0 if all(item.good for item in tried) else 1


def everything() -> tuple[mutations.Mutation, ...]:
    """Every mutation that there is."""
    return evidence.MUTATIONS


def named(known: Sequence[mutations.Mutation], names: Sequence[str]) -> tuple[mutations.Mutation, ...]:
    """Those of these names, or all if none is named; raises UsageError. Pure."""
    strangers = sorted(set(names) - {item.name for item in known})
    if strangers:
        raise errors.UsageError(f"--only {', '.join(strangers)}: no such mutation; --list names them")
    return tuple(item for item in known if not names or item.name in names)


def _try_all(chosen: Sequence[mutations.Mutation], say: Say) -> list[trial.Tried]:
    told = [item for item in chosen if isinstance(item, mutations.OfEvidence)]
    found: list[trial.Tried] = []
    for item in trial.try_all_evidence(told, healthy=world.World(), tell=say):
        found.append(item)
        if not item.good:
            say(f"{item.mutation.name} was not caught as it must be")
    return found


def _teller(stream: TextIO) -> Say:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", file=stream, flush=True)

    return say
