"""How long ``sourceip verify`` takes on this machine: several runs, the median and the worst of each measured time.

Run it on an otherwise idle machine: ``python bench/verify_times.py --runs 5``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import tabulate

from harness.core import process

ROOT = Path(__file__).resolve().parents[1]
_LONGEST_S = 300.0


def measured(samples: int) -> dict[str, float]:
    """The times of one run, in seconds, and its memory, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-P", "-m", "harness.cli", "verify", "--samples", str(samples), "--report-dir", folder]
        process.run(argv, cwd=ROOT, timeout_s=_LONGEST_S)
        record = json.loads((Path(folder) / "run.json").read_text())
    return {**record["timings_s"], "memory, sum of PSS (MiB)": record["memory_mib"]}


def main() -> int:
    """Run, and print one row a measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=20)
    args = parser.parse_args()
    runs = [measured(args.samples) for _ in range(args.runs)]
    rows = [(name, statistics.median(run[name] for run in runs), max(run[name] for run in runs)) for name in runs[0]]
    sys.stdout.write(tabulate.tabulate(rows, headers=("measure", "median", "worst"), floatfmt=".2f") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
