"""kube-proxy as a program: ``python -P -m harness.lab.proxy``, with NODE_NAME and KUBECONFIG in the environment."""

from __future__ import annotations

import datetime
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from harness.core import errors
from harness.lab import api
from harness.lab.proxy import agent, health, kernel

log = logging.getLogger("harness.lab.proxy")


def main() -> int:
    """Run until SIGTERM; 0 then, 2 if the environment is not as it must be."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname).1s %(name)s %(message)s")
    try:
        node_name, kubeconfig = os.environ["NODE_NAME"], os.environ["KUBECONFIG"]
        connection = api.Api.from_kubeconfig(kubeconfig, agent="kube-proxy")
    except (KeyError, errors.ParseError) as error:
        log.error("cannot start: %s", error if isinstance(error, errors.ParseError) else f"{error} is not set")
        return 2
    mirror = api.Mirror(
        connection,
        {agent.SERVICES: {}, agent.SLICES: {}, agent.NODES: {"fieldSelector": f"metadata.name={node_name}"}},
    )
    state = health.Health(lambda: datetime.datetime.now(datetime.UTC))
    proxy = agent.Agent(mirror, kernel.Kernel(), node_name=node_name, state=state)

    def end() -> None:
        proxy.stop()
        mirror.stop()

    _on_signals(end)
    health.serve(health.HEALTH_ADDRESS, {"/healthz": state.answer, "/livez": state.answer})
    health.serve(health.METRICS_ADDRESS, {"/proxyMode": health.mode, "/healthz": state.answer})
    mirror.start()
    proxy.run()
    log.info("ending; the rules stay in force")
    return 0


def _on_signals(act: Callable[[], None]) -> None:
    # The handler runs between any two steps of the main thread, where taking a lock may never return. So it only
    # makes the interpreter write to a pipe, and a thread of its own does what there is to do.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def wait() -> None:
        os.read(reading, 1)
        act()

    threading.Thread(target=wait, name="signals", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
