"""Which UDP flows must not go on."""

from __future__ import annotations

import socket
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lab import services
from harness.lab.proxy import flows, netlink
from tests.unit.lab.proxy import objects

DNS = [{"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053}]


def flow(destination: str, answered_by: str) -> flows.Flow:
    """A flow with these two ends."""
    return flows.Flow(destination=destination, answered_by=answered_by)


def served(*endpoints: objects.Object) -> flows.Served:
    """What a UDP Service with a node port serves."""
    found = objects.endpoint_slice(*endpoints, ports=[{"name": "dns", "port": 5353, "protocol": "UDP"}])
    item = objects.node_port(ports=DNS, externalIPs=["198.51.100.1"])
    return flows.served(services.service_ports([item], [found]))


def test_only_serving_endpoints_keep_their_flows() -> None:
    """A terminating endpoint that serves keeps its flows; one that does not loses them."""
    found = served(
        objects.endpoint("10.0.0.1"),
        objects.endpoint("10.0.0.2", ready=False, serving=True, terminating=True),
        objects.endpoint("10.0.0.3", ready=False, serving=False, terminating=True),
    )
    backends = frozenset({"10.0.0.1:5353", "10.0.0.2:5353"})
    assert found.addresses == {"10.96.0.10:53": backends, "198.51.100.1:53": backends}
    assert found.node_ports == {30053: backends}


def test_tcp_services_are_not_looked_at() -> None:
    """A TCP Service puts nothing into what is served."""
    assert flows.served(services.service_ports([objects.service()], [])) == flows.Served()


def test_a_flow_to_an_endpoint_that_is_gone_is_suspect() -> None:
    """By ClusterIP, external address and node port; flows to others are none of it."""
    allowed = served(objects.endpoint("10.0.0.1"))
    good = [flow("10.96.0.10:53", "10.0.0.1:5353"), flow("172.18.0.2:30053", "10.0.0.1:5353")]
    bad = [
        flow("10.96.0.10:53", "10.0.0.9:5353"),
        flow("10.96.0.10:53", "10.96.0.10:53"),
        flow("198.51.100.1:53", "10.0.0.9:5353"),
        flow("172.18.0.2:30053", "10.0.0.9:5353"),
    ]
    others = [flow("8.8.8.8:53", "8.8.8.8:53"), flow("10.96.0.11:53", "10.0.0.9:5353")]
    assert list(flows.suspects([*good, *bad, *others], allowed)) == bad


def test_a_service_that_is_gone_keeps_no_flow() -> None:
    """What was served before and is no more may end nowhere."""
    before = served(objects.endpoint("10.0.0.1"))
    allowed = flows.Served().without(before)
    old = [flow("10.96.0.10:53", "10.0.0.1:5353"), flow("172.18.0.2:30053", "10.0.0.1:5353")]
    assert list(flows.suspects(old, allowed)) == old
    assert served().without(before) == served()


def entry(protocol: int, destination: str, port: int, answered_by: str, from_port: int) -> bytes:
    """One entry of the connection table as the kernel sends it."""

    def one(kind: int, source: str, target: str, source_port: int, target_port: int) -> bytes:
        addresses = netlink.attribute(1, socket.inet_aton(source)) + netlink.attribute(2, socket.inet_aton(target))
        ports = b"".join(
            netlink.attribute(number, data)
            for number, data in (
                (1, bytes([protocol])),
                (2, struct.pack("!H", source_port)),
                (3, struct.pack("!H", target_port)),
            )
        )
        return netlink.attribute(0x8000 | kind, netlink.attribute(0x8001, addresses) + netlink.attribute(0x8002, ports))

    return one(1, "192.0.2.1", destination, 1024, port) + one(2, answered_by, "192.0.2.1", from_port, 1024)


def test_a_udp_entry_is_read() -> None:
    """Its destination, who answers, and the part that names it to the kernel."""
    data = entry(socket.IPPROTO_UDP, "10.96.0.10", 53, "10.0.0.1", 5353)
    found = flows.flow_from_bytes(data)
    assert found is not None
    assert (found.destination, found.answered_by) == ("10.96.0.10:53", "10.0.0.1:5353")
    assert data.startswith(found.key)


def test_a_tcp_entry_is_passed_over() -> None:
    """TCP ends by itself."""
    assert flows.flow_from_bytes(entry(socket.IPPROTO_TCP, "10.96.0.10", 53, "10.0.0.1", 5353)) is None


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(st.integers(1, 0x3FFF), st.binary(max_size=40), max_size=5))
def test_attributes_come_back_as_they_were_packed(values: dict[int, bytes]) -> None:
    """Whatever their lengths, and so their padding."""
    packed = b"".join(netlink.attribute(kind, data) for kind, data in values.items())
    assert len(packed) % 4 == 0
    assert netlink.attributes(packed) == values


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=64))
def test_attributes_of_nonsense_end(data: bytes) -> None:
    """Bytes that are no attributes are read to an end without an error."""
    netlink.attributes(data)
