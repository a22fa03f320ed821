"""What an earlier dataplane left in the kernel's own connection table decides nothing in eBPF mode.

kube-proxy's rules masquerade with ports that the kernel takes at random, and remember them for half a minute and
more. A client of eBPF mode may have just such a port. The kernel gives a new connection another source port where an
old one has its tuple, which the programs must neither suffer from nor hinder.
"""

from __future__ import annotations

import itertools
import socket

import pytest

from harness.lab.bpf import dataplane
from tests.lab.bpf import connections, dialling, world

ENTRIES = tuple(address for address, _ in world.NODES.values())
SERVICES = {"pod": (30200, world.ECHO), "host-network": (30202, world.HOST_ECHO)}
OWN = {
    "external": world.CLIENT,
    **{pod: address for pod, (_, address) in world.PODS.items()},
    **{host: world.NODES[node][0] for host, node in world.HOSTS.items()},
}
PROTOCOLS = ("TCP", "UDP", "UDP-unconnected")
# Below those that a client gets which asks for none.
_PORTS = itertools.count(20001)
_ELSEWHERE = itertools.count(30001)


@pytest.fixture
def at_packets(place: world.World) -> world.World:
    """The cluster without connect-time load balancing, so that streams are translated as datagrams are."""
    place.apply(dataplane.Settings(connect_time="Disabled"))
    return place


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("who", OWN)
def test_no_masquerade_of_another_decides(at_packets: world.World, who: str, protocol: str, service: str) -> None:
    """A client whose address and port somebody else was masqueraded with is answered, and seen as ever."""
    port, backend = SERVICES[service]
    for entry, at_backend in itertools.product(ENTRIES, (False, True)):
        usual = dialling.dial(at_packets, who, entry, port, protocol)
        source_port = next(_PORTS)
        # On its way a question has the client's own address, and that which it is seen with.
        for source in {OWN[who], usual}:
            left = connections.Translated(
                asks=(("192.0.2.9", next(_ELSEWHERE)), (entry, port)),
                answers=(backend if at_backend else (entry, port), (source, source_port)),
            )
            remember(at_packets, protocol, left)
        seen = dialling.dial(at_packets, who, entry, port, protocol, source_port=source_port)
        assert (entry, at_backend, seen) == (entry, at_backend, usual)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("who", ["external", *world.PODS])
def test_no_connection_of_its_own_decides(at_packets: world.World, who: str, protocol: str, service: str) -> None:
    """A client that asks again from a port that it had when it was masqueraded is answered, and seen as ever.

    A host's own question meets the stack before any program, so there the old connection goes on, as on any kernel.
    """
    port, backend = SERVICES[service]
    for entry in ENTRIES:
        usual = dialling.dial(at_packets, who, entry, port, protocol)
        source_port = next(_PORTS)
        left = connections.Translated(
            asks=((OWN[who], source_port), (entry, port)),
            answers=(backend, (entry, next(_ELSEWHERE))),
        )
        remember(at_packets, protocol, left)
        seen = dialling.dial(at_packets, who, entry, port, protocol, source_port=source_port)
        assert (entry, seen) == (entry, usual)


def remember(place: world.World, protocol: str, left: connections.Translated) -> None:
    """Leave a connection behind on every node."""
    number = socket.IPPROTO_TCP if protocol == "TCP" else socket.IPPROTO_UDP
    for node in world.NODES:
        with place.spaces[node].inside():
            left.remember(number)
