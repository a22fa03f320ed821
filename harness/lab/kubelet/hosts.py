"""A pod's hosts file, which stands in for the cluster's DNS. Pure, but for writing it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.lab.kubelet import specs

Entry = tuple[str, tuple[str, ...]]

_HEADER = """\
# Written by the lab's kubelet; changes are lost when a Service changes.
127.0.0.1\tlocalhost
"""


def service_entries(services: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """An address and names for every Service with a ClusterIP, as the cluster's DNS would answer."""
    return [
        (address, service_names(item["metadata"]["name"], item["metadata"]["namespace"]))
        for item in services
        if (address := (item.get("spec") or {}).get("clusterIP") or "None") != "None"
    ]


def service_names(name: str, namespace: str) -> tuple[str, ...]:
    """The names of a Service that do not depend on who asks."""
    return tuple(f"{name}.{namespace}{suffix}" for suffix in ("", ".svc", ".svc.cluster.local"))


def render(pod: specs.Pod, address: str, nodes: Sequence[Entry], services: Sequence[Entry]) -> str:
    """The whole file: the pod, its aliases, the nodes and the Services, its own namespace's by bare name too."""
    lines = [f"{address}\t{pod.hostname}"]
    lines += [f"{ip}\t{' '.join(names)}" for ip, names in (*pod.host_aliases, *nodes)]
    for ip, names in services:
        bare, _, namespace = names[0].partition(".")
        own = (bare,) if namespace == pod.namespace else ()
        lines.append(f"{ip}\t{' '.join((*own, *names))}")
    return _HEADER + "\n".join(lines) + "\n"


def rewrite(file: Path, text: str) -> None:
    """Write the file in place: it is bound into running pods, which would keep a replaced file's old content."""
    data = text.encode()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
