"""Which dataplane is in force on each node: asked of the node's kernel through its own agent, never of the API.

``Installation``, ``FelixConfiguration`` and ``TigeraStatus`` say what was asked for; the recordings show
``TigeraStatus`` available long before and long after the moment that matters (finding 7). This is the fast look that
a switch is awaited by; ``evidence`` and ``deciding`` ask for everything, once a phase.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core import errors
from harness.dataplane import agents, bpf_dumps, kube_proxy
from harness.kube import client
from harness.model import facts, words

NO_POD = "no calico-node pod is running"


@dataclass(frozen=True, kw_only=True)
class InForce:
    """What one node's kernel does with packets for the NodePorts that were asked about.

    Attributes:
        node: The node's name.
        iptables: Which of these ports kube-proxy's rules translate.
        bpf: Which of these ports Calico's NAT map translates on the node's own address.
        asked: The ports in question.
        trouble: Why the node could not be asked; empty if it answered.
    """

    node: str
    iptables: frozenset[int]
    bpf: frozenset[int]
    asked: frozenset[int]
    trouble: str = ""

    @property
    def dataplane(self) -> words.Dataplane | None:
        """The one dataplane that translates all ports and no other any of them; None if there is no such one."""
        if self.trouble or not self.asked:
            return None
        if self.iptables == self.asked and not self.bpf:
            return words.Dataplane.IPTABLES
        if self.bpf == self.asked and not self.iptables:
            return words.Dataplane.BPF
        return None

    @property
    def summary(self) -> str:
        """The dataplane's name, or what stands in its place."""
        if self.trouble:
            return self.trouble
        if self.dataplane is not None:
            return self.dataplane.value
        return f"iptables has {_ports(self.iptables)}, BPF has {_ports(self.bpf)}"

    @property
    def text(self) -> str:
        """One clause for a report."""
        return f"{self.node}: {self.summary}"


def observe(api: client.Client, known: facts.Facts) -> tuple[InForce, ...]:
    """Ask every node that takes part, side by side; a node that can't be asked says so in its own entry."""
    ports = asked_ports(known)
    pods = agents.by_node(api)
    with concurrent.futures.ThreadPoolExecutor(min(len(known.asked), 8) or 1) as pool:
        return tuple(pool.map(lambda node: _ask(api, node, pods, ports), known.asked))


def asked_ports(known: facts.Facts) -> frozenset[int]:
    """The NodePorts that TCP is spoken on, which is what the evidence is read for. Pure."""
    speaks = (words.Protocol.HTTP, words.Protocol.TCP)
    return frozenset(item.node_port for item in known.destinations if item.node_port and item.protocol in speaks)


def is_everywhere(found: Sequence[InForce], wanted: words.Dataplane) -> bool:
    """That dataplane, and no other, is in force on every node. Pure."""
    return bool(found) and all(state.dataplane is wanted for state in found)


def text(found: Sequence[InForce]) -> str:
    """All nodes in one line. Pure."""
    return ", ".join(state.text for state in found)


def _ask(api: client.Client, node: facts.Node, pods: Mapping[str, str], ports: frozenset[int]) -> InForce:
    pod = pods.get(node.name)
    if pod is None:
        return _silent(node, ports, NO_POD)
    try:
        nat, dump = agents.nat_rules(api, pod), agents.dump(api, pod, "nat", "dump")
        iptables, bpf = kube_proxy.reachable_node_ports(nat), bpf_dumps.node_ports(dump, node.address)
    except (errors.ApiError, errors.CommandError, errors.ParseError) as error:
        # The pod may be replaced while it is asked; the next look finds its successor.
        return _silent(node, ports, str(error))
    return InForce(node=node.name, iptables=iptables & ports, bpf=bpf & ports, asked=ports)


def _silent(node: facts.Node, ports: frozenset[int], trouble: str) -> InForce:
    return InForce(node=node.name, iptables=frozenset(), bpf=frozenset(), asked=ports, trouble=trouble)


def _ports(ports: frozenset[int]) -> str:
    return ", ".join(str(port) for port in sorted(ports)) or "none"
