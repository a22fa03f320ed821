"""The embedded lab as a provider."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator

from harness.clusters import cluster
from harness.core import process, timeouts
from harness.lab import lifecycle, memory, plan, state
from harness.lab.owner import programs
from harness.model import facts, words
from harness.probing import runners

PROBE = "from harness.lab.bpf import probing; print(probing.probe().reason)"
# Everything is on one machine, so a switch that takes longer than this is not going to happen.
_PATIENCE = timeouts.Timeouts(rollout_s=60.0, switch_s=40.0)


@contextlib.contextmanager
def running(*, name: str = "", keep: bool = False, say: Callable[[str], None]) -> Iterator[cluster.Cluster]:
    """A lab of its own for this run; with ``keep`` it stays when the block ends.

    Raises:
        CapabilityMissing: This machine can't have a lab.
        UsageError: The name is taken or can't be one.
        HarnessError: The lab did not come up.
    """
    name = name or f"run-{os.getpid()}"
    started = time.monotonic()
    with _owned(name, keep=keep, say=say) as lab:
        yield from_state(lab, up_s=round(time.monotonic() - started, 3))


@contextlib.contextmanager
def _owned(name: str, *, keep: bool, say: Callable[[str], None]) -> Iterator[state.LabState]:
    if not keep:
        with lifecycle.running(name=name, say=say) as lab:
            yield lab
        return
    lab = lifecycle.start(name=name, say=say, detached=True).state
    say(f"the lab stays; end it with: sourceip lab down --name {lab.name}")
    yield lab


def from_state(lab: state.LabState, *, up_s: float | None = None) -> cluster.Cluster:
    """A lab that is up, as a cluster."""
    return cluster.Cluster(
        provider="lab",
        description=(
            f"lab reference dataplane (not Calico): kube-proxy's iptables rules and an eBPF NodePort dataplane "
            f"in this machine's kernel {platform.release()}"
        ),
        kubeconfig=lab.kubeconfig,
        runner=client_runner(lab),
        who=facts.Client(kind=words.ClientKind.EXTERNAL, address=ipaddress.ip_address(lab.client)),
        gateway=plan.GATEWAY,
        gateway_runner=runners.Runner(prefix=_entering(lab, plan.BRIDGE), python=sys.executable),
        missing=missing(lab),
        patience=_PATIENCE,
        disposable=True,
        up_s=up_s,
        memory_mib=lambda: memory_mib(lab.owner.pid),
    )


def client_runner(lab: state.LabState) -> runners.Runner:
    """The external client's network namespace, entered from outside the lab."""
    return runners.Runner(prefix=_entering(lab, plan.CLIENT), python=sys.executable)


def _entering(lab: state.LabState, namespace: str) -> tuple[str, ...]:
    return ("nsenter", f"--net=/proc/{lab.owner.pid}/root/run/netns/{namespace}")


def missing(lab: state.LabState) -> dict[str, str]:
    """What this machine's kernel keeps the lab from doing, by capability, with the reason.

    It is found out on a node of the lab, since finding it out attaches a program to a device for a moment.

    Raises:
        CommandError: It could not be found out. What a kernel lacks is a skip; a probe that breaks is none.
    """
    argv = [*_entering(lab, lab.nodes[0]), sys.executable, "-P", "-c", PROBE]
    return missing_from(process.run(argv, env=programs.environment()).text)


def missing_from(said: str) -> dict[str, str]:
    """What the probe of the kernel said: a reason, or nothing. Pure."""
    reason = said.strip()
    return {"ebpf": reason} if reason else {}


def memory_mib(owner: int) -> float | None:
    """The sum of PSS of all processes in the lab, in MiB; None if the owner is gone."""
    found = memory.pss_kib(owner)
    return round(found / 1024, 1) if found else None
