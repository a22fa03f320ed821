"""``sourceip selftest``: try to fool the harness, and fail if one mutation of the evidence or of a lab survives."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from harness.clusters import run as run_
from harness.core import errors
from harness.selftest import evidence, lab_bench, lab_trial, mutations, table, trial, world

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
        CapabilityMissing: This machine can't have a lab.
        HarnessError: What is mutated is not green before it is, or could not be made right again.
    """
    chosen = named(everything(lab=not args.no_lab), args.only)
    if args.list:
        sys.stdout.write(table.listing(chosen))
        return 0
    untried: dict[str, str] = {}
    with run_.terminable():
        tried = list(_try_all(chosen, untried, _teller(sys.stderr if args.json else sys.stdout)))
    sys.stdout.write((table.document if args.json else table.render)(tried, untried))
    return 0 if table.passed(tried) else 1


def everything(*, lab: bool = True) -> tuple[mutations.Mutation, ...]:
    """Every mutation that there is, or only those that need no lab."""
    return (*evidence.MUTATIONS, *lab_trial.MUTATIONS) if lab else evidence.MUTATIONS


def named(known: Sequence[mutations.Mutation], names: Sequence[str]) -> tuple[mutations.Mutation, ...]:
    """Those of these names, or all if none is named; raises UsageError. Pure."""
    strangers = sorted(set(names) - {item.name for item in known})
    if strangers:
        raise errors.UsageError(f"--only {', '.join(strangers)}: no such mutation; --list names them")
    return tuple(item for item in known if not names or item.name in names)


def _try_all(chosen: Sequence[mutations.Mutation], untried: dict[str, str], say: Say) -> Iterator[trial.Tried]:
    of_evidence = [item for item in chosen if isinstance(item, mutations.OfEvidence)]
    of_cluster = [item for item in chosen if isinstance(item, lab_bench.OfCluster)]
    for item in trial.try_all_evidence(of_evidence, healthy=world.World(), tell=say):
        yield _told(item, say)
    if of_cluster:
        for item in lab_trial.try_all(of_cluster, untried, say=say):
            yield _told(item, say)


def _told(item: trial.Tried, say: Say) -> trial.Tried:
    if not item.good:
        say(f"{item.mutation.name} {'raised a false alarm' if item.mutation.catch is None else 'survives'}")
    return item


def _teller(stream: TextIO) -> Say:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", file=stream, flush=True)

    return say
