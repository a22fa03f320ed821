"""``sourceip verify``: the whole story in one command, with real traffic through the real kernel."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.clusters import arguments, selection
from harness.clusters import run as runs
from harness.model import records
from harness.report import files, terminal

HELP = "show which source address the application sees: iptables, eBPF, iptables again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command, in the words of ``docs/design.md`` section 9."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cells", default="walkthrough", **arguments.CELLS)
    which.add_argument(
        "--matrix", dest="cells", action="store_const", const="all", help="all cells; short for --cells all"
    )
    arguments.add(parser.add_argument, arguments.OURS)
    arguments.add(parser.add_argument, arguments.PYTEST_KINDS)


def run(args: argparse.Namespace) -> int:
    """Run all phases and print the table; 0 if everything passed, 3 if nothing was proven either way, else 1.

    What was measured is printed and written whatever ends the run.

    Raises:
        HarnessError: Nothing could be measured; the command line knows what to print.
    """
    options = arguments.chosen(lambda name: getattr(args, name))
    with runs.terminable():
        return _run(options, process_started()).outcome.exit_code


def _run(options: selection.Options, began: float) -> records.RunRecord:
    kept: list[records.RunRecord] = []
    try:
        with runs.started(options, say=lambda text: _say(text, began)) as current:
            _walk(current, kept.append)
    finally:
        for measured in kept:
            _report(measured, options.report_dir, began)
    return kept[0]


def _walk(current: runs.Run, keep: Callable[[records.RunRecord], None]) -> None:
    with runs.recorded(current, keep, wanted=current.phases):
        # Where nothing that is measured means anything, nothing is measured.
        for phase in current.phases if not current.blocked else ():
            current.walk.reach(phase)


def _report(measured: records.RunRecord, folder: Path | None, began: float) -> None:
    total = {**measured.timings_s, "total": round(time.monotonic() - began, 3)}
    record = dataclasses.replace(measured, timings_s=total)
    sys.stdout.write(terminal.render(record, colour=_colour(), folder=folder))
    if folder is not None:
        for path in files.write(record, folder):
            sys.stdout.write(f"report: {path}\n")


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
