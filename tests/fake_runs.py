"""A pytest plugin that puts a hand-made cluster in the place of every provider, for tests of the fixtures themselves.

``SOURCEIP_FAKE`` says what it is like: ``right``, ``wrong``, ``no-ebpf`` or ``no-lab``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.clusters import run, selection


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
    from harness.probing import runners
    from tests import fake_cluster

    kind = os.environ["SOURCEIP_FAKE"]
    if kind == "no-lab":
        raise errors.CapabilityMissing("root", "a lab makes network namespaces", "run it with sudo")
    api = fake_cluster.Api()
    if kind == "wrong":
        api.sees["BPF"]["kind-worker2", "Cluster"] = "172.18.0.9"
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
    yield run.Run(cluster=found, place=place, walk=steps, samples=options.samples, started="now")
