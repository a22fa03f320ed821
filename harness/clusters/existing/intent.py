"""What a run will make and change, said before it does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.kube import shaping

_CHANGES = (
    "Installation default",
    "DaemonSet kube-system/kube-proxy",
    "ConfigMap tigera-operator/kubernetes-services-endpoint",
    "Deployment tigera-operator/tigera-operator (restarted whenever the ConfigMap changes)",
)


def lines(shape: shaping.Shape, *, switching: bool, nodes: int, used: Sequence[str]) -> Iterator[str]:
    """What the user is told, line by line.

    Args:
        shape: How the run's workloads look.
        switching: Whether the dataplane will be switched.
        nodes: How many nodes the cluster has.
        used: The names of those that take part; empty for all.
    """
    yield f"will create: namespaces {shape.prefix}* with Services, Deployments and DaemonSets in them"
    yield from (f"             {name}" for name in shape.namespaces())
    yield f"will use:    {len(used) or nodes} of {nodes} nodes"
    yield from (f"             {name}" for name in used)
    if not switching:
        yield "will change: nothing that is not the run's own; the dataplane in force is verified as it is"
        return
    yield "will change: and put back at the end"
    yield from (f"             {what}" for what in _CHANGES)
