"""What the recorded nodes said, in the words of attribution."""

from __future__ import annotations

import re
from ipaddress import ip_address

from harness.dataplane.attribution import Flow, Hop
from harness.model import facts
from tests import recordings
from tests.contract import recorded_matrix

_TUPLE = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")


def text(phase: str, node: str, name: str) -> str:
    """One file of a node."""
    return (recordings.path() / "nodes" / phase / node / name).read_text()


def table(phase: str, node: str) -> dict[Flow, Flow]:
    """A node's kernel table, from what the conntrack tool printed of it."""
    found: dict[Flow, Flow] = {}
    for line in text(phase, node, "conntrack.txt").splitlines():
        tuples, protocol = _TUPLE.findall(line), line.split()[0].upper()
        if len(tuples) == 2 and protocol in ("TCP", "UDP"):
            (source, destination, source_port, port), reply = tuples
            came = _flow(protocol, source, source_port, destination, port)
            found[came] = _flow(protocol, reply[1], reply[3], reply[0], reply[2])
    return found


def hops(phase: str, node: facts.Node) -> list[Hop]:
    """What a node did with each of its flows."""
    own = (node.address, node.tunnel)
    return [
        Hop(node=node.name, before=came, after=after, local=came.source in own)
        for came, after in table(phase, node.name).items()
    ]


def known() -> facts.Facts:
    """The recorded cluster, every pod with the node whose block its address is from."""
    recording = recorded_matrix.load("iptables")
    found = recording.known()
    blocks = {"10.244.82.": "kind-control-plane", "10.244.110.": "kind-worker2", "10.244.162.": "kind-worker"}
    pods = tuple(
        facts.Pod(
            namespace=pod.namespace,
            name=pod.name,
            address=pod.address,
            node=next(node for block, node in blocks.items() if str(pod.address).startswith(block)),
        )
        for pod in found.other_pods
    )
    return facts.Facts(nodes=found.nodes, destinations=(), client=found.client, overlay=found.overlay, other_pods=pods)


def _flow(protocol: str, source: str, source_port: str, destination: str, port: str) -> Flow:
    return Flow(
        protocol=protocol,
        source=ip_address(source),
        source_port=int(source_port),
        destination=ip_address(destination),
        port=int(port),
    )
