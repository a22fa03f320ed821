"""``python -P -m harness.lab.felix``: felix on the node that this process is on.

Environment: ``NODE_NAME``, ``KUBECONFIG``, ``SOURCEIP_BPFFS`` and ``CALICO_CGROUP_PATH`` (docs/lab.md).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.core import errors
from harness.lab import api, plan
from harness.lab.felix import agent, cluster, ebpf, health, links, node

log = logging.getLogger("felix.daemon")

# The line's shape is the real felix's, so that what reads one log reads the other.
_LINE = "%(asctime)s.%(msecs)03d [%(levelname)s][%(process)d] %(name)s %(lineno)d: %(message)s"


def main(environment: Mapping[str, str]) -> int:
    """Run until SIGTERM; 0 then, 2 for an environment that is not complete."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_LINE, datefmt="%Y-%m-%d %H:%M:%S")
    try:
        name = environment["NODE_NAME"]
        client = api.Api.from_kubeconfig(environment["KUBECONFIG"], agent=f"felix/{plan.CALICO_VERSION} {name}")
        bpffs, cgroup = Path(environment["SOURCEIP_BPFFS"]), Path(environment["CALICO_CGROUP_PATH"])
    except KeyError as error:
        log.error("the environment has no %s", error)
        return 2
    except errors.ParseError as error:
        log.error("%s", error)
        return 2
    log.info("Starting node %s with version %s (lab reference dataplane)", name, plan.CALICO_VERSION)
    mirror = api.Mirror(client, cluster.COLLECTIONS)
    felix = agent.Agent(name, mirror, node.Node(), ebpf.Dataplane(name, bpffs=bpffs, cgroup=cgroup))
    signal.signal(signal.SIGTERM, lambda _number, _frame: felix.stop())
    signal.signal(signal.SIGINT, lambda _number, _frame: felix.stop())
    links.follow(mirror.wake)
    health.serve(cluster.Settings().health_port, lambda: felix.health)
    mirror.start()
    felix.run()
    # The threads are daemons: a rollout waits for this process, and nothing they do needs an end.
    mirror.stop()
    log.info("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
