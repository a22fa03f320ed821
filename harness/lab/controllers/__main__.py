"""``python -P -m harness.lab.controllers --dir LABDIR``: every controller of the lab, and the operator."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from harness.lab import api
from harness.lab.controllers import (
    actions,
    cache,
    daemonsets,
    deployments,
    endpointslices,
    garbage,
    loop,
    namespaces,
    nodes,
    paths,
    replicasets,
    scheduler,
)
from harness.lab.controllers.operator import installation, kube_proxy


def controllers(authority: str) -> list[tuple[str, actions.Reconciler]]:
    """All controllers, in the order in which one's writes are the next one's input.

    Args:
        authority: The cluster's certificate authority, as PEM.
    """
    return [
        ("nodeipam", nodes.reconcile),
        ("tigera-operator", installation.reconcile),
        ("kube-proxy-management", kube_proxy.reconcile),
        ("deployment", deployments.reconcile),
        ("replicaset", replicasets.reconcile),
        ("daemonset", daemonsets.reconcile),
        ("scheduler", scheduler.reconcile),
        ("endpointslice", endpointslices.reconcile),
        ("namespace", namespaces.reconciler(authority)),
        ("garbage-collector", garbage.reconcile),
    ]


def main(argv: list[str]) -> int:
    """Run until SIGTERM; 0 then."""
    parser = argparse.ArgumentParser(prog="harness.lab.controllers")
    parser.add_argument("--dir", type=Path, required=True, help="the lab's state directory")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    client = api.Api.from_kubeconfig(options.dir / "agents" / "controller-manager.kubeconfig", agent="controllers")
    authority = (options.dir / "pki" / "ca.pem").read_text()
    runner = loop.Loop(client, cache.Cache(client, paths.WATCHED), controllers(authority))
    # Nothing needs to be put away: every write is whole, and the next start carries on from what the API says.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    runner.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
