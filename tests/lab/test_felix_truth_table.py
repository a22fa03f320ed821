"""Every recorded cell, played again with real sockets while felix and kube-proxy run the nodes: A, B and A again.

The nodes are namespaces without anything but addresses and pods; what leads, masquerades and translates is the work of
the two agents, from the recorded cluster's own objects.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.core import process
from harness.lab import services
from harness.lab.bpf import dataplane, probing
from harness.lab.felix import agent, cluster, ebpf, flows, node, workloads
from harness.lab.proxy import kernel as proxy_kernel
from harness.lab.proxy import options, render
from tests import recordings
from tests.lab.bpf import test_truth_table, world

Cell = test_truth_table.Cell
CLIENTS = ("external", "gateway", *world.PODS, *world.HOSTS)


@dataclass
class Objects:
    """The recorded objects in place of the API's copy."""

    collections: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    synced: bool = True

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of a collection."""
        return self.collections[path]

    def wait(self, timeout_s: float | None = None) -> bool:
        """Nothing changes by itself."""
        return timeout_s is None

    def wake(self) -> None:
        """Nobody waits."""

    def ask_for(self, *, bpf: bool) -> None:
        """Change FelixConfiguration."""
        spec = {**self.collections[cluster.FELIX_CONFIGURATIONS][0]["spec"], "bpfEnabled": bpf}
        self.collections[cluster.FELIX_CONFIGURATIONS] = [{"metadata": {"name": "default"}, "spec": spec}]


@dataclass(frozen=True)
class Plane:
    """A node's eBPF dataplane, which the world owns and takes down."""

    inner: dataplane.Dataplane

    def unsupported(self) -> str:
        """It has been tried."""
        return ""

    def prepare(self) -> None:
        """Load it."""
        self.inner.prepare()

    def apply(self, state: cluster.Cluster, pods: tuple[workloads.Pod, ...]) -> None:
        """Make it agree."""
        self.inner.apply(ebpf.settings(state.settings), ebpf.view(state, pods))

    def retire(self) -> tuple[flows.Flow, ...]:
        """Nothing is under way between two tests."""
        return ()

    def sweep(self) -> None:
        """Forget what has expired."""
        self.inner.sweep()

    def stop(self) -> None:
        """Detach it."""
        self.inner.stop()


@dataclass
class Stage:
    """The world, with felix and kube-proxy at work on every node."""

    place: world.World
    objects: Objects
    felixes: dict[str, agent.Agent]

    def settle(self, *, bpf: bool) -> None:
        """Let the agents bring about a dataplane on every node; kube-proxy does not run in eBPF mode."""
        self.objects.ask_for(bpf=bpf)
        for name, felix in self.felixes.items():
            with self.place.spaces[name].inside():
                felix.once()
                if not bpf:
                    self._write_kube_proxys_rules(name)
            assert felix.health.ready, felix.health

    def _write_kube_proxys_rules(self, name: str) -> None:
        item = next(item for item in self.objects.items(cluster.NODES) if item["metadata"]["name"] == name)
        ports = services.service_ports(self.objects.items(cluster.SERVICES), self.objects.items(cluster.SLICES))
        hands = proxy_kernel.Kernel()
        config = options.Options(counters=hands.counters())
        hands.apply(render.ruleset(ports, options.node_from_object(item), config))
        hands.settle()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The recorded cluster's nodes, pods and servers, before any agent has done anything."""
    if os.geteuid() != 0 or not probing.probe().supported:
        pytest.skip("needs root and eBPF")
    folder = recordings.path() / "api" / "iptables"
    names = ("nodes", "services", "endpointslices", "felixconfigurations", "ippools", "blockaffinities")
    items = [json.loads((folder / f"{name}.json").read_text())["items"] for name in names]
    objects = Objects(dict(zip(cluster.COLLECTIONS, items, strict=True)))
    with world.built(tmp_path_factory.mktemp("world")) as place, world.served(place, world.SERVERS):
        for name in world.NODES:
            with place.spaces[name].inside():
                # The world masquerades by hand; here that is felix's work.
                process.run(["iptables", "-t", "nat", "-F", "POSTROUTING"])
        felixes = {name: agent.Agent(name, objects, node.Node(), Plane(place.planes[name])) for name in world.NODES}
        yield Stage(place, objects, felixes)


def differences(place: world.World, phase: str, client: str) -> list[tuple[Cell, str]]:
    """The cells of a client in which something else is seen than was recorded."""
    mine = [cell for cell in test_truth_table.cells(phase) if cell.client == client and not cell.is_a_quirk]
    assert mine
    answers = [(cell, test_truth_table.played(place, cell)) for cell in mine]
    return [(cell, seen) for cell, seen in answers if seen not in cell.seen]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("phase", ["iptables", "ebpf", "reverted"])
def test_client_is_seen_as_recorded(stage: Stage, phase: str, client: str) -> None:
    """Through every node, to every service, by every protocol, the backend sees what the recorded one saw."""
    stage.settle(bpf=phase == "ebpf")
    # After the way back the recorded cells equal those before, and those before are the more complete ones.
    assert differences(stage.place, "ebpf" if phase == "ebpf" else "iptables", client) == []
