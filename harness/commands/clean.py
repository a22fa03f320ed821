"""``sourceip clean``: remove the namespaces that runs on somebody's cluster have left behind."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from harness.clusters.existing import contexts, namespaces
from harness.kube import client


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The cluster, named as for a run."""
    parser.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE", help="which cluster")
    parser.add_argument("--context", default="", metavar="NAME", help="its context; never the current one unnamed")
    parser.add_argument("--dry-run", action="store_true", help="only list them")


def run(args: argparse.Namespace) -> int:
    """List the namespaces with a run's mark and remove them; those of a run that is under way are among them.

    Raises:
        UsageError: The context was not named or is not there.
        ApiError: The API refused.
        WaitTimeout: Some stay, and the text names them.
    """
    contexts.require(args.kubeconfig, args.context)
    with contextlib.closing(client.connect(args.kubeconfig, args.context)) as api:
        found = namespaces.left(api)
        for name in found:
            print(name)
        if not found:
            print("nothing is left of any run")
        elif not args.dry_run:
            namespaces.remove(api, found)
            print(f"removed: {len(found)} namespaces")
    return 0
