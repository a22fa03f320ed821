"""``sourceip lab node NAME -- CMD``: run a command on a node."""

from __future__ import annotations

import argparse

from harness.commands import lab_options
from harness.core import errors
from harness.lab import entering, state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    lab_options.add_lab(parser)
    parser.add_argument("node", help="the node's name, such as kind-worker")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD", help="the command and its arguments")


def run(args: argparse.Namespace) -> int:
    """Run the command; its streams and its exit code are the command's own.

    Raises:
        UsageError: There is no command, no such lab or no such node.
    """
    argv = lab_options.command_of(args)
    if not argv:
        raise errors.UsageError("no command; for example: sourceip lab node kind-worker -- ip route")
    return entering.run_on_node(state.find(args.name, lab_options.root_of(args)), args.node, argv)
