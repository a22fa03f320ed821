"""``sourceip test``: all tests of the project, or what the arguments to pytest say."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

HELP = "run all tests; further arguments go to pytest"
_ROOT = Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything after ``test`` belongs to pytest, options and ``--help`` included."""
    # Without a character that begins options, the parser takes none of pytest's for its own.
    parser.prefix_chars = "\0"
    parser.add_argument("pytest_arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments for pytest")


def run(args: argparse.Namespace) -> int:
    """Run pytest from the project's root; its exit code is this command's."""
    import pytest

    os.chdir(_ROOT)
    return int(pytest.main(list(args.pytest_arguments)))
