"""Which dataplane is in force on each node: asked of the node's kernel through its own agent, never of the API.

``Installation``, ``FelixConfiguration`` and ``TigeraStatus`` say what was asked for; the recordings show
``TigeraStatus`` available long before and long after the moment that matters (finding 7).
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core import errors
from harness.dataplane import calico, kube_proxy
from harness.kube import client, conditions, execution
from harness.model import facts, words

_NAMESPACE = "calico-system"
_CONTAINER = "calico-node"
_SELECTOR = {"labelSelector": "k8s-app=calico-node"}
_EXEC_S = 15.0


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
    """Ask every node, side by side; a node that can't be asked says so in its own entry."""
    ports = frozenset(destination.node_port for destination in known.destinations if destination.node_port)
    agents = _agents(api)
    with concurrent.futures.ThreadPoolExecutor(min(len(known.nodes), 8) or 1) as pool:
        return tuple(pool.map(lambda node: _ask(api, node, agents, ports), known.nodes))


def is_everywhere(found: Sequence[InForce], wanted: words.Dataplane) -> bool:
    """That dataplane, and no other, is in force on every node. Pure."""
    return bool(found) and all(state.dataplane is wanted for state in found)


def text(found: Sequence[InForce]) -> str:
    """All nodes in one line. Pure."""
    return ", ".join(state.text for state in found)


def _agents(api: client.Client) -> Mapping[str, str]:
    """The calico-node pod of each node, even one that says it is not ready: its kernel is what counts."""
    pods = api.items(f"/api/v1/namespaces/{_NAMESPACE}/pods", _SELECTOR)
    return {item["spec"]["nodeName"]: item["metadata"]["name"] for item in pods if conditions.pod_is_running(item)}


def _ask(api: client.Client, node: facts.Node, agents: Mapping[str, str], ports: frozenset[int]) -> InForce:
    pod = agents.get(node.name)
    if pod is None:
        return _silent(node, ports, "no calico-node pod is running")
    try:
        nat = _run(api, pod, ("iptables-save", "-t", "nat"), check=True)
        dump = _run(api, pod, ("calico-node", "-bpf", "nat", "dump"), check=False)
    except (errors.ApiError, errors.CommandError) as error:
        # The pod may be replaced while it is asked; the next look finds its successor.
        return _silent(node, ports, str(error))
    return InForce(
        node=node.name,
        iptables=kube_proxy.reachable_node_ports(nat) & ports,
        bpf=calico.bpf_node_ports(dump, str(node.address)) & ports,
        asked=ports,
    )


def _run(api: client.Client, pod: str, argv: tuple[str, ...], *, check: bool) -> str:
    return execution.run(
        api, namespace=_NAMESPACE, pod=pod, container=_CONTAINER, argv=argv, timeout_s=_EXEC_S, check=check
    ).text


def _silent(node: facts.Node, ports: frozenset[int], trouble: str) -> InForce:
    return InForce(node=node.name, iptables=frozenset(), bpf=frozenset(), asked=ports, trouble=trouble)


def _ports(ports: frozenset[int]) -> str:
    return ", ".join(str(port) for port in sorted(ports)) or "none"
