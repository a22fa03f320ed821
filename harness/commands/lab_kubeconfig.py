"""``sourceip lab kubeconfig``: where a lab's kubeconfig is, or what is in it."""

from __future__ import annotations

import argparse

from harness.commands import lab_options
from harness.lab import state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    lab_options.add_lab(parser)
    parser.add_argument("--content", action="store_true", help="print the file instead of its path")


def run(args: argparse.Namespace) -> int:
    """Print the path or the content; UsageError if there is no such lab."""
    lab = state.find(args.name, lab_options.root_of(args))
    print(lab.kubeconfig.read_text().rstrip() if args.content else lab.kubeconfig)
    return 0
