"""The eBPF dataplane's maps against what the real one dumped for the same cluster, node by node."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path

import pytest

from harness.lab import services
from harness.lab.bpf import contents, dumping, layouts, syncing
from tests import recordings

NODES = {
    "kind-control-plane": ("172.18.0.2", "10.244.82.0/26"),
    "kind-worker": ("172.18.0.3", "10.244.162.128/26"),
    "kind-worker2": ("172.18.0.4", "10.244.110.128/26"),
}
PHASES = ["ebpf", "ebpf-noctlb"]
Shown = dict[str, tuple[str, frozenset[str]]]


def folder(phase: str, node: str) -> Path:
    """A recorded node."""
    return recordings.path() / "nodes" / phase / node


def cluster(phase: str, node: str) -> contents.Cluster:
    """The recorded cluster as that node sees it."""
    api = recordings.path() / "api" / phase
    items = [json.loads((api / f"{kind}.json").read_text())["items"] for kind in ("services", "endpointslices")]
    return contents.Cluster(
        ports=services.service_ports(*items),
        nodes=tuple(
            contents.Node(
                name=name,
                address=ipaddress.IPv4Address(address),
                tunnel_address=ipaddress.IPv4Network(block).network_address,
                blocks=(ipaddress.IPv4Network(block),),
            )
            for name, (address, block) in NODES.items()
        ),
        local_pods=tuple(local_pods(phase, node)),
        pools=(contents.Pool(cidr=ipaddress.IPv4Network("10.244.0.0/16")),),
    )


def local_pods(phase: str, node: str) -> list[contents.LocalPod]:
    """The pods that the recorded node had routes to."""
    routes = json.loads((folder(phase, node) / "ip-route.json").read_text())
    return [
        contents.LocalPod(ip=ipaddress.IPv4Address(route["dst"]), ifname=route["dev"])
        for route in routes
        if str(route.get("dev", "")).startswith("cali")
    ]


def frontends(dump: str) -> Shown:
    """A dump's frontends with their counts and flags, and the backends of each; ids are nobody's business."""
    found: Shown = {}
    current = ""
    for line in dump.splitlines():
        if line.startswith("\t"):
            head, backends = found[current]
            found[current] = head, backends | {line.split()[-1]}
        else:
            current, rest = line.split(" id ")
            found[current] = rest.split(" ", 1)[1], frozenset()
    return found


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("node", NODES)
def test_nat_dump_is_the_recorded_one(phase: str, node: str) -> None:
    """Every frontend, its counts, flags and backends: printed, read back and compared."""
    wanted = contents.desired(contents.Settings(), cluster(phase, node), node)
    numbers = syncing.numbered({frontend.backends for frontend in wanted.frontends.values()}, {})
    values = {key: syncing.frontend_value(frontend, numbers) for key, frontend in wanted.frontends.items()}
    mine = dumping.render_nat(values, {number: backends for backends, number in numbers.items()})
    assert frontends(mine) == frontends((folder(phase, node) / "bpf-nat.txt").read_text())


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("node", NODES)
def test_routes_dump_is_the_recorded_one(phase: str, node: str) -> None:
    """Line by line, but for the numbers that the recorded kernel gave its interfaces."""
    recorded = (folder(phase, node) / "bpf-routes.txt").read_text()
    wanted = contents.desired(contents.Settings(), cluster(phase, node), node)
    routes = {network: layouts.RouteValue(route.flags, route.next_hop, 0) for network, route in wanted.routes.items()}
    assert dumping.render_routes(routes) == re.sub(r"idx \d+", "idx 0", recorded)


def test_conntrack_lines_have_the_recorded_form() -> None:
    """A flow through the tunnel, printed from its entry, is the recorded line."""
    recorded = (folder("ebpf", "kind-worker") / "bpf-conntrack.txt").read_text().splitlines()[0]
    client, node, pod = (ipaddress.IPv4Address(text) for text in ("172.18.0.5", "172.18.0.4", "10.244.162.135"))
    key = layouts.Tuple(client, node, 44434, 30200, layouts.PROTOCOLS["TCP"])
    forward = layouts.Flow(0, 0, client, pod, 44434, 8080, layouts.NOWHERE, layouts.FORWARD, 0, 1, 0)
    back = forward.translated(key.protocol).reversed()
    reply = layouts.Flow(0, 0, node, client, 30200, 44434, node, layouts.REPLY, layouts.TUNNEL, 1, 0)
    printed = dumping.render_conntrack({key: forward, back: reply}, now_ns=83_790_625_700)
    assert printed == f"{recorded}\n"


@pytest.mark.parametrize("node", NODES)
def test_ifstate_lines_have_the_recorded_form(node: str) -> None:
    """The same words for each kind of interface; policies are none of the lab's."""
    for line in (folder("ebpf", node) / "bpf-ifstate.txt").read_text().splitlines():
        name = line.rpartition("name: ")[2].rstrip("}")
        if name == "bpfout.cali":
            continue
        mine = dumping.render_interface(int(line.split(" :")[0]), name)
        without_policy = re.sub(r"(Policy\w+): -?\d+", r"\1: -1", line)
        assert mine == without_policy
