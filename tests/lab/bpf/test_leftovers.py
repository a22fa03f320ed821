"""What an earlier dataplane left in the kernel's own connection table decides nothing in eBPF mode.

kube-proxy's rules masquerade with ports that the kernel takes at random, and remember them for half a minute and
more. A client of eBPF mode may have just such a port. The kernel gives a new connection another source port where an
old one has its tuple, which the programs must neither suffer from nor hinder. And a masquerade of eBPF mode, that of
pods towards other nodes, may take a port that the programs know already.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Iterator

import pytest

from harness.core import process
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


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("client", ["cp", "w2"])
def test_masquerade_may_have_the_port_of_a_hosts_own_flow(at_packets: world.World, client: str, protocol: str) -> None:
    """A pod that leaves its node with a port that a process there has gets its own answer, and so does the process."""
    node = world.HOSTS[f"host-{client}"]
    own = world.NODES[node][0]
    # By the third node's address: neither this node's, nor that of the backend's.
    entry = next(address for address in ENTRIES if address not in (own, world.HOST_ECHO[0]))
    with asking(at_packets, f"host-{client}", (entry, SERVICES["host-network"][0]), protocol) as process_there:
        assert answer_to(process_there) == own
        with masqueraded(at_packets, node, process_there.getsockname()[1]):
            seen = dialling.dial(at_packets, f"pod-{client}", entry, SERVICES["host-network"][0], protocol)
        # A stream ends with its first answer.
        assert (seen, protocol == "TCP" or answer_to(process_there)) == (own, protocol == "TCP" or own)


@contextlib.contextmanager
def asking(place: world.World, who: str, service: connections.End, protocol: str) -> Iterator[socket.socket]:
    """A connected socket of a client's, at a port that no other test has."""
    with place.as_client(who):
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM)
    with opened:
        opened.settimeout(dialling.ANSWERED_S)
        opened.bind(("0.0.0.0", next(_PORTS)))
        opened.connect(service)
        yield opened


def answer_to(client: socket.socket) -> str:
    """Whom the backend sees."""
    client.sendall(b"0\n")
    return client.recv(100).split()[0].decode()


@contextlib.contextmanager
def masqueraded(place: world.World, node: str, port: int) -> Iterator[None]:
    """Let a node's masquerade take one port, which it may take by chance, for one connection of a pod."""
    with contextlib.ExitStack() as undo:
        for protocol in ("tcp", "udp"):
            pods = ["POSTROUTING", "-s", "10.244.0.0/16", "!", "-d", "10.244.0.0/16", "-p", protocol]
            rule = [*pods, "-j", "SNAT", "--to-source", f"{world.NODES[node][0]}:{port}"]
            change_rules(place, node, "-I", rule)
            undo.callback(change_rules, place, node, "-D", rule)
        yield


def change_rules(place: world.World, node: str, change: str, rule: list[str]) -> None:
    """Insert or delete a rule of a node's table nat."""
    with place.spaces[node].inside():
        process.run(["iptables", "-w", "-t", "nat", change, *rule])
