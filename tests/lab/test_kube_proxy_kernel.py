"""kube-proxy's rules on a real kernel: do they load, come back as predicted, and do to packets what they say?

Each test has network namespaces of its own, without names, which end with the test: a node between a client and
two pods, the second of which counts as another node's.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings

from harness.core import process
from harness.lab import services
from harness.lab.proxy import counters, flows, health_checks, kernel, options, render, restoring, saved
from tests import recordings
from tests.lab.network_namespaces import Namespace
from tests.unit.lab.proxy import clusters, objects

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")

NODE, CLIENT, HERE, THERE = "172.18.0.2", "172.18.0.5", "10.244.0.1", "10.244.1.1"
SERVICE, BALANCER = "10.96.0.10", "192.0.2.1"
NODE_PORT = 30080
UNANSWERED_S = 0.3
ANSWERED_S = 5.0

LOCAL = objects.endpoint(HERE, "here")
REMOTE = objects.endpoint(THERE, "there")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A node between a client and two pods."""

    node: Namespace
    client: Namespace
    here: Namespace
    there: Namespace

    def apply(self, service: objects.Object, *found: objects.Object, protocol: str = "TCP") -> flows.Served:
        """Put the rules for one Service in force on the node; what it serves by UDP."""
        ports = [{"name": "http", "port": 8080, "protocol": protocol}]
        service_ports = services.service_ports([service], [objects.endpoint_slice(*found, ports=ports)])
        with self.node.inside():
            hands = kernel.Kernel()
            config = options.Options(counters=hands.counters())
            hands.apply(render.ruleset(service_ports, objects.HERE, config))
            hands.settle()
        return flows.served(service_ports)


@pytest.fixture
def node() -> Iterator[Namespace]:
    """A network namespace with nothing in it."""
    found = Namespace()
    yield found
    found.release()


@pytest.fixture
def scene(node: Namespace) -> Iterator[Scene]:
    """The node with a client and two pods, each of which answers with its name and who it sees."""
    with contextlib.ExitStack() as stack:
        others = [Namespace() for _ in range(3)]
        for other in others:
            stack.callback(other.release)
        client, here, there = others
        _wire(node, client, "client", CLIENT)
        _wire(node, here, "here", HERE)
        _wire(node, there, "there", THERE)
        node.ip(f"addr add {NODE}/32 dev client", f"route add default via {CLIENT} dev client")
        with node.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        for name, pod in (("here", here), ("there", there)):
            stack.enter_context(_answering(pod, name))
        yield Scene(node=node, client=client, here=here, there=there)


def _wire(node: Namespace, other: Namespace, name: str, address: str) -> None:
    # As Calico does it: the node's end has no address, and the other end finds everything behind it.
    node.ip(
        f"link add {name} type veth peer name eth0 netns {other.path}",
        f"link set {name} up",
        f"route add {address}/32 dev {name}",
    )
    other.ip("link set eth0 up", f"addr add {address}/32 dev eth0", f"route add default via {NODE} dev eth0 onlink")


class _Answer(socketserver.BaseRequestHandler):
    """Says who answers and who was seen, by TCP and UDP."""

    def handle(self) -> None:
        said = f"{self.server.name} sees {self.client_address[0]}".encode()  # type: ignore[attr-defined]
        if isinstance(self.server, socketserver.UDPServer):
            self.request[1].sendto(said, self.client_address)
        else:
            self.request.sendall(said)


@contextlib.contextmanager
def _answering(pod: Namespace, name: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for kind in (socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer):
            with pod.inside():
                server = stack.enter_context(cast("socketserver.BaseServer", kind(("", 8080), _Answer)))
            server.name = name  # type: ignore[attr-defined]
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield


def call(source: Namespace, address: str, port: int, *, timeout_s: float = ANSWERED_S) -> str:
    """What is answered to a new TCP connection from there."""
    with source.inside():
        caller = socket.socket()
    with caller:
        caller.settimeout(timeout_s)
        caller.connect((address, port))
        return caller.recv(100).decode()


def saved_text(node: Namespace) -> str:
    """All KUBE chains of the node, as ``iptables-save`` prints them, without its comments and built-in chains."""
    text = ""
    for name in ("filter", "nat"):
        with node.inside():
            printed = process.run(["iptables-save", "-t", name]).text
        kept = (line for line in printed.splitlines() if line.startswith((":KUBE-", "-A KUBE-")))
        text += "\n".join([f"*{name}", *kept, "COMMIT"]) + "\n"
    return text


def everything() -> list[services.ServicePort]:
    """Services of every kind that kube-proxy has rules for."""
    kinds: list[objects.Object] = [
        objects.service(),
        objects.node_port(externalTrafficPolicy="Local", internalTrafficPolicy="Local", sessionAffinity="ClientIP"),
        objects.balanced(
            BALANCER, externalIPs=["198.51.100.1"], loadBalancerSourceRanges=["172.18.0.0/16", "0.0.0.0/0"]
        ),
        objects.balanced(BALANCER, externalTrafficPolicy="Local", healthCheckNodePort=32000),
        *(objects.service(ports=[{"name": "http", "port": 80, "protocol": each}]) for each in ("UDP", "SCTP")),
        objects.node_port(30081, externalIPs=["198.51.100.2"]),
        objects.node_port(30082, externalTrafficPolicy="Local"),
    ]
    found = [objects.endpoint(f"10.244.2.{index}") for index in range(1, 8)]
    slices = []
    for index, item in enumerate(kinds):
        item["metadata"]["name"] = f"web-{index}"
        item["spec"] |= {"clusterIPs": [f"10.96.0.{index + 1}"]}
        ports = [{**item["spec"]["ports"][0], "port": 8080}]
        # The one before the last has no endpoints, the last none on this node.
        endpoints = {6: [], 7: [REMOTE]}.get(index, [LOCAL, *found])
        slices.append(objects.endpoint_slice(*endpoints, owner=f"web-{index}", ports=ports))
    return list(services.service_ports(kinds, slices))


def recorded() -> list[services.ServicePort]:
    """The services of the recorded cluster that has them of many kinds."""
    folder = recordings.path() / "kube-proxy"
    read = (json.loads((folder / f"{name}.json").read_text())["items"] for name in ("services", "endpointslices"))
    return list(services.service_ports(*read))


@pytest.mark.parametrize("ports", [everything, recorded])
@pytest.mark.parametrize(
    "config",
    [
        options.Options(),
        options.Options(cluster_cidr="", masquerade_all=True, localhost_node_ports=False, counters=frozenset()),
        options.Options(node_port_addresses=(NODE,), conntrack_tcp_liberal=True, large_cluster_endpoints=1),
    ],
    ids=["kind", "bare", "large"],
)
def test_the_rules_load_and_come_back_as_predicted(
    node: Namespace, ports: Callable[[], list[services.ServicePort]], config: options.Options
) -> None:
    """What ``lab rules`` prints is what the real iptables-save prints once the rules are loaded, to the letter."""
    wanted = render.ruleset(ports(), objects.HERE, config)
    with node.inside():
        if counters.ensured(config.counters) != config.counters:
            pytest.skip("this kernel has no nfacct")
        assert kernel.Kernel().apply(wanted)
    assert saved_text(node) == render.save_text(wanted)


@settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    # That one namespace serves all examples is the point: each cluster comes after another one.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(clusters.service_ports(), clusters.CONFIGS)
def test_any_cluster_after_any_other_loads_as_predicted(
    node: Namespace, ports: tuple[services.ServicePort, ...], config: options.Options
) -> None:
    """Clusters by chance follow each other, and each time the kernel holds what is predicted and nothing more."""
    wanted = render.ruleset(ports, objects.HERE, config)
    with node.inside():
        kernel.Kernel().apply(wanted)
    assert saved_text(node) == render.save_text(wanted)


def test_a_second_apply_changes_nothing(node: Namespace) -> None:
    """Rules in force are left alone, jumps and canaries included."""
    wanted = render.ruleset(everything(), objects.HERE, options.Options(counters=frozenset()))
    with node.inside():
        assert kernel.Kernel().apply(wanted)
        before = process.run(["iptables-save"]).text
        assert not kernel.Kernel().apply(wanted)
        assert _unnoted(process.run(["iptables-save"]).text) == _unnoted(before)


def _unnoted(text: str) -> list[str]:
    # Its comments carry the time.
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_jumps_are_where_a_real_kube_proxy_put_them(node: Namespace) -> None:
    """On a node without any, the built-in chains have the recorded jumps in the recorded order."""
    text = (recordings.path() / "kube-proxy/iptables-save-kind-worker.txt").read_text()
    with node.inside():
        kernel.Kernel().apply(render.ruleset((), objects.HERE, options.Options(counters=frozenset())))
        now = kernel.in_force()
    for name, table in saved.tables_from_text(text).items():
        for chain in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"):
            real = [rule for rule in table.chains.get(chain, ()) if "DOCKER" not in rule]
            assert list(now[name].chains.get(chain, ())) == real, f"{name} {chain}"


def test_stale_chains_go_and_other_peoples_rules_stay(node: Namespace) -> None:
    """After a change nothing is left of the services before, and nobody else's rule was touched."""
    others = ["-A PREROUTING -j OTHERS", "-A OTHERS -d 8.8.8.8/32 -j ACCEPT"]
    before, after = (
        render.ruleset(ports, objects.HERE, options.Options(counters=frozenset())) for ports in (everything(), ())
    )
    with node.inside():
        process.run(["iptables-restore"], stdin="\n".join(["*nat", ":OTHERS -", *others, "COMMIT", ""]).encode())
        kernel.Kernel().apply(before)
        kernel.Kernel().apply(after)
        now = kernel.in_force()["nat"]
    assert saved_text(node) == render.save_text(after)
    assert now.chains["OTHERS"] == (others[1],)
    assert others[0] in now.chains["PREROUTING"]


def test_flushed_rules_come_back(node: Namespace) -> None:
    """What somebody flushed is written again."""
    wanted = render.ruleset(everything(), objects.HERE, options.Options(counters=frozenset()))
    with node.inside():
        kernel.Kernel().apply(wanted)
        assert not kernel.Kernel().is_flushed()
        process.run(["iptables", "-t", "nat", "-F"])
        process.run(["iptables", "-t", "nat", "-X"])
        assert kernel.Kernel().is_flushed()
        assert kernel.Kernel().apply(wanted)
        assert all(
            jump.text in kernel.in_force()["nat"].chains[jump.chain] for jump in restoring.JUMPS if jump.table == "nat"
        )
    assert saved_text(node) == render.save_text(wanted)


def test_a_node_port_shows_the_nodes_address(scene: Scene) -> None:
    """Policy Cluster: an external client is masqueraded, whichever pod answers."""
    scene.apply(objects.node_port(NODE_PORT), LOCAL)
    assert call(scene.client, NODE, NODE_PORT) == f"here sees {NODE}"


def test_a_node_port_of_policy_local_shows_the_client(scene: Scene) -> None:
    """Policy Local: only this node's pod answers, and it sees the client."""
    scene.apply(objects.node_port(NODE_PORT, externalTrafficPolicy="Local"), LOCAL, REMOTE)
    assert {call(scene.client, NODE, NODE_PORT) for _ in range(8)} == {f"here sees {CLIENT}"}


def test_a_node_port_of_policy_local_without_an_endpoint_is_silent(scene: Scene) -> None:
    """Policy Local on a node without an endpoint: dropped from outside, answered for the node itself and its pods."""
    scene.apply(objects.node_port(NODE_PORT, externalTrafficPolicy="Local"), REMOTE)
    with pytest.raises(TimeoutError):
        call(scene.client, NODE, NODE_PORT, timeout_s=UNANSWERED_S)
    assert call(scene.node, NODE, NODE_PORT) == f"there sees {NODE}"
    assert call(scene.here, NODE, NODE_PORT) == f"there sees {HERE}"


def test_without_endpoints_callers_are_refused(scene: Scene) -> None:
    """Node port and ClusterIP answer at once that nobody is there."""
    scene.apply(objects.node_port(NODE_PORT))
    for source, address, port in (
        (scene.client, NODE, NODE_PORT),
        (scene.node, NODE, NODE_PORT),
        (scene.here, SERVICE, 80),
        (scene.node, SERVICE, 80),
    ):
        with pytest.raises(ConnectionRefusedError):
            call(source, address, port)


def test_a_cluster_ip_shows_pods_and_hides_others(scene: Scene) -> None:
    """A pod is seen as itself; who comes from outside the cluster's network is masqueraded."""
    scene.apply(objects.service(), REMOTE)
    assert call(scene.here, SERVICE, 80) == f"there sees {HERE}"
    assert call(scene.client, SERVICE, 80) == f"there sees {NODE}"


def test_a_pod_that_reaches_itself_sees_the_node(scene: Scene) -> None:
    """Hairpin: the answer must come back through the node, so the caller is masqueraded."""
    scene.apply(objects.service(), LOCAL)
    assert call(scene.here, SERVICE, 80) == f"here sees {NODE}"


def test_affinity_keeps_a_client_with_its_pod(scene: Scene) -> None:
    """Every connection of one client goes to the same of two pods."""
    scene.apply(objects.node_port(NODE_PORT, sessionAffinity="ClientIP"), LOCAL, REMOTE)
    assert len({call(scene.client, NODE, NODE_PORT) for _ in range(12)}) == 1


def test_without_affinity_both_pods_are_used(scene: Scene) -> None:
    """Forty connections that all miss one of two pods would be one chance in five hundred thousand million."""
    scene.apply(objects.node_port(NODE_PORT), LOCAL, REMOTE)
    answers = {call(scene.client, NODE, NODE_PORT) for _ in range(40)}
    assert answers == {f"here sees {NODE}", f"there sees {NODE}"}


def test_a_node_port_answers_on_the_loopback(scene: Scene) -> None:
    """The node's own 127.0.0.1 leads to the pod too."""
    scene.apply(objects.node_port(NODE_PORT), LOCAL)
    assert call(scene.node, "127.0.0.1", NODE_PORT) == f"here sees {NODE}"


@pytest.mark.parametrize(("allowed", "answered"), [("172.18.0.0/16", True), ("203.0.113.0/24", False)])
def test_source_ranges_decide_who_reaches_the_balancers_address(scene: Scene, allowed: str, answered: bool) -> None:
    """A client in the range is answered, any other is not."""
    scene.apply(objects.balanced(BALANCER, loadBalancerSourceRanges=[allowed]), LOCAL)
    if answered:
        assert call(scene.client, BALANCER, 80) == f"here sees {NODE}"
        return
    with pytest.raises(TimeoutError):
        call(scene.client, BALANCER, 80, timeout_s=UNANSWERED_S)


def test_a_udp_flow_does_not_outlive_its_endpoint(scene: Scene) -> None:
    """A flow goes on to the pod that it began with until that pod is gone, and then to another."""
    item = objects.node_port(ports=[{"name": "http", "port": 80, "protocol": "UDP", "nodePort": NODE_PORT}])
    with scene.client.inside():
        caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with caller:
        caller.settimeout(ANSWERED_S)
        caller.connect((NODE, NODE_PORT))
        scene.apply(item, LOCAL, protocol="UDP")
        assert _ask(caller) == f"here sees {NODE}"
        allowed = scene.apply(item, REMOTE, protocol="UDP")
        assert _ask(caller) == f"here sees {NODE}"
        with scene.node.inside():
            assert flows.remove_stale(allowed) == 1
            assert flows.remove_stale(allowed) == 0
        assert _ask(caller) == f"there sees {NODE}"


def test_a_health_check_port_answers_for_its_service_and_closes_with_it(node: Namespace) -> None:
    """A balancer hears 200 where an endpoint is, 503 where there is none, and nothing once the Service is gone."""
    hands = kernel.Kernel()
    with node.inside():
        for endpoints, status in ((1, 200), (0, 503)):
            check = health_checks.Check(namespace="shop", name="web", local_endpoints=endpoints)
            hands.answer_health_checks({32000: check})
            assert _status(32000) == status
        hands.answer_health_checks({})
        with pytest.raises(ConnectionRefusedError):
            _status(32000)


def _status(port: int) -> int:
    caller = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWERED_S)
    with contextlib.closing(caller):
        caller.request("GET", "/any/path")
        return caller.getresponse().status


def _ask(caller: socket.socket) -> str:
    caller.send(b"?")
    return caller.recv(100).decode()
