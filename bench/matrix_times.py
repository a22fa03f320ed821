"""How long the whole matrix takes on this machine: each phase's samples and the rest, for one, two and four times them.

Run it on an otherwise idle machine: ``python bench/matrix_times.py --samples 20``.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import tabulate

from harness.core import process

ROOT = Path(__file__).resolve().parents[1]
_LONGEST_S = 1800.0
_TOTAL = re.compile(r"total +([\d.]+) s")
_TOLD = re.compile(r"\[ *(?P<at>[\d.]+) s\] (?P<text>.*)")


def measured(samples: int) -> dict[str, float]:
    """The seconds of one run's parts; a run that is not green is an error of ``process``."""
    argv = [sys.executable, "-P", "-m", "harness.cli", "verify", "--matrix", "--samples", str(samples)]
    done = process.run(argv, cwd=ROOT, timeout_s=_LONGEST_S)
    return parts(done.text.splitlines())


def parts(lines: Sequence[str]) -> dict[str, float]:
    """What a run told of itself, as the seconds from one thing to the next, and their sum. Pure."""
    moments = list(_moments(lines))
    found = {what: later - earlier for (earlier, what), (later, _) in itertools.pairwise(moments)}
    return {**found, "total": moments[-1][0]}


def _moments(lines: Sequence[str]) -> Iterator[tuple[float, str]]:
    """When each part begins, and its name."""
    yield 0.0, "lab and workloads, up"
    for told in filter(None, map(_TOLD.match, lines)):
        at, text = float(told["at"]), told["text"]
        phase, _, rest = text.partition(": ")
        if text.startswith("switching to "):
            yield at, text
        elif rest.endswith(" samples a cell"):
            yield at, f"{phase}, samples"
        elif re.fullmatch(r"([\d,]+) of \1 samples", rest):
            yield at, f"{phase}, witnesses"
    # The last phase's witnesses, and the lab's end with them, are told of by nothing but the end.
    yield from ((float(total[1]), "end") for total in map(_TOTAL.fullmatch, lines) if total)


def main() -> int:
    """Run, and print one row a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20)
    args = parser.parse_args()
    runs = {samples: measured(samples) for samples in (args.samples, 2 * args.samples, 4 * args.samples)}
    rows = [(name, *(run[name] for run in runs.values())) for name in runs[args.samples]]
    heads = ("seconds", *(f"{samples} samples" for samples in runs))
    sys.stdout.write(tabulate.tabulate(rows, headers=heads, floatfmt=".1f") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
