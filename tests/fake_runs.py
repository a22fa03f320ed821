"""A pytest plugin that puts a hand-made cluster in the place of every provider, for tests of the fixtures themselves.

``SOURCEIP_FAKE`` says what it is like: ``right``, ``wrong``, ``late`` (wrong once it has settled), ``no-ebpf``,
``no-lab``, ``hidden`` (no phase shows the client), ``translated`` (something stands in the client's way), or what ends
the run in the middle of its second phase: ``SIGINT``, ``SIGTERM`` or ``lost`` (the API). ``python -m tests.fake_runs
verify …`` is the command line on it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.clusters import run, selection
    from tests import fake_cluster


def pytest_sessionstart() -> None:
    """Replace what starts a run; later than the plugins are loaded, and before any fixture asks for it."""
    from harness.clusters import run

    patch = pytest.MonkeyPatch()
    patch.setattr(run, "started", started)


@contextlib.contextmanager
def started(options: selection.Options, *, say: run.Say) -> Iterator[run.Run]:
    """A run on a hand-made cluster, as the environment asks for it."""
    from harness.checks import walk
    from harness.clusters import cluster, run
    from harness.core import errors
    from harness.model import records
    from harness.probing import runners
    from tests import fake_cluster

    kind = os.environ["SOURCEIP_FAKE"]
    if kind == "no-lab":
        raise errors.CapabilityMissing("root", "a lab makes network namespaces", "run it with sudo")
    api = fake_cluster.Api()
    if kind == "wrong":
        api.sees["BPF"]["kind-worker2", "Cluster"] = "172.18.0.9"
    if kind == "late":
        wrong = dict.fromkeys(
            [(node, "Cluster") for node, policy in api.sees["BPF"] if policy == "Cluster"], "172.18.0.9"
        )
        api.on_samples["BPF"] = lambda: api.sees["BPF"].update(wrong)
    if kind == "hidden":
        for seen in api.sees.values():
            seen["kind-worker", "Local"] = "172.18.0.1"
    if kind in ("SIGINT", "SIGTERM", "lost"):
        api.on_samples["BPF"] = lambda: end(api, kind)
    place = fake_cluster.place(api)
    found = cluster.Cluster(
        provider="lab",
        description="a hand-made cluster",
        kubeconfig=Path("none"),
        runner=runners.Runner(prefix=()),
        who=place.who,
        missing={"ebpf": "no bpf() here"} if kind == "no-ebpf" else {},
    )
    steps = walk.Walk(
        place, samples=options.samples, tell=say, observe=fake_cluster.observe, clock=fake_cluster.Clock()
    )
    translated = records.Environment(
        cause="address translation in the client's path", where="kind-worker", text="a masquerade", blocking=True
    )
    yield run.Run(
        cluster=found,
        place=place,
        walk=steps,
        samples=options.samples,
        started="now",
        environment=(translated,) if kind == "translated" else (),
    )


def end(api: fake_cluster.Api, how: str) -> None:
    """End the run that this process is on, from within one of its samples."""
    if how == "lost":
        api.lost = True
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.Signals[how])


if __name__ == "__main__":
    from harness import cli

    pytest_sessionstart()
    sys.exit(cli.main(sys.argv[1:]))
