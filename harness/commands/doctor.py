"""``sourceip doctor``: what this machine has and lacks for each provider."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import tabulate

from harness.clusters.doctor import examining, needs

_WIDTHS = [9, 26, 7, 50]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Look for what each provider (lab, kind, existing) needs of this machine. Nothing is changed. The exit code "
        "is 0 if at least one provider can run here, and 1 if none can."
    )
    parser.add_argument(
        "--json", action="store_true", help=f"print JSON of schema {needs.SCHEMA}, version {needs.VERSION}"
    )


def run(args: argparse.Namespace) -> int:
    """Print what was found; 0 if a provider can run here."""
    found = examining.examine()
    if args.json:
        sys.stdout.write(json.dumps(needs.document(found), indent=1) + "\n")
    else:
        sys.stdout.write(text(found))
    return 0 if needs.usable(found) else 1


def text(found: Sequence[needs.Need]) -> str:
    """The findings as a table of at most 100 columns, with the remedies below it. Pure."""
    rows = [(need.provider, need.what, need.mark, need.found) for need in found]
    table = tabulate.tabulate(
        rows, headers=("provider", "needs", "", "found"), tablefmt="simple", maxcolwidths=_WIDTHS, disable_numparse=True
    )
    lacking = [need for need in found if not need.met and need.remedy]
    remedies = [f"  {need.provider}, {need.what}: {need.remedy}" for need in lacking]
    usable = ", ".join(needs.usable(found)) or "none"
    lines = [table, "", *(["to supply what is missing:", *remedies, ""] if remedies else []), f"can run here: {usable}"]
    return "\n".join(lines) + "\n"
