"""What the truth table does not show: large transfers, refusals, errors, affinity, reloads, removal; real sockets."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.core import process
from harness.lab import services
from harness.lab.bpf import attaching, dataplane, dumping, kernel, layouts, probing
from tests.lab.bpf import dialling, world

NODES = {name: address for name, (address, _) in world.NODES.items()}
ENTRY, BACKEND_NODE, OTHER = NODES.values()
ECHO, HOST_ECHO = 30200, 30202
NONE, TWO, STICKY, CLOSED, HERE = 30300, 30301, 30302, 30303, 30304
ON_WORKER, ON_WORKER2 = "10.244.162.135", "10.244.110.131"
MEGABYTE = 1_000_000
TUNNEL, DSR = dataplane.Settings(), dataplane.Settings(external_service_mode="DSR")
AT_PACKETS = dataplane.Settings(connect_time="Disabled")


def endpoint(ip: str, node: str, port: int = 8080) -> services.Endpoint:
    """A ready endpoint."""
    return services.Endpoint(ip=ip, port=port, node=node, ready=True, serving=True, terminating=False)


TWO_ENDPOINTS = (endpoint(ON_WORKER, "kind-worker"), endpoint(ON_WORKER2, "kind-worker2"))


def extra_ports() -> Iterator[services.ServicePort]:
    """Services that the recorded cluster did not have."""
    model = next(port for port in world.recorded_ports() if port.node_port == ECHO and port.protocol == "TCP")
    for protocol in ("TCP", "UDP"):
        for port, endpoints in ((NONE, ()), (TWO, TWO_ENDPOINTS), (STICKY, TWO_ENDPOINTS), (HERE, TWO_ENDPOINTS)):
            yield replace(
                model,
                name=f"extra{port}",
                protocol=protocol,
                node_port=port,
                cluster_ip=f"10.96.9.{port - 30299}",
                endpoints=endpoints,
                affinity_s=10800 if port == STICKY else None,
                internal_policy="Local" if port == HERE else "Cluster",
            )
        closed = (endpoint(ON_WORKER, "kind-worker", 9),)
        yield replace(
            model, name="closed", protocol=protocol, node_port=CLOSED, cluster_ip="10.96.9.9", endpoints=closed
        )


@pytest.fixture(scope="module")
def place(bpf: probing.Support, tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.World]:
    """The cluster with further Services and a second backend on kind-worker2."""
    servers = (*world.SERVERS, ("pod-w2", ON_WORKER2, 8080))
    with world.built(tmp_path_factory.mktemp("world")) as built, world.served(built, servers):
        built.ports = (*built.ports, *extra_ports())
        built.apply(TUNNEL)
        yield built


@pytest.fixture(params=[TUNNEL, DSR], ids=["tunnel", "dsr"])
def both_ways_back(place: world.World, request: pytest.FixtureRequest) -> world.World:
    """The cluster with either way back from a remote backend."""
    place.apply(request.param)
    return place


@pytest.mark.parametrize("port", [ECHO, HOST_ECHO], ids=["pod", "host-network"])
@pytest.mark.parametrize("entry", NODES.values(), ids=NODES)
def test_a_megabyte_passes_either_way(both_ways_back: world.World, entry: str, port: int) -> None:
    """The tunnel's overhead breaks neither a large answer nor a large question."""
    seen = dialling.dial(both_ways_back, "external", entry, port, "TCP", octets=MEGABYTE, upload=MEGABYTE)
    assert seen == world.CLIENT


@pytest.mark.parametrize("who", ["external", "pod-cp", "pod-w1", "host-w2"])
def test_fragmented_datagrams_pass(both_ways_back: world.World, who: str) -> None:
    """A datagram of many fragments arrives whole, both ways, by every node."""
    # To its own address a host sends it unfragmented, for the MTU of lo, and is told the tunnel's instead.
    for entry in set(NODES.values()) - {NODES.get(world.HOSTS.get(who, ""))}:
        for port in (ECHO, HOST_ECHO):
            seen = dialling.dial(both_ways_back, who, entry, port, "UDP", octets=20_000, upload=20_000)
            assert ipaddress.ip_address(seen)


@pytest.mark.parametrize("who", ["pod-cp", "pod-w1", "host-cp", "host-w1"])
def test_a_megabyte_passes_inside(place: world.World, who: str) -> None:
    """Pods and hosts reach their services with large transfers, translated at connect and on the wire."""
    for settings in (TUNNEL, AT_PACKETS):
        place.apply(settings)
        for entry in NODES.values():
            seen = dialling.dial(place, who, entry, ECHO, "TCP", octets=MEGABYTE, upload=MEGABYTE)
            assert ipaddress.ip_address(seen)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("who", ["external", "pod-cp", "pod-w1", "host-cp", "host-w1"])
def test_service_without_backend_refuses(place: world.World, who: str, protocol: str) -> None:
    """No backend means no waiting: by NodePort, and by ClusterIP where that is an address at all."""
    for settings in (TUNNEL, AT_PACKETS):
        place.apply(settings)
        dialled = [(entry, NONE) for entry in NODES.values()]
        dialled += [] if who == "external" else [("10.96.9.1", 8080)]
        answers = {dialling.dial(place, who, *service, protocol) for service in dialled}
        assert answers == {dialling.REFUSED}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("who", ["external", "pod-cp", "pod-w1", "host-cp", "host-w1"])
def test_a_backends_refusal_reaches_the_client(both_ways_back: world.World, who: str, protocol: str) -> None:
    """A reset, or the ICMP error about a datagram, finds its way back through every translation."""
    answers = {dialling.dial(both_ways_back, who, entry, CLOSED, protocol) for entry in NODES.values()}
    assert answers == {dialling.REFUSED}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_backends_are_all_used(place: world.World, protocol: str) -> None:
    """Without affinity each of two backends gets its share of many connections."""
    place.apply(TUNNEL)
    servers = {dialling.ask(place, "external", ENTRY, TWO, protocol)[1] for _ in range(40)}
    assert servers == {ON_WORKER, ON_WORKER2}


@pytest.mark.parametrize("settings", [TUNNEL, AT_PACKETS], ids=["connect", "packets"])
@pytest.mark.parametrize("who", ["external", "pod-cp", "host-cp"])
def test_affinity_keeps_a_client_at_its_backend(place: world.World, who: str, settings: dataplane.Settings) -> None:
    """With session affinity one client always gets one backend, whichever service changes besides."""
    place.apply(settings)
    for protocol in ("TCP", "UDP"):
        servers = {dialling.ask(place, who, ENTRY, STICKY, protocol)[1] for _ in range(12)}
        assert len(servers) == 1


def test_internal_policy_local_stays_on_the_node(place: world.World) -> None:
    """A client inside gets its own node's backend, and is refused where there is none."""
    place.apply(TUNNEL)
    service = ("10.96.9.5", 8080)
    assert {dialling.ask(place, "pod-w1", *service, "UDP")[1] for _ in range(8)} == {ON_WORKER}
    assert {dialling.ask(place, "host-w2", *service, "TCP")[1] for _ in range(8)} == {ON_WORKER2}
    assert dialling.dial(place, "pod-cp", *service, "TCP") == dialling.REFUSED


def test_datagrams_are_translated_at_the_socket_when_asked(place: world.World) -> None:
    """With connect-time load balancing "Enabled" even a pod's datagrams to itself carry its own address."""
    place.apply(dataplane.Settings(connect_time="Enabled"))
    for protocol in ("UDP", "UDP-unconnected"):
        assert dialling.dial(place, "self-echo", "10.96.65.100", 8080, protocol) == ON_WORKER
    place.apply(TUNNEL)
    assert dialling.dial(place, "self-echo", "10.96.65.100", 8080, "UDP") == BACKEND_NODE


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_one_source_port_to_every_node(both_ways_back: world.World, protocol: str) -> None:
    """The same client port dialling three nodes for one backend gets three answers, and is seen each time."""
    for entry in NODES.values():
        seen = dialling.dial(both_ways_back, "external", entry, ECHO, protocol, source_port=23456)
        assert (entry, seen) == (entry, world.CLIENT)


@pytest.mark.parametrize("who", ["pod-cp", "pod-w1", "host-cp", "host-w1"])
def test_source_port_of_an_ended_connection_serves_a_direct_one(place: world.World, who: str) -> None:
    """A client that used a service may dial its backend from the same port: the answer has the backend's address."""
    place.apply(AT_PACKETS)
    for service in (("10.96.65.100", 8080), (OTHER, ECHO)):
        by_service = dialling.dial(place, who, *service, "TCP", source_port=24567)
        directly = dialling.dial(place, who, ON_WORKER, 8080, "TCP", source_port=24567)
        assert ipaddress.ip_address(directly) == ipaddress.ip_address(by_service)


@pytest.mark.parametrize("entry", NODES.values(), ids=NODES)
def test_connection_survives_a_restart_of_its_owner(place: world.World, entry: str) -> None:
    """A new process takes over programs and connections; what is open stays open."""
    place.apply(TUNNEL)
    with place.as_client("external"):
        held = socket.create_connection((entry, ECHO), timeout=dialling.ANSWERED_S)
    with held:
        for name in world.NODES:
            world.take_over(place, name)
        place.apply(TUNNEL)
        held.sendall(b"5\n")
        answer = held.makefile("rb").read()
    assert answer.split()[0].decode() == world.CLIENT


def test_interface_that_is_made_anew_is_served(place: world.World) -> None:
    """A pod's interface that comes back by the same name gets programs of its own."""
    place.apply(TUNNEL)
    name = "cali0000000009"
    for _ in range(2):
        place.ip("kind-worker2", f"link add {name} type veth peer name other0")
        place.apply(TUNNEL)
        folder = place.folder / "bpf" / "kind-worker2"
        links, filters = attaching.Tcx(folder / dataplane.LINKS), attaching.Clsact(folder / dataplane.FILTERS)
        with place.spaces["kind-worker2"].inside():
            assert name in links.attached() | filters.attached()
        place.ip("kind-worker2", f"link del {name}")
    place.apply(TUNNEL)
    assert name not in dumping_of(place, "kind-worker2", "ifstate")


def test_sweep_forgets_what_has_expired(place: world.World) -> None:
    """A connection without packets for its time goes, in both directions; a fresh one stays."""
    place.apply(TUNNEL)
    assert dialling.dial(place, "external", BACKEND_NODE, ECHO, "UDP") == world.CLIENT
    table = kernel.Map.at(place.folder / "bpf" / "kind-worker" / dataplane.MAPS / "sip_conntrack")
    with contextlib.closing(table):
        old = layouts.Tuple(
            ipaddress.IPv4Address("192.0.2.1"), ipaddress.IPv4Address(BACKEND_NODE), 1, ECHO, layouts.PROTOCOLS["UDP"]
        )
        fresh = next(iter(table.items().values()))
        flow = replace(layouts.Flow.unpack(fresh), seen_ns=0, kind=layouts.FORWARD)
        table.put(old.pack(), flow.pack())
        before = len(table.items())
        place.planes["kind-worker"].sweep()
        assert table.get(old.pack()) is None
        assert len(table.items()) == before - 1


def test_dumps_show_a_connection_through_the_tunnel(place: world.World) -> None:
    """The entry node and the backend's node each name the other, as the recorded tables do."""
    place.apply(TUNNEL)
    assert dialling.dial(place, "external", ENTRY, ECHO, "TCP", source_port=23999) == world.CLIENT
    between = f"TCP {world.CLIENT}:23999 -> {ENTRY}:{ECHO} -> {ON_WORKER}:8080 external client, service forwarded"
    assert f"{between} to/from {BACKEND_NODE}  Active ago " in dumping_of(place, "kind-control-plane", "conntrack")
    assert f"{between} to/from {ENTRY}  Active ago " in dumping_of(place, "kind-worker", "conntrack")
    for node in ("kind-control-plane", "kind-worker"):
        (line,) = [line for line in dumping_of(place, node, "conntrack").splitlines() if ":23999 -> " in line]
        assert line.endswith(" CLOSED")


def test_wire_has_the_untranslated_packet_in_the_reserved_network(place: world.World) -> None:
    """Between the nodes the client's packet is as it was sent, in VXLAN with VNI 0xca11c0; with DSR one way only."""
    for settings, ways in ((TUNNEL, {(ENTRY, BACKEND_NODE), (BACKEND_NODE, ENTRY)}), (DSR, {(ENTRY, BACKEND_NODE)})):
        place.apply(settings)
        with place.spaces["kind-control-plane"].inside():
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            tap.bind(("eth0", 0))
        with tap:
            tap.settimeout(0)
            assert dialling.dial(place, "external", ENTRY, ECHO, "TCP", source_port=23888) == world.CLIENT
            seen = {packet for frame in frames(tap) if (packet := service_packet(frame)) is not None}
        assert {(outer_source, outer_destination) for outer_source, outer_destination, *_ in seen} == ways
        assert {tuple(sorted(inner)) for *_, inner in seen} == {tuple(sorted((world.CLIENT, ENTRY)))}


def frames(tap: socket.socket) -> Iterator[bytes]:
    """What has arrived at a packet socket."""
    with contextlib.suppress(BlockingIOError):
        while True:
            yield tap.recv(65535)


def service_packet(frame: bytes) -> tuple[str, str, tuple[str, str]] | None:
    """The outer addresses, and the inner ones, of service traffic between nodes; None for anything else."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or struct.unpack_from("!H", frame, 36)[0] != 4789:
        return None
    if int.from_bytes(frame[46:49], "big") != layouts.VNI_SERVICE:
        return None
    outer = tuple(socket.inet_ntoa(frame[at : at + 4]) for at in (26, 30))
    inner = tuple(socket.inet_ntoa(frame[at : at + 4]) for at in (76, 80))
    return outer[0], outer[1], (inner[0], inner[1])


def dumping_of(place: world.World, node: str, what: str) -> str:
    """One dump of a node."""
    dump = {"ifstate": dumping.ifstate_dump, "conntrack": dumping.conntrack_dump}[what]
    with place.spaces[node].inside():
        return dump(place.folder / "bpf" / node)


SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17


def checksum_in_software(space: str, ifname: str, place: world.World) -> None:
    """Make a device's sender compute checksums, so that its receiver checks them."""
    with place.spaces[space].inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        value = bytearray(struct.pack("=II", ETHTOOL_STXCSUM, 0))
        pointer = (struct.pack("=16s", ifname.encode())) + struct.pack("=Q", _address_of(value))
        fcntl.ioctl(door, SIOCETHTOOL, pointer.ljust(40, b"\0"))


def _address_of(value: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(value)).from_buffer(value))


SENDERS = [(space, "eth0") for space in ("external", *world.PODS)]
FORWARDERS = [
    *((node, "eth0") for node in world.NODES),
    *((node, world.interface(pod)) for pod, (node, _) in world.PODS.items()),
]


@pytest.mark.parametrize("devices", [SENDERS, FORWARDERS], ids=["before-translation", "after-translation"])
def test_checksums_hold_where_nobody_vouches_for_them(
    bpf: probing.Support, tmp_path_factory: pytest.TempPathFactory, devices: list[tuple[str, str]]
) -> None:
    """With checksums made in software, before the programs or after them, each receiver verifies the result."""
    folder = tmp_path_factory.mktemp("checksums")
    with world.built(folder) as place, world.served(place, world.SERVERS):
        for space, ifname in devices:
            checksum_in_software(space, ifname, place)
        for settings in (TUNNEL, DSR, AT_PACKETS):
            place.apply(settings)
            for who in ("external", "pod-cp", "pod-w1", "host-cp"):
                for protocol in ("TCP", "UDP"):
                    seen = {dialling.dial(place, who, entry, ECHO, protocol, octets=3000) for entry in NODES.values()}
                    assert all(ipaddress.ip_address(address) for address in seen)


def test_clsact_serves_alike(bpf: probing.Support, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where a kernel has no TCX the filters of clsact do the same, and are gone after the end."""
    folder = tmp_path_factory.mktemp("clsact")
    with world.built(folder, attach="clsact") as place, world.served(place, world.SERVERS):
        place.apply(TUNNEL)
        place.apply(TUNNEL)
        for entry in NODES.values():
            for protocol in ("TCP", "UDP"):
                assert dialling.dial(place, "external", entry, ECHO, protocol) == world.CLIENT
        with place.spaces["kind-worker"].inside():
            assert b"direct-action" in process.run(["tc", "filter", "show", "dev", "eth0", "ingress"]).stdout
            place.planes["kind-worker"].stop()
            assert process.run(["tc", "qdisc", "show", "dev", "eth0"]).text.count("clsact") == 0


def test_the_way_to_attach_may_change(bpf: probing.Support, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A process that attaches otherwise than the one before leaves nothing of that one's behind."""
    if not bpf.tcx:
        pytest.skip("this kernel has one way only")
    ways: list[tuple[dataplane.Attach, bool]] = [("clsact", True), ("tcx", False), ("clsact", True)]
    with world.built(tmp_path_factory.mktemp("ways")) as place, world.served(place, world.SERVERS):
        for attach, filters in ways:
            for name in world.NODES:
                world.take_over(place, name, attach=attach)
            place.apply(TUNNEL)
            assert dialling.dial(place, "external", ENTRY, ECHO, "TCP") == world.CLIENT
            with place.spaces["kind-worker"].inside():
                assert (b"clsact" in process.run(["tc", "qdisc", "show", "dev", "eth0"]).stdout) is filters
            folders = [place.folder / "bpf" / "kind-worker" / name for name in (dataplane.LINKS, dataplane.FILTERS)]
            assert [bool(list(folder.iterdir())) for folder in folders] == [not filters, filters]


def test_preparing_touches_no_packet(bpf: probing.Support, tmp_path_factory: pytest.TempPathFactory) -> None:
    """After it everything is loaded and nothing attached, and it can be taken back."""
    with world.built(tmp_path_factory.mktemp("prepare")) as place:
        plane = place.planes["kind-worker"]
        with place.spaces["kind-worker"].inside():
            plane.prepare()
            folder = place.folder / "bpf" / "kind-worker"
            assert list((folder / dataplane.LINKS).iterdir()) == []
            assert {path.name for path in (folder / dataplane.MAPS).iterdir()} >= {"sip_conntrack", "sip_frontends"}
            plane.stop()
            assert list(folder.iterdir()) == []


def test_stop_leaves_nothing(bpf: probing.Support, tmp_path_factory: pytest.TempPathFactory) -> None:
    """After the end there is no pin, no device and no program, and a new beginning works."""
    with world.built(tmp_path_factory.mktemp("stop")) as place, world.served(place, world.SERVERS):
        for _ in range(2):
            place.apply(TUNNEL)
            assert dialling.dial(place, "external", ENTRY, ECHO, "TCP") == world.CLIENT
            for name in world.NODES:
                world.take_over(place, name)
                with place.spaces[name].inside():
                    place.planes[name].stop()
                    assert list((place.folder / "bpf" / name).iterdir()) == []
                    assert b"vxlan.calico" not in process.run(["ip", "link", "show"]).stdout
            assert dialling.dial(place, "external", ENTRY, ECHO, "TCP") == dialling.REFUSED
