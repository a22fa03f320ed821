"""``sourceip lab down``: end a lab, and remove what dead ones left behind."""

from __future__ import annotations

import argparse

from harness.commands import lab_options
from harness.core import errors
from harness.lab import claims, lifecycle, state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    lab_options.add_lab(parser)
    parser.add_argument("--all", action="store_true", help="end every lab")


def run(args: argparse.Namespace) -> int:
    """End the lab; 0 when nothing of it is left.

    Raises:
        UsageError: There is no such lab.
        HarnessError: It could not be ended.
    """
    root = lab_options.root_of(args)
    state.checked_name(args.name)
    lifecycle.require_root()
    swept = claims.sweep(root)
    names = [lab.name for lab in state.labs(root)] if args.all else [args.name]
    ended = [name for name in names if lifecycle.stop(name, root=root)]
    for name in swept:
        print(f"removed what was left of lab {name}")
    for name in ended:
        print(f"lab {name} is gone")
    if not args.all and args.name not in (*ended, *swept):
        raise errors.UsageError(f"no lab named {args.name!r} in {root}")
    return 0
