"""What recorded nodes answered, as the answers that the harness's questions get."""

from __future__ import annotations

import json
from ipaddress import ip_address

from harness.core import errors
from harness.dataplane import evidence
from harness.model import facts
from tests import recordings

PORTS = frozenset({30180, 30181})
NODES = {
    name: facts.Node(name=name, address=ip_address(address), tunnel=None)
    for name, address in {
        "kind-control-plane": "172.18.0.2",
        "kind-worker": "172.18.0.3",
        "kind-worker2": "172.18.0.4",
    }.items()
}
_FILES = {
    "rules": "iptables-save.txt",
    "nat": "bpf-nat.txt",
    "ifstate": "bpf-ifstate.txt",
    "conntrack": "bpf-conntrack.txt",
    "settings": "sysctl.txt",
    "mode": "proxyMode.txt",
    "cgroup": "bpftool-cgroup.txt",
    "log": "calico-node.log",
}


def answers(phase: str, node: str) -> dict[str, evidence.Answer]:
    """What a node of a phase answered, by question; one that was not recorded was not asked."""
    folder = recordings.path() / "nodes" / phase / node
    found: dict[str, evidence.Answer] = {
        what: (folder / name).read_text() for what, name in _FILES.items() if (folder / name).exists()
    }
    return {**found, "devices": _devices(phase, node)}


def _devices(phase: str, node: str) -> str:
    # The recordings have what ``ip -d -j addr show`` prints in two files: details of links, and addresses.
    folder = recordings.path() / "nodes" / phase / node
    links = {item["ifname"]: item for item in json.loads((folder / "ip-link.json").read_text())}
    addresses = json.loads((folder / "ip-addr.json").read_text())
    return json.dumps([{**links[item["ifname"]], **item} for item in addresses])


def kube_proxy_ran(phase: str) -> bool:
    """Whether the phase's kube-proxy DaemonSet wanted a pod on every node, or on none."""
    found = json.loads((recordings.path() / "api" / phase / "daemonsets.json").read_text())["items"]
    [wanted] = [item["status"]["desiredNumberScheduled"] for item in found if item["metadata"]["name"] == "kube-proxy"]
    if wanted not in (0, len(NODES)):
        raise errors.ParseError(f"{phase}: kube-proxy on {wanted} nodes")
    return bool(wanted)


def read(phase: str, node: str, **changed: evidence.Answer) -> evidence.Evidence:
    """The evidence of a recorded node, some of its answers replaced."""
    said = {**answers(phase, node), **changed}
    return evidence.read(NODES[node], PORTS, said, kube_proxy_runs=kube_proxy_ran(phase))
