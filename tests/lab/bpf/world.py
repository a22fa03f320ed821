"""A small cluster of bare namespaces for the eBPF dataplane: client, three nodes, pods with real sockets.

It has the recorded cluster's addresses, so that recorded cells can be played again and recorded answers compared
as they are. Nothing of the lab but ``harness.lab.bpf`` is in it; what felix would do with ``ip`` and ``iptables``
is done by hand.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.core import cleanup, process
from harness.lab import services
from harness.lab.bpf import dataplane
from harness.lab.felix import rules
from tests import recordings
from tests.lab.bpf import namespaces

CLIENT, GATEWAY = "172.18.0.5", "172.18.0.1"
NODES = {
    "kind-control-plane": ("172.18.0.2", "10.244.82.0/26"),
    "kind-worker": ("172.18.0.3", "10.244.162.128/26"),
    "kind-worker2": ("172.18.0.4", "10.244.110.128/26"),
}
PODS = {
    "pod-cp": ("kind-control-plane", "10.244.82.1"),
    "self-customer": ("kind-worker", "10.244.162.134"),
    "self-echo": ("kind-worker", "10.244.162.135"),
    "pod-w1": ("kind-worker", "10.244.162.136"),
    "pod-w2": ("kind-worker2", "10.244.110.131"),
}
HOSTS = {"host-cp": "kind-control-plane", "host-w1": "kind-worker", "host-w2": "kind-worker2"}
POD_MTU = 1450
ECHO, CUSTOMER, HOST_ECHO = ("10.244.162.135", 8080), ("10.244.162.134", 80), ("172.18.0.3", 8080)
SERVERS = (("self-echo", *ECHO), ("self-customer", *CUSTOMER), ("kind-worker", *HOST_ECHO))


def nodes() -> tuple[dataplane.Node, ...]:
    """The nodes as the dataplane wants them."""
    return tuple(
        dataplane.Node(
            name=name,
            address=ipaddress.IPv4Address(address),
            tunnel_address=ipaddress.IPv4Network(block).network_address,
            blocks=(ipaddress.IPv4Network(block),),
        )
        for name, (address, block) in NODES.items()
    )


def recorded_ports(phase: str = "ebpf") -> tuple[services.ServicePort, ...]:
    """The recorded cluster's Services."""
    folder = recordings.path() / "api" / phase
    items = [json.loads((folder / f"{kind}.json").read_text())["items"] for kind in ("services", "endpointslices")]
    return services.service_ports(*items)


def interface(pod: str) -> str:
    """The host's end of a pod's veth."""
    return f"cali{list(PODS).index(pod):011x}"


def cluster(node: str, ports: tuple[services.ServicePort, ...]) -> dataplane.Cluster:
    """The cluster as that node sees it."""
    return dataplane.Cluster(
        ports=ports,
        nodes=nodes(),
        local_pods=tuple(
            dataplane.LocalPod(ip=ipaddress.IPv4Address(ip), ifname=interface(pod))
            for pod, (where, ip) in PODS.items()
            if where == node
        ),
        pools=(dataplane.Pool(cidr=ipaddress.IPv4Network("10.244.0.0/16")),),
    )


@dataclass
class World:
    """The namespaces, the dataplanes and the servers in them."""

    folder: Path
    cgroups: Path
    spaces: dict[str, namespaces.Namespace] = field(default_factory=dict)
    planes: dict[str, dataplane.Dataplane] = field(default_factory=dict)
    ports: tuple[services.ServicePort, ...] = ()

    def ip(self, where: str, *commands: str) -> None:
        """Run commands of ``ip`` in a namespace."""
        with self.spaces[where].inside():
            process.run(["ip", "-batch", "-"], stdin=("\n".join(commands) + "\n").encode())

    def apply(self, settings: dataplane.Settings) -> None:
        """Make every node's dataplane serve the Services by these settings."""
        for name, plane in self.planes.items():
            with self.spaces[name].inside():
                plane.apply(settings, cluster(name, self.ports))

    def node_of(self, who: str) -> str | None:
        """The node on which a client's processes are; None for one outside."""
        return HOSTS.get(who) or (PODS[who][0] if who in PODS else None)

    @contextlib.contextmanager
    def as_client(self, who: str) -> Iterator[None]:
        """Make sockets as that client would: in its namespace, and in its node's cgroup."""
        node = self.node_of(who)
        space = self.spaces[HOSTS.get(who, who)]
        before = _own_cgroup(self.cgroups)
        try:
            if node is not None:
                (_group(self, node) / "cgroup.procs").write_text(str(os.getpid()))
            with space.inside():
                yield
        finally:
            (before / "cgroup.procs").write_text(str(os.getpid()))


def _group(world: World, node: str) -> Path:
    # Two worlds may stand side by side, and cgroups know no namespaces.
    return world.cgroups / f"sourceip-test-{os.getpid()}-{world.folder.name}-{node}"


def _own_cgroup(root: Path) -> Path:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return root / line[4:]
    raise FileNotFoundError("no cgroup of version 2")


@contextlib.contextmanager
def built(folder: Path, *, attach: dataplane.Attach = "auto") -> Iterator[World]:
    """Build the cluster, without any service yet, and take it down."""
    with cleanup.CleanupStack() as undo, namespaces.private_mounts():
        for kind in ("bpf", "cgroup2"):
            (folder / kind).mkdir()
            namespaces.mount(kind, str(folder / kind))
        world = World(folder=folder, cgroups=folder / "cgroup2", ports=recorded_ports())
        try:
            _lan(world)
            for name in NODES:
                _node(world, name)
            for pod in PODS:
                _pod(world, pod)
            for name in NODES:
                _plane(world, name, attach)
            yield world
        finally:
            _take_down(world, undo)


def _take_down(world: World, undo: cleanup.CleanupStack) -> None:
    for space in world.spaces.values():
        undo.push("namespace", space.close)
    for name, plane in world.planes.items():
        with world.spaces[name].inside():
            plane.stop()
    for name in NODES:
        group = _group(world, name)
        if group.is_dir():
            group.rmdir()


def _lan(world: World) -> None:
    world.spaces["gateway"] = namespaces.Namespace()
    world.ip(
        "gateway",
        "link set lo up",
        "link add br0 type bridge",
        f"addr add {GATEWAY}/16 dev br0",
        "link set br0 up",
    )
    _host(world, "external", CLIENT)


def _host(world: World, name: str, address: str) -> None:
    """A host on the bridge."""
    world.spaces[name] = namespaces.Namespace()
    world.ip(
        "gateway",
        f"link add p{len(world.spaces)} type veth peer name eth0 netns {world.spaces[name].path}",
        f"link set p{len(world.spaces)} master br0 up",
    )
    world.ip(
        name,
        "link set lo up",
        f"addr add {address}/16 dev eth0",
        "link set eth0 up",
        f"route add default via {GATEWAY}",
    )


def _node(world: World, name: str) -> None:
    _host(world, name, NODES[name][0])
    _group(world, name).mkdir()
    pool = "10.244.0.0/16"
    with world.spaces[name].inside():
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
        outgoing = ["-A", "POSTROUTING", "-s", pool, "!", "-d", pool, "-j", "MASQUERADE", "--random-fully"]
        process.run(["iptables", "-w", "-t", "nat", *outgoing])
        untracked = ["-A", "PREROUTING", "-m", "mark", "--mark", rules.UNTRACKED_MARK, "-j", "NOTRACK"]
        process.run(["iptables", "-w", "-t", "raw", *untracked])


def _pod(world: World, pod: str) -> None:
    node, address = PODS[pod]
    world.spaces[pod] = namespaces.Namespace()
    name = interface(pod)
    world.ip(
        node,
        f"link add {name} address ee:ee:ee:ee:ee:ee type veth peer name eth0 netns {world.spaces[pod].path}",
        f"link set {name} mtu {POD_MTU} up",
        f"route add {address} dev {name} scope link",
    )
    with world.spaces[node].inside():
        Path(f"/proc/sys/net/ipv4/conf/{name}/proxy_arp").write_text("1\n")
        Path(f"/proc/sys/net/ipv4/neigh/{name}/proxy_delay").write_text("0\n")
    world.ip(
        pod,
        "link set lo up",
        f"link set eth0 mtu {POD_MTU} up",
        f"addr add {address}/32 dev eth0",
        "route add 169.254.1.1 dev eth0 scope link",
        "route add default via 169.254.1.1",
    )


def _plane(world: World, name: str, attach: dataplane.Attach) -> None:
    world.planes[name] = dataplane.Dataplane(
        name,
        bpffs=world.folder / "bpf" / name,
        cgroup=_group(world, name),
        attach=attach,
    )


@contextlib.contextmanager
def served(place: World, listening: Iterable[tuple[str, str, int]]) -> Iterator[None]:
    """Echo servers at (namespace, address, port)."""
    with contextlib.ExitStack() as stack:
        for space, address, port in listening:
            stack.callback(Server(place.spaces[space], address, port).close)
        yield


def take_over(place: World, node: str, *, attach: dataplane.Attach = "auto") -> None:
    """Let another dataplane object own the node's, as a new process would."""
    _plane(place, node, attach)


class Server:
    """An echo server: it answers with the address it sees and as many octets as it is asked for.

    A question is a line with that number; over TCP a second number says how many octets follow the line.
    """

    def __init__(self, space: namespaces.Namespace, address: str, port: int) -> None:
        self._name = address
        with space.inside():
            self._tcp = socket.create_server((address, port), backlog=64)
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.bind((address, port))
        self._threads = [
            threading.Thread(target=self._until_closed, args=(step,), daemon=True)
            for step in (self._accept, self._echo)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End it."""
        for kept in (self._tcp, self._udp):
            with contextlib.suppress(OSError):
                kept.shutdown(socket.SHUT_RDWR)
            kept.close()
        for thread in self._threads:
            thread.join(5)

    def _until_closed(self, step: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            while True:
                step()

    def _accept(self) -> None:
        connection, peer = self._tcp.accept()
        threading.Thread(target=self._answer, args=(connection, peer), daemon=True).start()

    def _answer(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            question = connection.makefile("rb")
            octets, _, follow = question.readline().partition(b" ")
            if octets and len(question.read(int(follow or 0))) == int(follow or 0):
                connection.sendall(f"{peer[0]} {self._name}\n".encode() + b"x" * int(octets))

    def _echo(self) -> None:
        data, peer = self._udp.recvfrom(65535)
        if not data:
            raise OSError("closed")
        self._udp.sendto(f"{peer[0]} {self._name}\n".encode() + b"x" * int(data.split()[0]), peer)
