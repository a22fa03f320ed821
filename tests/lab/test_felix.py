"""felix on a real kernel: a node in a network namespace of the test's own, the recorded cluster's objects, no API."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.core import process, waiting
from harness.lab.felix import agent, cluster, flows, kube_proxy, links, node, overlay, workloads
from harness.lab.topology import kernel
from tests import recordings

NAME = "kind-worker"
POD_DEVICE = "cali0123456789a"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network namespace")


@pytest.fixture
def namespace() -> Iterator[None]:
    """A network namespace for the test's thread, with the two ends of a wire as eth0 and as its far end."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWNET)
    try:
        ip("link set lo up", "link add eth0 type veth peer name far", "link set far up", "link set eth0 up")
        ip("addr add 172.18.0.3/16 dev eth0", f"link add {POD_DEVICE} type veth peer name pod")
        yield
    finally:
        # The namespace ends with its last descriptor, and everything in it.
        kernel.setns(here, kernel.CLONE_NEWNET)
        os.close(here)


def ip(*lines: str) -> None:
    """Run commands of ``ip`` in the namespace."""
    process.run(["ip", "-batch", "-"], stdin="".join(f"{line}\n" for line in lines).encode())


@dataclass
class Objects:
    """The recorded objects, in place of the API's copy."""

    collections: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    synced: bool = True

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of a collection."""
        return self.collections[path]

    def wake(self) -> None:
        """Nobody waits."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Nothing changes by itself."""
        return timeout_s is None

    def ask_for(self, *, bpf: bool) -> None:
        """Change FelixConfiguration."""
        spec = {**self.collections[cluster.FELIX_CONFIGURATIONS][0]["spec"], "bpfEnabled": bpf}
        self.collections[cluster.FELIX_CONFIGURATIONS] = [{"metadata": {"name": "default"}, "spec": spec}]


class NoDataplane:
    """In place of the eBPF dataplane, which has tests of its own."""

    def unsupported(self) -> str:
        """Nothing is in the way."""
        return ""

    def prepare(self) -> None:
        """Do nothing."""

    def apply(self, state: cluster.Cluster, pods: tuple[workloads.Pod, ...]) -> None:
        """Do nothing."""

    def retire(self) -> tuple[flows.Flow, ...]:
        """Nothing is under way."""
        return ()

    def sweep(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


@dataclass
class PassingClock:
    """Time that passes when the test says so."""

    time: float = 0.0

    def now(self) -> float:
        """The time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Pass."""
        self.time += seconds


@dataclass
class Scene:
    """felix on the node of the test."""

    felix: agent.Agent
    objects: Objects
    node: node.Node
    clock: PassingClock

    def wanted(self, *, external: bool = False) -> overlay.Overlay:
        """The overlay that must be there."""
        want = overlay.wanted(NAME, cluster.cluster(self.objects.collections), external=external)
        assert want is not None
        return want


@pytest.fixture
def scene(namespace: None) -> Scene:
    """felix, before its first pass."""
    folder = recordings.path() / "api" / "iptables"
    names = ("nodes", "services", "endpointslices", "felixconfigurations", "ippools", "blockaffinities")
    items = [json.loads((folder / f"{name}.json").read_text())["items"] for name in names]
    objects, real, clock = Objects(dict(zip(cluster.COLLECTIONS, items, strict=True))), node.Node(), PassingClock()
    return Scene(agent.Agent(NAME, objects, real, NoDataplane(), clock=clock), objects, real, clock)


def setting(name: str) -> str:
    """A kernel setting in the test's namespace."""
    return (Path("/proc/sys") / name).read_text().strip()


def recorded_kube_proxy() -> str:
    """The rules of kube-proxy on the recorded node, as iptables-restore takes them on any kernel.

    Accounting (nfacct) is a module that not every kernel has, and none of these rules is about it.
    """
    text = (recordings.path() / "nodes" / "iptables" / NAME / "iptables-save.txt").read_text()
    kept = [
        re.sub(r" -m nfacct --nfacct-name  \S+", "", line).partition("] ")[2] if line[0] == "[" else line
        for line in text.splitlines()
        if line.startswith(("*", "COMMIT", ":KUBE-")) or re.match(r"\[\d+:\d+\] -A (KUBE-|.* -j KUBE-)", line)
    ]
    return "\n".join(kept) + "\n"


def test_first_pass_makes_the_overlay_and_the_second_leaves_it(scene: Scene) -> None:
    """What the kernel lists is what was wanted, device, routes and peers."""
    scene.felix.once()
    want = scene.wanted()
    assert scene.node.has_tunnel(want.tunnel)
    assert scene.node.paths() == want.paths
    assert scene.felix.health.ready
    before = scene.node.devices()
    scene.clock.sleep(cluster.Settings().refresh_s)
    scene.felix.once()
    assert scene.node.devices() == before


def test_node_that_left_is_no_longer_routed_to(scene: Scene) -> None:
    """Its block, its neighbour and its forwarding entry go."""
    scene.felix.once()
    scene.objects.collections[cluster.NODES] = scene.objects.items(cluster.NODES)[:2]
    scene.felix.once()
    assert len(scene.wanted().paths.neighbours) == 1
    assert scene.node.paths() == scene.wanted().paths


def test_deleted_tunnel_is_made_anew(scene: Scene) -> None:
    """The kernel's announcement wakes felix, which finds the device gone with all that led over it."""
    scene.felix.once()
    ip(f"link del {overlay.DEVICE}")
    assert scene.node.paths().routes < scene.wanted().paths.routes
    scene.felix.once()
    assert scene.node.paths() == scene.wanted().paths


def test_pod_devices_get_their_settings(scene: Scene) -> None:
    """A pod's default route leads to an address that only proxy ARP answers for."""
    scene.felix.once()
    assert setting(f"net/ipv4/conf/{POD_DEVICE}/proxy_arp") == "1"
    assert setting(f"net/ipv4/neigh/{POD_DEVICE}/proxy_delay") == "0"
    assert setting("net/ipv4/ip_forward") == "1"


def test_removed_masquerade_rule_comes_back_with_the_refresh(scene: Scene) -> None:
    """A rule that somebody deletes stays away until felix looks, and then everything is as before."""
    scene.felix.once()
    before = scene.node.tables()
    process.run(["iptables", "-t", "nat", "-F", "cali-nat-outgoing"])
    scene.felix.once()
    assert scene.node.tables() != before
    scene.clock.sleep(cluster.Settings().refresh_s)
    scene.felix.once()
    assert scene.node.tables() == before


def test_ebpf_mode_removes_kube_proxys_rules_from_the_kernel(scene: Scene) -> None:
    """The rules that the real kube-proxy wrote go, those that the real felix leaves stay, and felix's own remain."""
    scene.felix.once()
    scene.node.restore(recorded_kube_proxy())
    assert kube_proxy.in_force(scene.node.tables())
    scene.objects.ask_for(bpf=True)
    scene.felix.once()
    left = scene.node.tables()
    assert not kube_proxy.in_force(left)
    assert "KUBE-POSTROUTING" in left["nat"].chains
    assert "cali-nat-outgoing" in left["nat"].chains
    assert setting("net/ipv4/conf/all/rp_filter") == "0"


def test_way_back_restores_the_first_rules_and_the_device(scene: Scene) -> None:
    """A, B, A' of felix's own rules, and of the tunnel device with everything that leads over it."""
    scene.felix.once()
    first = scene.node.tables()
    for bpf in (True, False):
        scene.objects.ask_for(bpf=bpf)
        scene.felix.once()
        assert (scene.node.tables() == first) is not bpf
        assert scene.node.has_tunnel(scene.wanted(external=bpf).tunnel)
        assert scene.node.paths() == scene.wanted(external=bpf).paths


def test_pods_are_found_by_their_routes(scene: Scene) -> None:
    """A route of one address to a pod's device is a pod; blocks, blackholes and the node's own network are none."""
    scene.felix.once()
    ip(f"link set {POD_DEVICE} up", f"route add 10.244.162.129/32 dev {POD_DEVICE} scope link")
    assert scene.node.pods() == (workloads.Pod(POD_DEVICE, ipaddress.IPv4Address("10.244.162.129")),)


def test_devices_are_announced(namespace: None) -> None:
    """A pod's device that comes up is noticed at once, from the kernel's own announcement."""
    noticed = threading.Event()
    links.follow(noticed.set)
    ip("link add cali-new type veth peer name other")
    waiting.wait_until(lambda: noticed.wait(0.5), bool, what="the announcement", timeout_s=5.0, delay_s=0.0)


def test_marked_flow_of_datagrams_ends(scene: Scene) -> None:
    """An answer on a flow that was under way when eBPF mode ended is dropped where it leaves."""
    scene.felix.once()
    local = ipaddress.IPv4Address("127.0.0.1")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        for each in (server, client):
            each.bind((str(local), 0))
            each.settimeout(5)
        client.sendto(b"question", server.getsockname())
        _, peer = server.recvfrom(100)
        other = flows.Flow(local, 9, local, 9)
        scene.node.mark([other, flows.Flow(local, peer[1], local, server.getsockname()[1])])
        with pytest.raises(PermissionError):
            server.sendto(b"answer", peer)
