"""What a provider hands out: a cluster behind a kubeconfig, and a client outside of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.checks import scene
from harness.clusters import witnessing
from harness.core import timeouts
from harness.kube import client, shaping
from harness.model import facts, matrix
from harness.probing import client as probing
from harness.probing import clients, opening, runners


def _not_measured() -> float | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that is up, whoever made it.

    Attributes:
        provider: ``lab``, ``kind`` or ``existing``.
        description: What its dataplane really is; every report shows it.
        kubeconfig: How to reach its API.
        context: The kubeconfig's context; None takes its current one.
        shape: How our workloads look on it.
        runner: Where the external client is; None if there is none.
        who: That client and the address of its sockets; None likewise.
        gateway: The address of the machine that hosts the nodes, if it is known.
        gateway_runner: Where that machine is; None if there is no way to it.
        missing: What it cannot do, by capability (``ebpf``), with the reason; a check that needs it is skipped.
        patience: How long things may take on it.
        confined: Whether nothing but the run's own namespaces may be changed, so that no dataplane is switched.
        sampled: The names of the nodes that take part; empty for all.
        pairs: Which client's node dials which node, by names; empty for the first that fits.
        disposable: Whether it goes away after the run, so that nothing has to be put back.
        up_s: Seconds that it took to come up; None if it was there already.
        memory_mib: Measures the sum of its processes' PSS in MiB; None where that can't be measured.
    """

    provider: str
    description: str
    kubeconfig: Path
    runner: runners.Runner | None
    who: facts.Client | None
    context: str | None = None
    shape: shaping.Shape = shaping.AS_WRITTEN
    gateway: facts.Address | None = None
    gateway_runner: runners.Runner | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    patience: timeouts.Timeouts = timeouts.DEFAULT
    confined: bool = False
    sampled: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    disposable: bool = False
    up_s: float | None = None
    memory_mib: Callable[[], float | None] = _not_measured


@contextlib.contextmanager
def staged(cluster: Cluster, rows: Sequence[matrix.Row] = matrix.WALKTHROUGH) -> Iterator[scene.Scene]:
    """The scene on which these rows are checked, with a probe that runs until the block ends.

    Raises:
        UsageError: The kubeconfig can't be used.
        ProbeError: The probe did not start at the client's place.
    """
    api = client.connect(cluster.kubeconfig, cluster.context, cluster.shape, confined=cluster.confined)
    opener = opening.Opener(api=api, gateway=cluster.gateway_runner)
    with contextlib.closing(api), _probe(cluster.runner) as probe, clients.Clients(opener) as others:
        yield scene.Scene(
            api=api,
            probe=probe,
            who=cluster.who,
            witnesses=witnessing.all_of(api),
            clients=others,
            wanted=scene.wanted_for(rows),
            gateway=cluster.gateway,
            patience=cluster.patience,
            sampled=cluster.sampled,
            pairs=cluster.pairs,
        )


def _probe(runner: runners.Runner | None) -> contextlib.AbstractContextManager[probing.Dialler | None]:
    return probing.running(runner) if runner is not None else contextlib.nullcontext()
