"""``sourceip test``: all tests of the project on the lab, or what the arguments to pytest say."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
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
    return int(pytest.main(on_the_lab(args.pytest_arguments)))


def on_the_lab(words: Sequence[str]) -> list[str]:
    """These words, with the lab as the cluster unless they name one: the project's tests are not a reason to make a
    kind cluster on whoever's machine has Docker. Pure.
    """
    named = any(word == "--cluster" or word.startswith("--cluster=") for word in words)
    return [*([] if named else ["--cluster=lab"]), *words]
