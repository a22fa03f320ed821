"""``sourceip report``: the reports of a run that is over, from its record."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from harness.report import files, junit, page, serial, terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Teach a parser this command's options."""
    parser.add_argument("record", type=Path, metavar="RUN.json", help="what a run wrote into its --report-dir")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the run as one self-contained page")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the run as JUnit XML")


def run(args: argparse.Namespace) -> int:
    """Print the report and write what is asked for; 0 whatever the run's outcome was.

    Raises:
        UsageError: The record can't be read, is of another version or damaged, or a file can't be written.
    """
    record = serial.read(args.record)
    if args.html is not None:
        files.put(args.html, page.render(record))
    if args.junit is not None:
        files.put(args.junit, junit.render(record))
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    sys.stdout.write(terminal.render(record, colour=colour, folder=args.record.parent))
    return 0
