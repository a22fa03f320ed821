"""All that a node can show of the dataplane that forwards on it, collected once from its own kernel and agent."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from harness.core import errors
from harness.dataplane import agents, bpf_dumps, felix_log, kube_proxy, node_state, proof
from harness.kube import client, conditions
from harness.model import facts

_KUBE_PROXY_PODS = "/api/v1/namespaces/kube-system/pods"
_KUBE_PROXY = {"labelSelector": "k8s-app=kube-proxy"}
# The image has neither curl nor wget (node/clean-up-filesystem.sh of the release lists what it keeps): its bash opens
# the connection. The answer's last line is the body.
MODE = (
    "bash",
    "-c",
    'exec 3<>/dev/tcp/127.0.0.1/10249 && printf "GET /proxyMode HTTP/1.0\\r\\n\\r\\n" >&3 && exec cat <&3',
)
_CGROUP = "/run/calico/cgroup"
_MODES = frozenset({"iptables", "ipvs", "nftables"})
_WORKERS = 16
QUESTIONS = ("rules", "nat", "ifstate", "devices", "settings", "cgroup", "mode", "log", "conntrack")
"""What a node can be asked."""

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One connection of a probe, so that its own entry can be looked for."""

    source: tuple[facts.Address, int]
    dialled: tuple[facts.Address, int]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one node showed. None stands for what could not be asked, which ``silent`` explains.

    Attributes:
        node: The node's name.
        asked: The NodePorts in question.
        packets: By port, how many packets have met its reachable rule in ``KUBE-NODEPORTS``.
        service_chains: kube-proxy's chains for Services that a packet can meet.
        bpf: Which of the ports the NAT map translates on the node's own address.
        programs: The devices that have programs, each with its flags.
        devices: The node's devices.
        connect: The programs of connect-time load balancing in the nodes' cgroup.
        kube_proxy: Whether a kube-proxy pod runs there.
        proxy_mode: What that kube-proxy says is its mode; empty if none answers.
        settings: The kernel's settings, by ``DEVICE.NAME``.
        felix: What its Felix says of itself.
        connection: Whether the BPF connection map has the probe's own entry; None without a probe.
        trouble: Why the node could not be asked at all; empty if it could.
        silent: What could not be asked, and why.
    """

    node: str
    asked: frozenset[int]
    packets: Mapping[int, int] | None = None
    service_chains: frozenset[str] | None = None
    bpf: frozenset[int] | None = None
    programs: Mapping[str, frozenset[str]] | None = None
    devices: node_state.Devices | None = None
    connect: frozenset[str] | None = None
    kube_proxy: bool | None = None
    proxy_mode: str | None = None
    settings: Mapping[str, int] = field(default_factory=dict)
    felix: felix_log.Felix | None = None
    connection: bool | None = None
    trouble: str = ""
    silent: Mapping[str, str] = field(default_factory=dict)

    @property
    def iptables(self) -> frozenset[int]:
        """Which of the ports kube-proxy's rules translate."""
        return frozenset(self.packets or ()) & self.asked


def collect(
    api: client.Client,
    known: facts.Facts,
    *,
    only: Container[str] = QUESTIONS,
    probes: Mapping[str, Probe] | None = None,
) -> tuple[Evidence, ...]:
    """Ask every node that takes part everything, side by side; what can't be asked says so in the node's own entry.

    Args:
        api: The cluster's API.
        known: Its nodes, and the Services whose NodePorts are in question.
        only: Which of ``QUESTIONS`` to ask.
        probes: By the node that was dialled, a connection of a probe to look for.

    Raises:
        ApiError: The API would not even list the pods.
    """
    pods = agents.by_node(api)
    proxies = {item["spec"].get("nodeName") for item in _running_kube_proxies(api)}
    ports = proof.asked_ports(known)
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        asked = [
            _Questions(api=api, node=node, pod=pods[node.name], probe=(probes or {}).get(node.name)).ask(pool, only)
            if node.name in pods
            else None
            for node in known.asked
        ]
        return tuple(
            read(
                node,
                ports,
                {what: _answer(future) for what, future in answers.items()},
                kube_proxy_runs=node.name in proxies,
                probe=(probes or {}).get(node.name),
            )
            if answers is not None
            else Evidence(node=node.name, asked=ports, trouble=proof.NO_POD)
            for node, answers in zip(known.asked, asked, strict=True)
        )


def _running_kube_proxies(api: client.Client) -> list[client.Object]:
    return [item for item in api.items(_KUBE_PROXY_PODS, _KUBE_PROXY) if conditions.pod_is_running(item)]


Answer = str | errors.HarnessError


@dataclass(frozen=True, kw_only=True)
class _Questions:
    """One exec a question, since the image has no shell that could be relied on to ask several."""

    api: client.Client
    node: facts.Node
    pod: str
    probe: Probe | None

    def ask(self, pool: concurrent.futures.Executor, only: Container[str]) -> dict[str, concurrent.futures.Future[str]]:
        api, pod = self.api, self.pod
        sysctls = [f"/proc/sys/net/ipv4/conf/{name.replace('.', '/')}" for name in node_state.FRESH]
        asked: dict[str, Callable[[], str]] = {
            "rules": lambda: agents.nat_rules(api, pod),
            "nat": lambda: agents.dump(api, pod, "nat", "dump"),
            "ifstate": lambda: agents.dump(api, pod, "ifstate", "dump"),
            "devices": lambda: agents.run(api, pod, ("ip", "-d", "-j", "addr", "show")),
            "settings": lambda: agents.run(api, pod, ("grep", "-H", "", *sysctls)),
            "cgroup": lambda: agents.run(api, pod, ("bpftool", "cgroup", "show", _CGROUP)),
            "mode": lambda: agents.run(api, pod, MODE),
            "log": lambda: agents.log(api, pod),
        }
        if self.probe is not None:
            asked["conntrack"] = lambda: agents.dump(api, pod, "conntrack", "dump")
        return {what: pool.submit(question) for what, question in asked.items() if what in only}


def _answer(future: concurrent.futures.Future[str]) -> Answer:
    try:
        return future.result()
    except errors.HarnessError as error:
        return error


def read(
    node: facts.Node,
    ports: frozenset[int],
    answers: Mapping[str, Answer],
    *,
    kube_proxy_runs: bool | None = None,
    probe: Probe | None = None,
) -> Evidence:
    """Evidence from what a node answered, by question. Pure; a text that can't be read is one that was not given."""
    reader = _Reader(answers)
    return Evidence(
        node=node.name,
        asked=ports,
        packets=reader.of("rules", kube_proxy.node_port_packets),
        service_chains=reader.of("rules", kube_proxy.reachable_service_chains),
        bpf=reader.of("nat", lambda text: bpf_dumps.node_ports(text, node.address) & ports),
        programs=reader.of("ifstate", bpf_dumps.interfaces),
        devices=reader.of("devices", lambda text: node_state.devices(text, node.address)),
        connect=reader.of("cgroup", node_state.connect_programs),
        kube_proxy=kube_proxy_runs,
        proxy_mode=reader.of("mode", _mode),
        settings=reader.of("settings", node_state.settings) or {},
        felix=reader.of("log", felix_log.read),
        connection=reader.of("conntrack", lambda text: _has(text, probe)) if probe else None,
        silent=reader.silent,
    )


class _Reader:
    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers
        self.silent: dict[str, str] = {}

    def of(self, what: str, parse: Callable[[str], Value]) -> Value | None:
        answer = self._answers.get(what)
        if answer is None:
            return None
        try:
            if isinstance(answer, errors.HarnessError):
                raise answer
            return parse(answer)
        except errors.HarnessError as error:
            self.silent[what] = str(error)
            return None


def _mode(text: str) -> str:
    said = text.split()[-1:]
    return said[0] if said and said[0] in _MODES else ""


def _has(text: str, probe: Probe) -> bool:
    return bpf_dumps.has_connection(text, probe.source, probe.dialled)
