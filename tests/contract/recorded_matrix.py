"""The recorded matrix in the model's words: facts from a recording's header, a path from each of its cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from harness.model import facts, paths, words
from tests import recordings

Json = dict[str, Any]

SETTINGS: dict[str, tuple[words.Dataplane, words.ConnectTime, bool]] = {
    "iptables": (words.Dataplane.IPTABLES, words.ConnectTime.TCP, False),
    "nftables": (words.Dataplane.NFTABLES, words.ConnectTime.TCP, False),
    "reverted": (words.Dataplane.IPTABLES, words.ConnectTime.TCP, False),
    "ebpf": (words.Dataplane.BPF, words.ConnectTime.TCP, False),
    "ebpf-noctlb": (words.Dataplane.BPF, words.ConnectTime.DISABLED, False),
    "ebpf-dsr": (words.Dataplane.BPF, words.ConnectTime.TCP, True),
}

NODES = {"cp": "kind-control-plane", "w1": "kind-worker", "w2": "kind-worker2"}
TARGETS = {"clusterip": words.Target.CLUSTER_IP, "podip": words.Target.POD_ADDRESS}
SILENCES = {
    "TimeoutError": words.Silence.TIMEOUT,
    "ConnectionRefusedError": words.Silence.REFUSED,
    "ConnectionResetError": words.Silence.RESET,
}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recorded matrix."""

    name: str
    matrix: Json

    @property
    def dataplane(self) -> words.Dataplane:
        """What was in force."""
        return SETTINGS[self.name][0]

    @property
    def cells(self) -> list[Json]:
        """Every recorded cell."""
        found: list[Json] = self.matrix["cells"]
        return found

    def known(self) -> facts.Facts:
        """The recorded cluster."""
        _, connect_time, dsr = SETTINGS[self.name]
        return facts.Facts(
            nodes=tuple(self._node(name) for name in self.matrix["nodes"]),
            destinations=(),
            client=self.client("external"),
            overlay="VXLAN",
            other_pods=self._other_pods(),
            gateway=ip_address(self.matrix["gateway"]),
            connect_time=connect_time,
            dsr=dsr,
        )

    def path(self, cell: Json, known: facts.Facts) -> paths.Path:
        """What that cell dialled, and who did."""
        entry = None if cell["via"] in TARGETS else known.node(cell["via"])
        return paths.Path(client=self.client(cell["client"]), entry=entry, destination=self.destination(cell))

    def client(self, name: str) -> facts.Client:
        """The client that the recording calls so."""
        if name in ("external", "gateway"):
            header = self.matrix["client" if name == "external" else "gateway"]
            return facts.Client(kind=words.ClientKind(name), address=ip_address(header))
        kind, _, where = name.partition("-")
        if kind == "self":
            pod = self.backend(where)
            return facts.Client(
                kind=words.ClientKind.POD, address=pod.address, node=pod.node, pod=f"{pod.namespace}/{pod.name}"
            )
        node = NODES[where]
        address = self.matrix["nodes"][node] if kind == "host" else self._address_of(f"pod:{name}")
        return facts.Client(kind=words.ClientKind(kind), address=ip_address(address), node=node, pod=f"recorded/{name}")

    def destination(self, cell: Json) -> facts.Destination:
        """What that cell dialled."""
        service = cell["service"]
        target = TARGETS.get(cell["via"], words.Target.NODE_PORT)
        address, _, port = cell["dial"].rpartition(":")
        return facts.Destination(
            namespace="recorded",
            service=service,
            node_port=int(port) if target is words.Target.NODE_PORT else 0,
            policy=words.Policy.LOCAL if service.endswith("-local") else words.Policy.CLUSTER,
            protocol=words.Protocol(cell["protocol"]),
            cluster_ip=ip_address(address) if target is words.Target.CLUSTER_IP else None,
            backends=(self.backend(service.removesuffix("-local")),),
            target=target,
        )

    def backend(self, name: str) -> facts.Pod:
        """The one pod behind a recorded Service."""
        found = self.matrix["backend"][name]
        return facts.Pod(
            namespace="recorded",
            name=name,
            address=ip_address(found["ip"]),
            node=found["node"],
            host_network=name == "echohost",
        )

    def owner(self, address: str) -> str:
        """Whom the recording names as an address's owner."""
        [found] = self.matrix["owner"][address]
        return str(found)

    def _node(self, name: str) -> facts.Node:
        return facts.Node(
            name=name,
            address=ip_address(self.matrix["nodes"][name]),
            tunnel=ip_address(self._address_of(f"tunnel:{name}")),
        )

    def _other_pods(self) -> tuple[facts.Pod, ...]:
        named = [(owner, address) for address, [owner] in self.matrix["owner"].items() if owner.startswith("pod:")]
        return tuple(
            facts.Pod(namespace="recorded", name=owner.removeprefix("pod:"), address=ip_address(address), node="")
            for owner, address in named
        )

    def _address_of(self, owner: str) -> str:
        [address] = [address for address, [name] in self.matrix["owner"].items() if name == owner]
        return str(address)


def load(name: str) -> Recording:
    """One recording by its file's name."""
    return Recording(name=name, matrix=json.loads((recordings.path() / "matrix" / f"{name}.json").read_text()))
