"""``sourceip verify``: the whole story in one command, with real traffic through the real kernel."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from harness.clusters import run as runs
from harness.clusters import selection
from harness.report import files, terminal

HELP = "show which source address the application sees: iptables, eBPF, iptables again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command, in the words of ``docs/design.md`` section 9."""
    parser.add_argument("--cluster", default="auto", help="auto, lab, kind or existing (default: auto)")
    parser.add_argument(
        "--samples",
        type=int,
        default=selection.DEFAULT_SAMPLES,
        metavar="N",
        help="samples a cell (default: %(default)s)",
    )
    parser.add_argument("--report-dir", type=Path, metavar="DIR", help="write run.json and junit.xml there")
    parser.add_argument("--keep", action="store_true", help="leave the cluster up afterwards")


def run(args: argparse.Namespace) -> int:
    """Run all phases and print the table; 0 if everything passed, 1 if not.

    Raises:
        HarnessError: Nothing could be measured; the command line knows what to print.
    """
    options = selection.Options(cluster=args.cluster, samples=args.samples, report_dir=args.report_dir, keep=args.keep)
    began = process_started()
    with _terminable(), runs.started(options, say=lambda text: _say(text, began)) as current:
        for phase in current.phases:
            current.walk.reach(phase)
        measured = current.record()
    total = {**measured.timings_s, "total": round(time.monotonic() - began, 3)}
    record = dataclasses.replace(measured, timings_s=total)
    sys.stdout.write(terminal.render(record, colour=_colour()))
    if options.report_dir is not None:
        for path in files.write(record, options.report_dir):
            sys.stdout.write(f"report: {path}\n")
    return 0 if record.passed else 1


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C, so that a CI job that is ended takes its cluster along."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def process_started() -> float:
    """When this process began, on the monotonic clock, so that the measured total includes its own start-up."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - (time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot)


def _say(text: str, began: float) -> None:
    sys.stdout.write(f"[{time.monotonic() - began:5.1f} s] {text}\n")
    sys.stdout.flush()


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
