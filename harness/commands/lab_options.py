"""Options that the lab's commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.core import errors
from harness.lab import state


def add_lab(parser: argparse.ArgumentParser) -> None:
    """``--name`` and ``--state-dir``."""
    parser.add_argument("--name", default=state.DEFAULT_NAME, help="the lab's name (default: %(default)s)")
    add_root(parser)


def add_root(parser: argparse.ArgumentParser) -> None:
    """``--state-dir``."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help=f"where labs keep their state (default: ${state.ROOT_VARIABLE} or {state.DEFAULT_ROOT})",
    )


def root_of(args: argparse.Namespace) -> Path:
    """The directory of all labs."""
    return Path(args.state_dir).absolute() if args.state_dir else state.root_from_environment()


def command_of(args: argparse.Namespace) -> list[str]:
    """The command after the options, without the ``--`` that may stand before it."""
    words = list(args.command)
    return words[1:] if words[:1] == ["--"] else words


def not_started(error: errors.CommandError) -> int:
    """Say that a program could not be started; a shell's exit code for that."""
    sys.stderr.write(f"sourceip: {error.stderr}\n")
    return error.returncode
