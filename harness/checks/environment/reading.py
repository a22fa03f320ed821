"""Asking nodes and the API what the environment is like; every node at once, each through its calico-node pod."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.checks.environment import sockets, texts
from harness.checks.environment.seen import Addressing, Network, NodeSeen
from harness.core import errors
from harness.dataplane import agents as dataplane_agents
from harness.dataplane import bpf_dumps, kube_proxy
from harness.kube import client, inventory
from harness.model import facts

_PODS = f"/api/v1/namespaces/{dataplane_agents.NAMESPACE}/pods"
_CONFIG = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"
_SERVICE_CIDRS = "/apis/networking.k8s.io/v1/servicecidrs"
_BLOCKS = ("/apis/crd.projectcalico.org/v1/blockaffinities", "/apis/projectcalico.org/v3/blockaffinities")
_AT_ONCE = 16

RULES = ("iptables-save", "-c")
# One program for all that is a file, since an exec costs more than what it reads.
KERNEL = (
    *("grep", "-rsH", "--include=rp_filter", "--include=tcp", "--include=tcp6", "--include=uptime", "--include=stat"),
    *(".", "/proc/sys/net/ipv4/conf", "/proc/net/", "/proc/uptime", "/proc/stat"),
)
SOCKETS = ("grep", "-sH", ".", "/proc/net/tcp", "/proc/net/tcp6")
NAT_MAP = ("nat", "dump")
_PROGRAMS = (RULES, KERNEL, NAT_MAP)

Program = tuple[str, ...]
"""The argv of a program on a node."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one program said on a node.

    Attributes:
        text: Its standard output; empty if it could not be run.
        at: The middle of the asking, seconds since 1970 by this machine's clock.
        took_s: How long the asking took.
        trouble: Why it could not be run.
    """

    text: str = ""
    at: float = 0.0
    took_s: float = 0.0
    trouble: str = ""


Answers = Mapping[str, Mapping[Program, Said]]
"""What each program said, by node and program."""


def agents(api: client.Client, known: facts.Facts) -> Mapping[str, client.Object]:
    """The calico-node pod of each node that takes part; raises ApiError."""
    nodes = {node.name for node in known.asked}
    names = {name for node, name in dataplane_agents.by_node(api).items() if node in nodes}
    return {item["spec"]["nodeName"]: item for item in api.items(_PODS) if item["metadata"]["name"] in names}


def ask(api: client.Client, pods: Mapping[str, client.Object], programs: Sequence[Program] = _PROGRAMS) -> Answers:
    """Run these programs on every node, all at once; one that can't be run says so in its own answer."""
    wanted = [(node, pod["metadata"]["name"], program) for node, pod in pods.items() for program in programs]
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda item: _run(api, item[1], item[2]), wanted))
    found: dict[str, dict[Program, Said]] = {node: {} for node in pods}
    for (node, _, program), said in zip(wanted, answers, strict=True):
        found[node][program] = said
    return found


def _run(api: client.Client, pod: str, argv: Sequence[str]) -> Said:
    began = time.time()
    try:
        # Calico's own tool has had two names.
        text = dataplane_agents.dump(api, pod, *NAT_MAP) if argv == NAT_MAP else dataplane_agents.run(api, pod, argv)
    except (errors.ApiError, errors.CommandError) as error:
        return Said(trouble=f"{argv[0]}: {error}")
    ended = time.time()
    return Said(text=text, at=(began + ended) / 2, took_s=ended - began)


def nodes(
    known: facts.Facts, objects: Iterable[client.Object], pods: Mapping[str, client.Object], said: Answers
) -> tuple[NodeSeen, ...]:
    """Every node, from its object, its agent and what its programs said. Pure."""
    by_name = {item["metadata"]["name"]: item for item in objects}
    ports = frozenset(destination.node_port for destination in known.destinations)
    return tuple(
        node_seen(node, _system(by_name.get(node.name, {}), pods.get(node.name)), said.get(node.name, {}), ports)
        for node in known.asked
    )


def node_seen(
    node: facts.Node, system: Mapping[str, str], said: Mapping[Program, Said], ports: frozenset[int]
) -> NodeSeen:
    """One node, from what its programs said. Pure."""
    rules, kernel = said.get(RULES, Said()), said.get(KERNEL, Said())
    policy, forwarded = texts.forward_policy(rules.text)
    now = texts.clock_s(kernel.text)
    iptables, bpf, unread = _translated(node, rules.text, said.get(NAT_MAP, Said()).text)
    troubles = [item for item in (*(answer.trouble for answer in said.values()), unread) if item]
    return NodeSeen(
        node=node,
        system=system,
        forward=policy,
        forwarded=forwarded,
        rp_filter=texts.rp_filters(kernel.text),
        skew_s=now - kernel.at if now is not None else None,
        skew_within_s=kernel.took_s,
        iptables=iptables & ports,
        bpf=bpf & ports,
        trouble="; ".join(troubles) if said else "no calico-node pod is running on it",
    )


def _translated(node: facts.Node, rules: str, nat_map: str) -> tuple[frozenset[int], frozenset[int], str]:
    """The NodePorts that kube-proxy's rules and Calico's map translate, or why that is not known."""
    try:
        bpf = bpf_dumps.node_ports(nat_map, node.address) if nat_map else frozenset[int]()
        return kube_proxy.reachable_node_ports(rules), bpf, ""
    except errors.ParseError as error:
        return frozenset(), frozenset(), str(error)


def _system(node: client.Object, pod: client.Object | None) -> Mapping[str, str]:
    info = node.get("status", {}).get("nodeInfo") or {}
    kinds = {"kernel": "kernelVersion", "operating system": "osImage", "kubelet": "kubeletVersion"}
    told = {kind: str(info[name]) for kind, name in kinds.items() if info.get(name)}
    images = [item["image"] for item in (pod or {}).get("spec", {}).get("containers") or ()]
    return {**told, **({"calico-node": images[0]} if images else {})}


def addressing(api: client.Client) -> Addressing:
    """Which addresses the cluster gives out; raises ApiError and ParseError."""
    return addressing_from(
        installation=api.get(inventory.INSTALLATION),
        service_cidrs=_optional(api, _SERVICE_CIDRS),
        services=api.items("/api/v1/services"),
        blocks=[item for path in _BLOCKS for item in _optional(api, path)],
        proxy=api.find(_CONFIG),
    )


def _optional(api: client.Client, path: str) -> Sequence[client.Object]:
    return (api.find(path) or {}).get("items") or ()


def addressing_from(
    *,
    installation: client.Object,
    service_cidrs: Iterable[client.Object],
    services: Iterable[client.Object],
    blocks: Iterable[client.Object],
    proxy: client.Object | None,
) -> Addressing:
    """From the objects that say it; raises ParseError. Pure."""
    network = (installation.get("spec") or {}).get("calicoNetwork") or {}
    said = [text for item in service_cidrs for text in item.get("spec", {}).get("cidrs") or ()]
    used = [item.get("spec", {}).get("clusterIP") for item in services]
    owned = [item["spec"] for item in blocks if str(item["spec"].get("deleted", "false")).lower() != "true"]
    return Addressing(
        pods=tuple(_network(pool["cidr"]) for pool in network.get("ipPools") or ()),
        services=tuple(_network(text) for text in said or used if text and text != "None"),
        blocks=tuple((_network(spec["cidr"]), str(spec["node"])) for spec in owned),
        local=cluster_cidrs(proxy) if proxy is not None else (),
    )


def cluster_cidrs(config: client.Object) -> tuple[Network, ...]:
    """What kube-proxy takes for pods by its ConfigMap; nothing if it goes by something else. Raises ParseError."""
    import yaml

    try:
        found: Any = yaml.safe_load((config.get("data") or {}).get("config.conf") or "") or {}
    except yaml.YAMLError as error:
        raise errors.ParseError(f"ConfigMap kube-system/kube-proxy: {error}") from error
    if not isinstance(found, dict) or found.get("detectLocalMode") not in ("", None, "ClusterCIDR"):
        return ()
    return tuple(_network(text.strip()) for text in str(found.get("clusterCIDR") or "").split(",") if text.strip())


def _network(text: Any) -> Network:  # noqa: ANN401 - whatever an object says, and an error if it is no CIDR
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise errors.ParseError(f"{text!r} is no CIDR") from error


def sockets_of(said: Answers, node: str) -> tuple[sockets.Socket, ...]:
    """A node's sockets, from what its programs said. Pure."""
    programs = said.get(node, {})
    return sockets.parse(programs.get(KERNEL, programs.get(SOCKETS, Said())).text)
