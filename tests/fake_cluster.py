"""A hand-made cluster behind the harness's own seams: its API, its proof and its probe, and nothing of a network.

What a backend sees is written down here a second time, plainly, so that a test of the walk does not lean on the
oracle that the walk is judged by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlparse

from harness.checks import scene
from harness.core import errors, timeouts
from harness.dataplane import proof
from harness.kube import client
from harness.model import cells, facts, words
from harness.probing import client as probing
from harness.probing import clients
from harness.witness import application
from tests import builders

PORTS = {30180: "Cluster", 30181: "Local"}
SERVICES = (("customer", "Cluster", 30180), ("customer-local", "Local", 30181), ("customer-internal", "Cluster", 0))
IPTABLES_SEES = {
    ("kind-control-plane", "Cluster"): "10.244.82.0",
    ("kind-worker", "Cluster"): "172.18.0.3",
    ("kind-worker2", "Cluster"): "10.244.110.128",
    ("kind-worker", "Local"): "172.18.0.5",
}
BPF_SEES = dict.fromkeys(IPTABLES_SEES, "172.18.0.5")


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        """The time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.time += seconds


class Api(client.Client):
    """The API of a three-node cluster with customer on kind-worker; it refuses every path that it does not know."""

    def __init__(self, *, declared: str = "Iptables", lag: int = 0) -> None:
        self.declared = declared
        self.in_force = declared
        self.lag = lag
        self.log: list[str] = []
        self.summary_log: list[str] = []
        self.summary_sees = str(builders.CUSTOMER.address)
        self.patches: list[str] = []
        self.lost = False
        self.on_samples: dict[str, Callable[[], None]] = {}
        self.stuck: dict[str, str] = {}
        self.status: client.Object | None = None
        self.agents = [[agent(node) for node in builders.NODES]]
        self.sees: dict[str, dict[tuple[str, str], str]] = {"Iptables": dict(IPTABLES_SEES), "BPF": dict(BPF_SEES)}

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """The objects that the harness reads."""
        self._answer_or_fail(path)
        parsed = urlparse(path).path
        known: dict[str, Callable[[], client.Object]] = {
            "/api/v1/nodes": self._nodes,
            "/api/v1/pods": lambda: _list([_pod(builders.CUSTOMER), _pod(builders.SUMMARY)]),
            "/api/v1/namespaces/yaobank-customer/pods": lambda: _list([_pod(builders.CUSTOMER)]),
            "/api/v1/namespaces/yaobank-summary/pods": lambda: _list([_pod(builders.SUMMARY)]),
            "/api/v1/namespaces/calico-system/pods": self._agents,
            "/api/v1/services": lambda: _list(_service(*item) for item in SERVICES),
            "/apis/discovery.k8s.io/v1/endpointslices": lambda: _list(_slice(name) for name, _, _ in SERVICES),
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes": lambda: {
                "endpoints": [{"addresses": ["172.18.0.2"]}],
                "ports": [{"port": 6443}],
            },
            "/apis/operator.tigera.io/v1/installations/default": self._installation,
            "/apis/operator.tigera.io/v1/tigerastatuses/calico": lambda: self.status or _missing("tigerastatuses"),
        }
        found = known.get(parsed)
        if found is None:
            raise errors.ApiError(404, "NotFound", f"{path} {params}")
        return found()

    def raw(self, path: str, params: client.Params = ()) -> bytes:
        """customer's log, and summary's."""
        self._answer_or_fail(path)
        kept = {
            "/api/v1/namespaces/yaobank-customer/pods/customer-1/log": self.log,
            "/api/v1/namespaces/yaobank-summary/pods/summary-1/log": self.summary_log,
        }.get(path)
        if kept is None:
            raise errors.ApiError(404, "NotFound", path)
        return "".join(f"{line}\n" for line in kept).encode()

    def _answer_or_fail(self, path: str) -> None:
        if self.lost:
            raise errors.ApiError(0, "Unreachable", f"{path}: connection refused")

    def apply(self, obj: Mapping[str, Any]) -> client.Object:
        """Take the ConfigMap."""
        assert obj["kind"] == "ConfigMap"
        return dict(obj)

    def patch(self, path: str, body: Mapping[str, Any], kind: str = client.MERGE) -> client.Object:
        """Take a switch."""
        network = body["spec"].get("calicoNetwork")
        if network is not None:
            self.declared = network["linuxDataplane"]
            self.patches.append(self.declared)
        return {}

    def _agents(self) -> client.Object:
        """The calico-node pods, state by state; the last one stays."""
        return _list(self.agents.pop(0) if len(self.agents) > 1 else self.agents[0])

    def _nodes(self) -> client.Object:
        # Facts are read once a look, and a switch takes ``lag`` looks.
        if self.in_force != self.declared:
            self.lag -= 1
            self.in_force = self.declared if self.lag < 0 else self.in_force
        return _list(_node(node) for node in builders.NODES)

    def mode(self, node: str) -> str:
        """What is in force on a node."""
        return self.stuck.get(node, self.in_force)

    def _installation(self) -> client.Object:
        pools = [{"cidr": "10.244.0.0/16", "encapsulation": "VXLAN"}]
        return {
            "metadata": {"generation": 1 + len(self.patches)},
            "spec": {"calicoNetwork": {"linuxDataplane": self.declared, "ipPools": pools}},
        }


def _missing(what: str) -> client.Object:
    raise errors.ApiError(404, "NotFound", what)


class Probe(probing.Session):
    """A client that gets what the fake cluster's mode makes of it, and writes customer's log."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.status = 200

    def dial(self, wanted: probing.Dial) -> dict[str, cells.Reply]:
        """All samples of one path."""
        entry = next(node for node in builders.NODES if node.address == wanted.address)
        mode = self._api.mode(entry.name)
        # A look that awaits a switch takes one sample; a phase takes more.
        if len(wanted.tokens) > 1:
            self._api.on_samples.pop(mode, lambda: None)()
        saw = self._api.sees[mode].get((entry.name, PORTS[wanted.port]))
        if saw is None:
            how = words.Silence.TIMEOUT if mode == "Iptables" else words.Silence.REFUSED
            return dict.fromkeys(wanted.tokens, cells.Reply(status=None, silence=how, error=how.value))
        for token in wanted.tokens:
            self._api.log.append(f'{saw} - - [23/Nov/2026 05:29:13] "GET /?probe={token} HTTP/1.1" {self.status} -')
            asker = self._api.summary_sees
            self._api.summary_log.append(f'{asker} - - [23/Nov/2026 05:29:13] "GET /519940 HTTP/1.1" 200 -')
        reply = cells.Reply(
            status=self.status, silence=None, local=(builders.CLIENT, 4242), peer=(wanted.address, wanted.port)
        )
        return dict.fromkeys(wanted.tokens, reply)

    def dial_many(self, wanted: Sequence[probing.Dial]) -> list[dict[str, cells.Reply]]:
        """One path after the other."""
        return [self.dial(dial) for dial in wanted]


def observe(api: client.Client, known: facts.Facts) -> tuple[proof.InForce, ...]:
    """What the fake cluster's nodes have in force."""
    assert isinstance(api, Api)
    asked = frozenset(destination.node_port for destination in known.destinations if destination.node_port)
    none: frozenset[int] = frozenset()
    return tuple(
        proof.InForce(
            node=node.name,
            iptables=asked if api.mode(node.name) == "Iptables" else none,
            bpf=asked if api.mode(node.name) == "BPF" else none,
            asked=asked,
        )
        for node in known.nodes
    )


def place(api: Api, probe: Probe | None = None) -> scene.Scene:
    """The scene of a fake cluster."""
    return scene.Scene(
        api=api,
        probe=probe or Probe(api),
        who=facts.Client(kind=words.ClientKind.EXTERNAL, address=builders.CLIENT),
        witnesses=(application.Application(api=api),),
        clients=clients.Clients(clients.nobody),
        patience=dataclasses.replace(timeouts.DEFAULT, switch_s=5.0),
    )


def _list(items: Sequence[client.Object] | Any) -> client.Object:  # noqa: ANN401 - any iterable of objects
    return {"items": list(items)}


def _node(node: facts.Node) -> client.Object:
    return {
        "metadata": {"name": node.name, "annotations": {"projectcalico.org/IPv4VXLANTunnelAddr": str(node.tunnel)}},
        "status": {"addresses": [{"type": "InternalIP", "address": str(node.address)}]},
    }


def agent(node: facts.Node, *, revision: str = "1", ready: bool = True) -> client.Object:
    """A node's calico-node pod."""
    return {
        "metadata": {"name": f"calico-node-{node.name}", "labels": {"controller-revision-hash": revision}},
        "spec": {"nodeName": node.name},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def _pod(pod: facts.Pod) -> client.Object:
    return {
        "metadata": {"namespace": pod.namespace, "name": pod.name},
        "spec": {"nodeName": pod.node, "containers": [{"name": "app"}]},
        "status": {"podIP": str(pod.address), "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _service(name: str, policy: str, node_port: int) -> client.Object:
    port = {"name": "http", "port": 80, **({"nodePort": node_port} if node_port else {})}
    spec = {"clusterIP": "10.96.64.51", "externalTrafficPolicy": policy, "ports": [port]}
    return {"metadata": {"namespace": "yaobank-customer", "name": name}, "spec": spec}


def _slice(service: str) -> client.Object:
    endpoint = {"addresses": ["10.244.162.134"], "conditions": {"ready": True}, "targetRef": {"name": "customer-1"}}
    labels = {"kubernetes.io/service-name": service}
    return {
        "metadata": {"namespace": "yaobank-customer", "name": f"{service}-1", "labels": labels},
        "endpoints": [endpoint],
        "ports": [{"name": "http", "port": 80}],
    }


def tokens_in(log: Sequence[str]) -> list[str]:
    """The tokens of a log's lines, in its order."""
    return [parse_qs(urlparse(line.split()[6]).query)["probe"][0] for line in log]
