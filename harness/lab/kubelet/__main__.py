"""The kubelet's program: ``python -m harness.lab.kubelet --dir LABDIR --node NAME``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from harness.lab import api, state
from harness.lab.kubelet import agent, server


def main() -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="kubelet")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--node", required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    client = api.Api.from_kubeconfig(
        options.dir / "agents" / f"kubelet-{options.node}.kubeconfig", agent=f"kubelet/{options.node}"
    )
    kubelet = agent.Kubelet(state.read(options.dir), options.node, client)
    signal.signal(signal.SIGTERM, lambda _number, _frame: kubelet.stop())
    server.Door(options.dir / "nodes" / options.node / "kubelet.sock", kubelet.find).start()
    kubelet.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
