"""What a person wants to see when a phase is red: gathered at once, before the next switch sweeps it away.

Everything comes through the API, so it is the same for every provider. A collector that fails leaves its error in the
place of its findings; none ever raises into a test.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.core import errors
from harness.kube import client, conditions, execution, logs

log = logging.getLogger("harness.evidence")

Collector = Callable[[], bytes]
_OBJECTS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "deployments": "/apis/apps/v1/deployments",
    "installations": "/apis/operator.tigera.io/v1/installations",
    "tigerastatuses": "/apis/operator.tigera.io/v1/tigerastatuses",
    "felixconfigurations": "/apis/crd.projectcalico.org/v1/felixconfigurations",
    "events": "/api/v1/events",
}
_LOGGED = ("calico-system", "kube-system", "tigera-operator", "yaobank-customer", "yaobank-summary", "yaobank-database")
_DUMPS = {
    "iptables-save.txt": ("iptables-save", "-c"),
    "bpf-nat.txt": ("calico-node", "-bpf", "nat", "dump"),
    "ip-route.txt": ("ip", "route"),
    "ip-link.txt": ("ip", "-d", "link"),
}
_EXEC_S = 10.0


def collect(api: client.Client, folder: Path) -> int:
    """Write all that can be had into a folder; returns how many files there are."""
    try:
        found = list(_collectors(api))
    except errors.HarnessError as error:
        said = str(error).encode()
        found = [("no-api.txt", lambda: said)]
    return sum(_write(folder / name, collector) for name, collector in found)


def _collectors(api: client.Client) -> Iterator[tuple[str, Collector]]:
    for name, path in _OBJECTS.items():
        yield f"api/{name}.json", functools.partial(_objects, api, path)
    for pod in api.items("/api/v1/pods"):
        yield from _of_pod(api, pod)


def _objects(api: client.Client, path: str) -> bytes:
    return json.dumps(api.get(path), indent=1).encode()


def _of_pod(api: client.Client, pod: client.Object) -> Iterator[tuple[str, Collector]]:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    if namespace in _LOGGED:
        container = pod["spec"]["containers"][0]["name"]
        yield (
            f"logs/{namespace}/{name}.log",
            lambda: logs.read(api, namespace=namespace, pod=name, container=container),
        )
    if namespace == "calico-system" and name.startswith("calico-node-") and conditions.pod_is_running(pod):
        for file, argv in _DUMPS.items():
            yield f"nodes/{pod['spec']['nodeName']}/{file}", _dump(api, namespace, name, argv)


def _dump(api: client.Client, namespace: str, pod: str, argv: tuple[str, ...]) -> Collector:
    def dump() -> bytes:
        done = execution.run(
            api, namespace=namespace, pod=pod, container="calico-node", argv=argv, timeout_s=_EXEC_S, check=False
        )
        return done.stdout + done.stderr

    return dump


def _write(path: Path, collector: Collector) -> bool:
    try:
        data = collector()
    except errors.HarnessError as error:
        data = f"not collected: {error}\n".encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        log.warning("evidence %s: %s", path, error)
        return False
    return True
