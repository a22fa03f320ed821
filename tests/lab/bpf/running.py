"""Programs and maps for ``BPF_PROG_TEST_RUN``: loaded as on a node, attached to nothing."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.lab import services
from harness.lab.bpf import contents, kernel, layouts, loading, sweeping, syncing
from tests.lab.bpf import namespaces, world

PASS, DROP, REDIRECT = 0, 2, 7
HOST_INDEX, TUNNEL_INDEX = 1, 1


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One node's programs and maps."""

    programs: dict[str, loading.Program]
    maps: syncing.Maps

    def run(self, name: str, frame: bytes) -> tuple[int, bytes]:
        """Run a program once: its verdict, and the frame after it."""
        verdict, after, _ = kernel.try_run(self.programs[name].fd, frame)
        return verdict, after

    def mark(self, name: str, frame: bytes) -> int:
        """Run a program once: the mark that the packet has after it."""
        return kernel.try_run(self.programs[name].fd, frame)[2]

    def connections(self) -> list[sweeping.Connection]:
        """The connection table."""
        entries = self.maps.conntrack.items().items()
        return list(
            sweeping.connections({layouts.Tuple.unpack(key): layouts.Flow.unpack(value) for key, value in entries})
        )

    def forget(self) -> None:
        """Empty the connection table."""
        for key in self.maps.conntrack.items():
            self.maps.conntrack.drop(key)


def bench_cluster(ports: tuple[services.ServicePort, ...]) -> contents.Cluster:
    """The cluster as kind-worker sees it, its pods all behind lo, the one device there is."""
    seen = world.cluster("kind-worker", ports)
    pods = tuple(contents.LocalPod(ip=pod.ip, ifname="lo") for pod in seen.local_pods)
    return contents.Cluster(ports=ports, nodes=seen.nodes, local_pods=pods, pools=seen.pools)


@contextlib.contextmanager
def bench(folder: Path, ports: tuple[services.ServicePort, ...]) -> Iterator[Bench]:
    """kind-worker's programs and maps, gone afterwards."""
    with namespaces.private_mounts(), contextlib.ExitStack() as stack:
        (folder / "bpf").mkdir()
        namespaces.mount("bpf", str(folder / "bpf"))
        pins = folder / "bpf" / "maps"
        pins.mkdir()
        programs = {program.name: program for name in loading.NAMES for program in loading.load(name, pins)}
        for program in programs.values():
            stack.callback(program.close)
        maps = syncing.open_maps(pins)
        stack.callback(maps.close)
        wanted = contents.desired(contents.Settings(), bench_cluster(ports), "kind-worker")
        syncing.write_routes(maps.routes, wanted)
        syncing.write_services(maps, wanted)
        maps.settings.put(bytes(4), settings().pack())
        yield Bench(programs=programs, maps=maps)


def settings() -> layouts.SettingsValue:
    """What kind-worker's programs know of their node."""
    return layouts.SettingsValue(
        host_address=ipaddress.IPv4Address("172.18.0.3"),
        tunnel_address=ipaddress.IPv4Address("10.244.162.128"),
        host_ifindex=HOST_INDEX,
        tunnel_ifindex=TUNNEL_INDEX,
        flags=layouts.SETTING_CONNECT_TCP,
        overlay_vni=4096,
        tunnel_mtu=1450,
        host_mac=bytes.fromhex("024200000003"),
    )
