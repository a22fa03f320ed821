"""Each program on crafted packets (``BPF_PROG_TEST_RUN``), as kind-worker's: reading one is reading a packet's life."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.lab import services
from harness.lab.bpf import probing
from tests.lab.bpf import packets, running
from tests.lab.bpf.running import DROP, PASS, REDIRECT

CLIENT = ("172.18.0.5", 40000)
NODE = "172.18.0.3"
LOCAL_POD, REMOTE_POD = "10.244.162.135", "10.244.110.131"
LOCAL, REMOTE, EMPTY = 30200, 30400, 30300


def endpoint(ip: str, node: str) -> services.Endpoint:
    """A ready endpoint."""
    return services.Endpoint(ip=ip, port=8080, node=node, ready=True, serving=True, terminating=False)


def service(name: str, number: int, protocol: str, *endpoints: services.Endpoint) -> services.ServicePort:
    """A NodePort Service, its ClusterIP 10.96.1.NUMBER."""
    return services.ServicePort(
        namespace="test",
        name=name,
        port_name="",
        protocol=protocol,
        cluster_ip=f"10.96.1.{number}",
        port=80,
        node_port={1: LOCAL, 2: REMOTE, 3: EMPTY}[number],
        type="NodePort",
        external_ips=(),
        load_balancer_ips=(),
        load_balancer_source_ranges=(),
        affinity_s=None,
        external_policy="Cluster",
        internal_policy="Cluster",
        health_check_node_port=0,
        endpoints=endpoints,
    )


PORTS = tuple(
    item
    for protocol in ("TCP", "UDP")
    for item in (
        service("local", 1, protocol, endpoint(LOCAL_POD, "kind-worker")),
        service("remote", 2, protocol, endpoint(REMOTE_POD, "kind-worker2")),
        service("empty", 3, protocol),
    )
)


@pytest.fixture(scope="module")
def loaded(bpf: probing.Support, tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Bench]:
    """kind-worker's programs."""
    with running.bench(tmp_path_factory.mktemp("bench"), PORTS) as bench:
        yield bench


@pytest.fixture
def bench(loaded: running.Bench) -> running.Bench:
    """The programs with an empty connection table."""
    loaded.forget()
    return loaded


def right(frame: bytes) -> packets.Read:
    """Read a frame whose checksums must both be right."""
    seen = packets.read(frame)
    assert seen.header_right
    assert seen.checksum_right
    return seen


def test_local_backend_gets_the_packet_and_sees_the_client(bench: running.Bench) -> None:
    """Only the destination changes, and both checksums follow."""
    verdict, after = bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, LOCAL), data=b"odd"))
    seen = right(after)
    assert (verdict, seen.source, seen.destination) == (PASS, CLIENT, (LOCAL_POD, 8080))
    assert seen.payload[20:] == b"odd"


def test_its_reply_has_the_address_that_was_dialled(bench: running.Bench) -> None:
    """The reply leaves eth0 as from the node's port."""
    bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, LOCAL)))
    answer = packets.tcp_packet((LOCAL_POD, 8080), CLIENT, packets.SYN | packets.ACK)
    verdict, after = bench.run("sip_to_outside", answer)
    seen = right(after)
    assert (verdict, seen.source, seen.destination) == (PASS, (NODE, LOCAL), CLIENT)
    (connection,) = bench.connections()
    assert connection.state == "ESTABLISHED"


@pytest.mark.parametrize("checked", [True, False])
def test_datagrams_keep_a_right_checksum_or_none(bench: running.Bench, checked: bool) -> None:
    """A UDP checksum is updated; one that is absent stays absent (RFC 768)."""
    frame = packets.udp_packet(CLIENT, (NODE, LOCAL), checked=checked)
    _, after = bench.run("sip_from_outside", frame)
    seen = right(after)
    assert seen.destination == (LOCAL_POD, 8080)
    assert (seen.checksum != 0) is checked


def test_remote_backend_gets_the_packet_as_it_is(bench: running.Bench) -> None:
    """Nothing but the hop count changes before the packet is redirected into the tunnel."""
    verdict, after = bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, REMOTE)))
    seen = right(after)
    assert (verdict, seen.source, seen.destination, seen.ttl) == (REDIRECT, CLIENT, (NODE, REMOTE), 63)
    assert after[:12] == bytes(12)
    (connection,) = bench.connections()
    assert str(connection.forward.tunnel) == "172.18.0.4"
    assert (str(connection.forward.destination), connection.forward.destination_port) == (REMOTE_POD, 8080)


def test_packet_with_one_hop_left_is_not_sent_on(bench: running.Bench) -> None:
    """Two nodes that send to each other must not do so for ever."""
    segment = packets.tcp(CLIENT, (NODE, REMOTE), packets.SYN)
    frame = packets.ETHERNET + packets.ip(CLIENT[0], NODE, packets.TCP, segment, ttl=1)
    assert bench.run("sip_from_outside", frame)[0] == DROP


def test_packet_that_does_not_fit_the_tunnel_is_answered(bench: running.Bench) -> None:
    """The client learns the MTU (RFC 1191), in an error that cites its packet."""
    frame = packets.udp_packet(CLIENT, (NODE, REMOTE), bytes(1440))
    verdict, after = bench.run("sip_from_outside", frame)
    seen = right(after)
    assert (verdict, seen.source[0], seen.destination[0], seen.protocol) == (REDIRECT, NODE, CLIENT[0], packets.ICMP)
    assert seen.payload[:2] == bytes((3, 4))
    assert int.from_bytes(seen.payload[6:8], "big") == 1450
    assert seen.payload[8:] == frame[14 : 14 + 28]
    assert after[:12] == frame[6:12] + frame[:6]


def test_fragmentable_packet_goes_whole(bench: running.Bench) -> None:
    """Without the flag "don't fragment" the tunnel device may fragment the outer packet."""
    datagram = packets.udp(CLIENT, (NODE, REMOTE), bytes(1440))
    frame = packets.ETHERNET + packets.ip(CLIENT[0], NODE, packets.UDP, datagram, df=False)
    verdict, after = bench.run("sip_from_outside", frame)
    assert verdict == REDIRECT
    assert right(after).payload == datagram


def test_service_without_backend_is_left_to_the_stack(bench: running.Bench) -> None:
    """The node refuses as it does for any closed port."""
    frame = packets.tcp_packet(CLIENT, (NODE, EMPTY))
    assert bench.run("sip_from_outside", frame) == (PASS, frame)
    assert bench.connections() == []


@pytest.mark.parametrize(
    "frame",
    [
        packets.tcp_packet(CLIENT, (NODE, 22)),
        packets.tcp_packet(CLIENT, ("10.96.1.1", 80)),
        packets.tcp_packet(CLIENT, (NODE, LOCAL), packets.ACK),
        packets.tcp_packet(CLIENT, (NODE, LOCAL))[:40],
        packets.ETHERNET + packets.ip(CLIENT[0], NODE, 132, bytes(40)),
        packets.ETHERNET[:12] + bytes.fromhex("0806") + bytes(28),
        packets.ETHERNET[:12] + bytes.fromhex("86dd") + bytes(60),
        packets.ETHERNET + bytes((0x41,)) + bytes(40),
        packets.ETHERNET + packets.ip(CLIENT[0], NODE, packets.UDP, bytes(40), offset=1480, df=False),
    ],
    ids=[
        "no-frontend",
        "cluster-ip-from-outside",
        "middle-of-an-unknown-connection",
        "cut-in-the-tcp-header",
        "sctp",
        "arp",
        "ipv6",
        "bad-header-length",
        "later-fragment-of-nothing-known",
    ],
)
def test_anything_else_passes_unchanged(bench: running.Bench, frame: bytes) -> None:
    """What is no service's, or no packet that can be read, is the stack's."""
    for program in ("sip_from_outside", "sip_to_outside", "sip_to_pod", "sip_from_host"):
        assert bench.run(program, frame) == (PASS, frame)
    assert bench.connections() == []


def test_ip_options_are_stepped_over(bench: running.Bench) -> None:
    """The transport header is where the IP header says."""
    segment = packets.tcp(CLIENT, (NODE, LOCAL), packets.SYN)
    frame = packets.ETHERNET + packets.ip(CLIENT[0], NODE, packets.TCP, segment, options=bytes((1, 1, 1, 0)))
    assert right(bench.run("sip_from_outside", frame)[1]).destination == (LOCAL_POD, 8080)


def test_fragments_follow_the_first(bench: running.Bench) -> None:
    """A later fragment has no ports, and goes where the first one went with its payload untouched."""
    whole = packets.udp(CLIENT, (NODE, LOCAL), bytes(range(256)) * 4)
    first = packets.ETHERNET + packets.ip(CLIENT[0], NODE, packets.UDP, whole[:512], df=False, more=True)
    later = packets.ETHERNET + packets.ip(CLIENT[0], NODE, packets.UDP, whole[512:], df=False, offset=512)
    pieces = [bench.run("sip_from_outside", frame) for frame in (first, later)]
    assert [verdict for verdict, _ in pieces] == [PASS, PASS]
    payload = b"".join(packets.read(after).payload for _, after in pieces)
    assert all(packets.read(after).header_right for _, after in pieces)
    together = packets.ETHERNET + packets.ip(CLIENT[0], LOCAL_POD, packets.UDP, payload)
    assert right(together).destination == (LOCAL_POD, 8080)
    assert payload[8:] == whole[8:]


def test_error_about_a_reply_finds_the_client(bench: running.Bench) -> None:
    """A pod's "port unreachable" leaves as from the node, about the packet that the client knows."""
    bench.run("sip_from_outside", packets.udp_packet(CLIENT, (NODE, LOCAL)))
    about = packets.udp_packet(CLIENT, (LOCAL_POD, 8080))[14:][:28]
    verdict, after = bench.run("sip_to_outside", packets.unreachable(LOCAL_POD, CLIENT[0], about))
    seen = right(after)
    assert (verdict, seen.source[0], seen.destination[0]) == (PASS, NODE, CLIENT[0])
    inner = packets.read_ip(seen.payload[8:])
    assert (inner.source, inner.destination, inner.header_right) == (CLIENT, (NODE, LOCAL), True)


def test_error_from_a_router_keeps_its_source(bench: running.Bench) -> None:
    """Only addresses of the flow are translated."""
    bench.run("sip_from_outside", packets.udp_packet(CLIENT, (NODE, LOCAL)))
    about = packets.udp_packet((NODE, LOCAL), CLIENT)[14:][:28]
    _, after = bench.run("sip_from_outside", packets.unreachable("172.18.0.1", NODE, about))
    seen = right(after)
    assert (seen.source[0], seen.destination[0]) == ("172.18.0.1", LOCAL_POD)
    inner = packets.read_ip(seen.payload[8:])
    assert (inner.source, inner.destination) == ((LOCAL_POD, 8080), CLIENT)


def test_pod_reaches_a_cluster_ip_and_gets_it_back(bench: running.Bench) -> None:
    """The destination is translated at the pod's veth, and back when the answer comes in."""
    pod = ("10.244.162.134", 41000)
    verdict, after = bench.run("sip_from_pod", packets.udp_packet(pod, ("10.96.1.2", 80)))
    seen = right(after)
    assert (verdict, seen.source, seen.destination) == (PASS, pod, (REMOTE_POD, 8080))
    verdict, after = bench.run("sip_to_pod", packets.udp_packet((REMOTE_POD, 8080), pod))
    seen = right(after)
    assert (verdict, seen.source, seen.destination) == (PASS, ("10.96.1.2", 80), pod)


def test_pod_reaches_other_nodes_ports(bench: running.Bench) -> None:
    """Another node's address is no address of this one, but a NodePort all the same."""
    pod = ("10.244.162.134", 41000)
    _, after = bench.run("sip_from_pod", packets.udp_packet(pod, ("172.18.0.2", LOCAL)))
    assert right(after).destination == (LOCAL_POD, 8080)


def test_pod_that_gets_itself_sees_the_node(bench: running.Bench) -> None:
    """A hairpin has the node as its client, and the answer comes in by the pod's own veth."""
    pod = (LOCAL_POD, 41000)
    _, after = bench.run("sip_from_pod", packets.udp_packet(pod, ("10.96.1.1", 80)))
    seen = right(after)
    assert (seen.source, seen.destination) == ((NODE, 41000), (LOCAL_POD, 8080))
    _, after = bench.run("sip_from_pod", packets.udp_packet((LOCAL_POD, 8080), (NODE, 41000)))
    seen = right(after)
    assert (seen.source, seen.destination) == (("10.96.1.1", 80), pod)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_pod_is_refused_where_no_backend_is(bench: running.Bench, protocol: str) -> None:
    """A ClusterIP has no stack of its own: the program answers "port unreachable" for it."""
    pod, dialled = ("10.244.162.134", 41000), ("10.96.1.3", 80)
    frame = packets.tcp_packet(pod, dialled) if protocol == "TCP" else packets.udp_packet(pod, dialled)
    verdict, after = bench.run("sip_from_pod", frame)
    seen = right(after)
    assert (verdict, seen.source[0], seen.destination[0]) == (REDIRECT, "10.96.1.3", pod[0])
    assert seen.payload[:2] == bytes((3, 3))
    cited = 40 if protocol == "TCP" else 28
    assert seen.payload[8:] == frame[14 : 14 + cited]


def test_host_reaches_a_remote_pod_from_its_tunnel_address(bench: running.Bench) -> None:
    """What this host sends to a pod elsewhere has the source that routing would have given it."""
    verdict, after = bench.run("sip_to_outside", packets.udp_packet((NODE, 42000), ("10.96.1.2", 80)))
    seen = right(after)
    assert (verdict, seen.source, seen.destination) == (REDIRECT, ("10.244.162.128", 42000), (REMOTE_POD, 8080))
    answer = packets.udp_packet((REMOTE_POD, 8080), ("10.244.162.128", 42000))
    verdict, after = bench.run("sip_from_outside", answer)
    seen = right(after)
    assert (verdict, seen.source, seen.destination) == (PASS, ("10.96.1.2", 80), (NODE, 42000))


def test_host_reaches_a_local_pod_as_itself(bench: running.Bench) -> None:
    """A pod of this node sees the node."""
    verdict, after = bench.run("sip_to_outside", packets.udp_packet((NODE, 42000), ("172.18.0.2", LOCAL)))
    seen = right(after)
    assert (verdict, seen.source, seen.destination) == (REDIRECT, (NODE, 42000), (LOCAL_POD, 8080))
    # At the pod's veth, where the answer comes in, it is already for this host.
    _, after = bench.run("sip_from_pod", packets.udp_packet((LOCAL_POD, 8080), (NODE, 42000)))
    assert right(after).source == ("172.18.0.2", LOCAL)


def test_second_flow_with_the_same_source_gets_another_port(bench: running.Bench) -> None:
    """A client's one port, dialling two frontends of one backend, must not mix their answers."""
    pod = ("10.244.162.134", 41000)
    bench.run("sip_from_pod", packets.udp_packet(pod, ("10.96.1.1", 80)))
    _, after = bench.run("sip_from_pod", packets.udp_packet(pod, ("172.18.0.2", LOCAL)))
    seen = right(after)
    assert seen.source[0] == pod[0]
    assert 20000 <= seen.source[1] < 30000
    _, after = bench.run("sip_to_pod", packets.udp_packet((LOCAL_POD, 8080), seen.source))
    seen = right(after)
    assert (seen.source, seen.destination) == (("172.18.0.2", LOCAL), pod)


def test_new_connection_replaces_one_that_ended(bench: running.Bench) -> None:
    """A client may use its port again after FIN; the old translation is not the new one's."""
    bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, LOCAL)))
    bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, LOCAL), packets.FIN | packets.ACK))
    (before,) = bench.connections()
    bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, LOCAL)))
    (after,) = bench.connections()
    assert after.forward.created_ns > before.forward.created_ns
    assert after.towards == packets.SYN


def test_repeated_syn_keeps_its_connection(bench: running.Bench) -> None:
    """A retransmission must reach the backend that the first one reached."""
    bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, LOCAL)))
    (before,) = bench.connections()
    bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, LOCAL)))
    (after,) = bench.connections()
    assert after.forward.created_ns == before.forward.created_ns


def test_packet_that_did_not_come_by_the_tunnel_is_no_tunnel_traffic(bench: running.Bench) -> None:
    """Without the outer header's facts nothing is accepted on the tunnel device."""
    assert bench.run("sip_from_tunnel", packets.tcp_packet(CLIENT, (NODE, LOCAL)))[0] == DROP


def test_overlay_sends_to_known_blocks_only(bench: running.Bench) -> None:
    """The tunnel device sends what leads to another node's pods, and nothing else, ARP included."""
    to_pod = packets.udp_packet(("10.244.162.134", 1), (REMOTE_POD, 2))
    assert bench.run("sip_to_tunnel", to_pod) == (PASS, to_pod)
    assert bench.run("sip_to_tunnel", packets.udp_packet(("10.244.162.134", 1), ("10.9.9.9", 2)))[0] == DROP
    assert bench.run("sip_to_tunnel", packets.ETHERNET[:12] + bytes.fromhex("0806") + bytes(28))[0] == DROP


def test_answer_to_a_client_outside_is_marked_for_the_masquerade(bench: running.Bench) -> None:
    """The pod's reply carries the mark on its way through the stack, so no rule gives it another source."""
    bench.run("sip_from_outside", packets.tcp_packet(CLIENT, (NODE, LOCAL)))
    answer = packets.tcp_packet((LOCAL_POD, 8080), CLIENT, packets.SYN | packets.ACK)
    assert bench.mark("sip_from_pod", answer) == 0x3000000
    assert bench.mark("sip_from_pod", packets.tcp_packet((LOCAL_POD, 8080), ("192.0.2.1", 9))) == 0


def test_what_the_stack_sees_one_way_only_is_marked(bench: running.Bench) -> None:
    """A pod that gets itself, both ways; and this host's question to a pod, whose answer is the stack's own again."""
    pod, itself = (LOCAL_POD, 41000), ("10.96.1.1", 80)
    for _ in range(2):
        assert bench.mark("sip_from_pod", packets.udp_packet(pod, itself)) == 0x3500000
    assert bench.mark("sip_from_pod", packets.udp_packet((LOCAL_POD, 8080), (NODE, 41000))) == 0x3500000
    for _ in range(2):
        assert bench.mark("sip_to_outside", packets.udp_packet((NODE, 42000), itself)) == 0x3500000
    assert bench.mark("sip_from_pod", packets.udp_packet((LOCAL_POD, 8080), (NODE, 42000))) == 0
    assert bench.mark("sip_from_pod", packets.udp_packet(("10.244.162.134", 41000), itself)) == 0
