"""``sourceip lab client -- CMD``: become a command on the external client."""

from __future__ import annotations

import argparse

from harness.commands import lab_options
from harness.core import errors
from harness.lab import entering, state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    lab_options.add_lab(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD", help="the command and its arguments")


def run(args: argparse.Namespace) -> int:
    """Run the command; its streams and its exit code are the command's own.

    Raises:
        UsageError: There is no command or no such lab.
    """
    argv = lab_options.command_of(args)
    if not argv:
        raise errors.UsageError("no command; for example: sourceip lab client -- curl http://172.18.0.2:30180/")
    try:
        entering.become_on_client(state.find(args.name, lab_options.root_of(args)), argv)
    except errors.CommandError as error:
        return lab_options.not_started(error)
    return 0
