"""Print recorded beside seen for every cell: ``python -m tests.lab.matrix [--name LAB] [PHASE …]``.

Without a name it starts a lab of its own. It ends with 1 if a cell is neither as recorded nor as listed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence

from harness.lab import lifecycle, state
from tests.lab.matrix import cast, comparing, phases, playing, recorded


def main(argv: Sequence[str] | None = None) -> int:
    """Play the phases in order, print each one's table, and say with the exit code whether all is as it should be."""
    parser = argparse.ArgumentParser(description="the recorded matrix on a lab, recorded beside seen")
    parser.add_argument("--name", default="", help="a lab that is up; without it, one of its own")
    parser.add_argument("--wrong", action="store_true", help="print only the cells that are wrong")
    parser.add_argument("phases", nargs="*", default=list(recorded.PHASES), metavar="PHASE")
    args = parser.parse_args(argv)
    with _lab(args.name) as lab, cast.assembled(lab) as place:
        wrong = [_phase(place, phase, only_wrong=args.wrong) for phase in args.phases]
    return 1 if any(wrong) else 0


@contextlib.contextmanager
def _lab(name: str) -> Iterator[state.LabState]:
    if name:
        yield state.find(name, state.root_from_environment())
        return
    with lifecycle.running(name=f"matrix-{os.getpid()}") as lab:
        yield lab


def _phase(place: cast.Cast, phase: str, *, only_wrong: bool) -> bool:
    began = time.monotonic()
    phases.enter(place, phase)
    entered = time.monotonic()
    found = comparing.rows(phase, playing.played(place, recorded.cells(phase)))
    ended = time.monotonic()
    shown = [row for row in found if not row.right] if only_wrong else found
    sys.stdout.write(f"{comparing.table(shown)}\n" if shown else "")
    sys.stdout.write(f"{phase}: {comparing.summary(found)}; in force after {entered - began:.1f} s, ")
    sys.stdout.write(f"played in {ended - entered:.1f} s\n")
    sys.stdout.flush()
    return any(not row.right for row in found)


if __name__ == "__main__":
    sys.exit(main())
