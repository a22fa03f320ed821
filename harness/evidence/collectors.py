"""What a person wants to see when a phase is red: gathered at once, before the next switch sweeps it away.

Everything comes through the API, so it is the same for every provider: objects, logs and events, and from each node
that has a part in what failed its rules with their counters, its connections, maps, routes and links; and the packets
that pass these nodes while the first failing cell is dialled once more.
"""

from __future__ import annotations

import concurrent.futures
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from harness.core import errors, timeouts, waiting
from harness.dataplane import agents
from harness.evidence import bundle, redaction
from harness.kube import client, conditions, execution, logs
from harness.model import cells
from harness.witness import stations

_OBJECTS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "deployments": "/apis/apps/v1/deployments",
    "networkpolicies": "/apis/networking.k8s.io/v1/networkpolicies",
    "installations": "/apis/operator.tigera.io/v1/installations",
    "tigerastatuses": "/apis/operator.tigera.io/v1/tigerastatuses",
    "felixconfigurations": "/apis/crd.projectcalico.org/v1/felixconfigurations",
    "ippools": "/apis/crd.projectcalico.org/v1/ippools",
    "kube-proxy-config": "/api/v1/namespaces/kube-system/configmaps/kube-proxy",
    "events": "/api/v1/events",
}
_SYSTEM = ("calico-system", "kube-system", "tigera-operator")
# Names of namespaces of ours begin or end like this, whatever prefix a run has.
_OURS = ("yaobank-", "echo", "sourceip-")
_DUMPS: Mapping[str, tuple[str, ...]] = {
    "iptables-save.txt": ("iptables-save", "-c"),
    "nft.txt": ("nft", "list", "ruleset"),
    "conntrack.txt": ("conntrack", "-L"),
    "ip-address.txt": ("ip", "address"),
    "ip-link.txt": ("ip", "-d", "-s", "link"),
    "ip-route.txt": ("ip", "route", "show", "table", "all"),
    "ip-rule.txt": ("ip", "rule"),
    "ip-neigh.txt": ("ip", "neigh"),
    # calico-node's image has grep and no sysctl.
    "sysctl.txt": (
        *("grep", "-rsH", "--include=rp_filter", "--include=accept_local", "--include=forwarding"),
        *("--include=ip_forward", ".", "/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv4/ip_forward"),
    ),
}
_MAPS = ("nat", "conntrack", "routes", "ifstate")
_EXEC_S = timeouts.DEFAULT.evidence_s
_SNIFF_S = 3.0
_REDIAL_S = 0.5
# The evidence of a large cluster is about the nodes of what failed, and a few more.
_MOST_NODES = 10
_SNIFFER = Path(__file__).with_name("sniffer.py")

Redial = Callable[[cells.Cell], object]


def collect(
    api: client.Client, folder: Path, *, title: str, failed: cells.Cell | None = None, redial: Redial | None = None
) -> int:
    """Write all that can be had into a folder; returns how many findings there are. Never raises for what it finds.

    Args:
        api: The cluster.
        folder: Where to; made if it is not there.
        title: What it is about, for the page.
        failed: A cell that failed; its nodes come first, and its packets are captured.
        redial: Dials that cell once more while packets are captured.
    """
    found = bundle.Bundle(folder=folder, title=title)
    try:
        pods = api.items("/api/v1/pods")
    except errors.HarnessError as error:
        said = str(error).encode()
        found.add("no-api.txt", "why nothing could be asked", lambda: said)
        return found.close()
    for name, path in _OBJECTS.items():
        found.add(f"api/{name}.json", "objects", functools.partial(_objects, api, path))
    for pod in filter(_has_log, pods):
        found.add(_log_name(pod), "log", functools.partial(_log, api, pod))
    for pod in _agents(pods, failed):
        for file, argv in _DUMPS.items():
            name = f"nodes/{pod['spec']['nodeName']}/{file}"
            found.add(name, " ".join(argv), functools.partial(_dump, api, pod, argv))
        for map_ in _MAPS:
            name = f"nodes/{pod['spec']['nodeName']}/bpf-{map_}.txt"
            found.add(name, f"Calico's own dump of {map_}", functools.partial(_map, api, pod, map_))
    if failed is not None and redial is not None:
        for node, packets in _captured(api, failed, redial).items():
            found.add(f"pcap/{node}.pcap", f"packets of {failed.name}", packets)
    return found.close()


def _objects(api: client.Client, path: str) -> bytes:
    return json.dumps(redaction.objects(api.get(path)), indent=1).encode()


def _has_log(pod: client.Object) -> bool:
    namespace = str(pod["metadata"]["namespace"])
    return namespace in _SYSTEM or any(part in namespace for part in _OURS)


def _log_name(pod: client.Object) -> str:
    return f"logs/{pod['metadata']['namespace']}/{pod['metadata']['name']}.log"


def _log(api: client.Client, pod: client.Object) -> bytes:
    meta = pod["metadata"]
    container = pod["spec"]["containers"][0]["name"]
    return logs.read(api, namespace=meta["namespace"], pod=meta["name"], container=container)


def _agents(pods: list[client.Object], failed: cells.Cell | None) -> list[client.Object]:
    """The calico-node pods to ask, those of the failing cell's nodes first."""
    first = _nodes_of(failed) if failed is not None else ()
    running = [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == "calico-system"
        and pod["metadata"]["name"].startswith("calico-node-")
        and conditions.pod_is_running(pod)
    ]
    return sorted(running, key=lambda pod: pod["spec"]["nodeName"] not in first)[:_MOST_NODES]


def _nodes_of(cell: cells.Cell) -> tuple[str, ...]:
    entry = (cell.entry.name,) if cell.entry is not None else ()
    backends = tuple(pod.node for pod in cell.destination.backends)
    return tuple(dict.fromkeys(name for name in (*entry, *backends, cell.client.node) if name))


def _dump(api: client.Client, pod: client.Object, argv: tuple[str, ...]) -> bytes:
    done = execution.run(
        api,
        namespace=pod["metadata"]["namespace"],
        pod=pod["metadata"]["name"],
        container="calico-node",
        argv=argv,
        timeout_s=_EXEC_S,
        check=False,
    )
    return done.stdout + done.stderr


def _map(api: client.Client, pod: client.Object, map_: str) -> bytes:
    # Calico's own tool has had two names.
    return agents.dump(api, str(pod["metadata"]["name"]), map_, "dump").encode()


def _captured(api: client.Client, failed: cells.Cell, redial: Redial) -> Mapping[str, Callable[[], bytes]]:
    """What passes each of the failing cell's nodes while it is dialled once more."""
    try:
        posts = stations.stations(api)
    except errors.HarnessError:
        posts = {}
    nodes = [node for node in _nodes_of(failed) if node in posts]
    addresses = sorted(_addresses(failed))
    with concurrent.futures.ThreadPoolExecutor(max(1, len(nodes))) as pool:
        taken = {node: pool.submit(_sniffed, api, posts[node], addresses) for node in nodes}
        _redial_until_done(redial, failed, taken.values())
        return {node: future.result for node, future in taken.items()}


def _redial_until_done(
    redial: Redial, failed: cells.Cell, captures: Iterable[concurrent.futures.Future[bytes]]
) -> None:
    """Dial now and then as long as a capture runs, since nobody says when it has begun."""
    running = tuple(captures)

    def dial() -> bool:
        try:
            redial(failed)
        except errors.HarnessError as error:
            # The packets of a dial that failed are evidence all the same.
            bundle.log.info("dialled once more: %s", error)
        return all(capture.done() for capture in running)

    if running:
        waiting.wait_until(dial, bool, what="the captures", timeout_s=_SNIFF_S + 2 * _EXEC_S, delay_s=_REDIAL_S)


def _addresses(cell: cells.Cell) -> Iterator[str]:
    yield str(cell.client.address)
    yield from (str(pod.address) for pod in cell.destination.backends)


def _sniffed(api: client.Client, pod: str, addresses: list[str]) -> bytes:
    argv = ["python3", "-I", "-S", "-c", _SNIFFER.read_text(), f"{_SNIFF_S:g}", *addresses]
    done = execution.run(
        api,
        namespace=api.shape.namespace(stations.NAMESPACE),
        pod=pod,
        container="witness",
        argv=argv,
        timeout_s=_SNIFF_S + _EXEC_S,
    )
    return done.stdout
