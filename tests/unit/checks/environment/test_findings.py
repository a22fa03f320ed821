"""Each thing that the environment can do to a run is found where it is, and is not found where it is not."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address, ip_network

import pytest

from harness.checks.environment import addresses, look, nodes, path
from harness.checks.environment.seen import Addressing, NodeSeen, Proxies, Seen, Way
from harness.model import records
from tests import builders

PORTS = frozenset({30180, 30181})
SYSTEM = {"kernel": "6.18.44", "operating system": "Debian 12", "kubelet": "v1.36.2", "calico-node": "node:v3.32.1"}
BLOCKS = ("10.244.82.0/26", "10.244.162.128/26", "10.244.110.128/26")
PROXY = {"http_proxy": "http://10.1.1.1:3128"}


def healthy() -> Seen:
    """The recorded cluster in iptables mode, as a look reads it; client and nodes are on one subnet."""
    return Seen(
        client=builders.WHO,
        gateway=ip_address("172.18.0.1"),
        declared="Iptables",
        nodes=tuple(
            NodeSeen(
                node=node,
                system=SYSTEM,
                forward="ACCEPT",
                rp_filter={"all": 1, "eth0": 0, "lo": 0},
                skew_s=0.4,
                skew_within_s=0.1,
                iptables=PORTS,
            )
            for node in builders.NODES
        ),
        ways=tuple(
            Way(node=node.name, port=10256, local=builders.CLIENT, saw=frozenset({builders.CLIENT}))
            for node in builders.NODES
        ),
        addressing=Addressing(
            pods=(ip_network("10.244.0.0/16"),),
            services=(ip_network("10.96.0.0/16"),),
            blocks=tuple((ip_network(cidr), node.name) for cidr, node in zip(BLOCKS, builders.NODES, strict=True)),
            local=(ip_network("10.244.0.0/16"),),
        ),
        proxies=(Proxies(where="this machine", variables={}, targets=("127.0.0.1", "172.18.0.3")),),
    )


def with_node(**changes: object) -> Seen:
    """The same with its last node changed."""
    seen = healthy()
    changed = dataclasses.replace(seen.nodes[-1], **changes)  # type: ignore[arg-type]  # the fields of a node
    return dataclasses.replace(seen, nodes=(*seen.nodes[:-1], changed))


def with_way(**changes: object) -> Seen:
    """The same with the way to its last node changed."""
    seen = healthy()
    changed = dataclasses.replace(seen.ways[-1], **changes)  # type: ignore[arg-type]  # the fields of a way
    return dataclasses.replace(seen, ways=(*seen.ways[:-1], changed))


def with_addressing(**changes: object) -> Seen:
    """The same with other addresses given out."""
    seen = healthy()
    changed = dataclasses.replace(seen.addressing, **changes)  # type: ignore[arg-type]  # the fields of an addressing
    return dataclasses.replace(seen, addressing=changed)


def with_client(address: str) -> Seen:
    """The same with a client that dials from elsewhere, untranslated."""
    seen = healthy()
    there = ip_address(address)
    ways = tuple(dataclasses.replace(way, local=there, saw=frozenset({there})) for way in seen.ways)
    return dataclasses.replace(seen, client=dataclasses.replace(builders.WHO, address=there), ways=ways)


def with_proxy(target: str = "172.18.0.3", **variables: str) -> Seen:
    """The same with these variables in the environment of somebody who must reach the target directly."""
    return dataclasses.replace(
        healthy(), proxies=(Proxies(where="this machine", variables=variables, targets=(target,)),)
    )


def only(seen: Seen) -> records.Environment:
    """The one finding that there is."""
    found = look.findings(seen)
    assert len(found) == 1, found
    return found[0]


def test_a_healthy_cluster_has_nothing_to_find() -> None:
    """Also with the client on the nodes' own subnet, which is no fault."""
    assert look.findings(healthy()) == ()


@pytest.mark.parametrize(
    ("seen", "cause", "where", "says"),
    [
        pytest.param(
            with_way(saw=frozenset({ip_address("172.18.0.1")})),
            path.TRANSLATION,
            "kind-worker2",
            "172.18.0.5 dialled kind-worker2's own port 10256 and was seen as 172.18.0.1",
            id="masquerade",
        ),
        pytest.param(
            with_way(saw=frozenset({ip_address("172.18.0.50")})), path.TRANSLATION, "kind-worker2", "", id="prefix"
        ),
        pytest.param(
            with_way(local=ip_address("192.168.7.7")), path.TRANSLATION, "kind-worker2", "own socket", id="other source"
        ),
        pytest.param(with_client("172.18.0.3"), addresses.IDENTITY, "172.18.0.3", "node kind-worker", id="a node's"),
        pytest.param(with_client("172.18.0.1"), addresses.IDENTITY, "172.18.0.1", "the gateway", id="the gateway's"),
        pytest.param(
            with_client("10.244.9.9"), addresses.OVERLAP, "the client", "inside the pod CIDR", id="client among pods"
        ),
        pytest.param(
            with_client("10.96.9.9"), addresses.OVERLAP, "the client", "service CIDR", id="client among services"
        ),
        pytest.param(
            with_addressing(services=(ip_network("10.244.128.0/20"),)),
            addresses.OVERLAP,
            "10.244.0.0/16",
            "overlap",
            id="pods and services",
        ),
        pytest.param(
            with_addressing(
                blocks=((ip_network("10.244.82.0/26"), "kind-worker"), (ip_network("10.244.82.0/26"), "kind-worker2"))
            ),
            addresses.SHARED_BLOCK,
            "kind-worker, kind-worker2",
            "10.244.82.0/26",
            id="one block on two nodes",
        ),
        pytest.param(with_node(bpf=PORTS), nodes.LEFTOVERS, "kind-worker2", "30180, 30181", id="eBPF left behind"),
    ],
)
def test_what_makes_a_run_meaningless_blocks(seen: Seen, cause: str, where: str, says: str) -> None:
    """It is named with its stable cause and its place, and there is something to do about it."""
    found = only(seen)
    assert (found.cause, found.where, found.blocking) == (cause, where, True)
    assert says in found.text
    assert found.remedy


@pytest.mark.parametrize(
    ("seen", "cause", "where", "says"),
    [
        pytest.param(with_way(port=0, saw=frozenset()), path.UNKNOWN_WAY, "kind-worker2", "no own port", id="no port"),
        pytest.param(
            with_way(saw=frozenset()), path.UNKNOWN_WAY, "kind-worker2", "10256 was not found", id="not found"
        ),
        pytest.param(with_proxy(**PROXY), path.HTTP_PROXY, "this machine", "http_proxy would catch", id="HTTP proxy"),
        pytest.param(
            with_proxy(**PROXY, no_proxy="172.18.0.30,.example"), path.HTTP_PROXY, "this machine", "", id="others only"
        ),
        pytest.param(
            with_addressing(local=(ip_network("192.168.0.0/16"),)),
            addresses.CLUSTER_CIDR,
            "kube-system/kube-proxy",
            "the pool is 10.244.0.0/16",
            id="clusterCIDR",
        ),
        pytest.param(
            with_node(rp_filter={"all": 0, "eth0": 2, "lo": 2}),
            nodes.RP_FILTER,
            "kind-worker2",
            "off for all and loose on eth0, lo",
            id="rp_filter after eBPF",
        ),
        pytest.param(
            with_node(forward="DROP", forwarded=17), nodes.FORWARD, "kind-worker2", "17 packets", id="FORWARD DROP"
        ),
        pytest.param(with_node(skew_s=-90.0), nodes.CLOCK, "kind-worker2", "90 s behind", id="clock"),
        pytest.param(with_node(trouble="exec: 500"), nodes.SILENT, "kind-worker2", "exec: 500", id="not asked"),
        pytest.param(
            with_node(system={**SYSTEM, "kernel": "5.10.0"}),
            nodes.MIXED,
            "kernel",
            "5.10.0 on kind-worker2; 6.18.44 on kind-control-plane, kind-worker",
            id="two kernels",
        ),
        pytest.param(
            with_node(iptables=frozenset(), bpf=PORTS, rp_filter={"all": 0, "eth0": 2}),
            nodes.MIXED,
            "dataplane",
            "BPF on kind-worker2",
            id="two dataplanes",
        ),
    ],
)
def test_what_is_odd_is_named_and_blocks_nothing(seen: Seen, cause: str, where: str, says: str) -> None:
    """The run goes on, and whoever reads a red cell sees it beside."""
    found = only(seen)
    assert (found.cause, found.where, found.blocking) == (cause, where, False)
    assert says in found.text


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(with_node(rp_filter={"all": 2, "eth0": 1}), id="loose for all"),
        pytest.param(with_node(rp_filter={"all": 0, "eth0": 0}), id="rp_filter off"),
        pytest.param(with_node(skew_s=4.0, skew_within_s=3.0), id="a clock that was asked slowly"),
        pytest.param(with_node(iptables=frozenset()), id="no rules yet"),
        pytest.param(with_proxy(**PROXY, no_proxy="172.18.0.0/16"), id="no_proxy by CIDR"),
        pytest.param(with_proxy(**PROXY, no_proxy="*"), id="no_proxy for all"),
        pytest.param(with_proxy("summary.bank", **PROXY, no_proxy="localhost, .bank"), id="no_proxy by domain"),
        pytest.param(with_proxy(no_proxy="localhost"), id="no proxy at all"),
        pytest.param(with_addressing(local=(ip_network("10.0.0.0/8"),)), id="a wider clusterCIDR"),
        pytest.param(with_addressing(local=()), id="kube-proxy goes by something else"),
        pytest.param(with_addressing(local=(ip_network("fd00::/64"),)), id="a clusterCIDR of the other family"),
    ],
)
def test_what_is_harmless_is_not_named(seen: Seen) -> None:
    """No false alarm."""
    assert look.findings(seen) == ()


def under_bpf(*, iptables: frozenset[int] = frozenset(), everywhere: int = 0) -> Seen:
    """A cluster of one node in eBPF mode, with these ports in kube-proxy's rules and that ``all.rp_filter``."""
    seen = healthy()
    node = dataclasses.replace(
        seen.nodes[-1], iptables=iptables, bpf=PORTS, rp_filter={"all": everywhere, "eth0": 0, "lo": 2}
    )
    return dataclasses.replace(seen, declared="BPF", nodes=(node,))


def test_under_ebpf_a_strict_rp_filter_is_named() -> None:
    """A tool that sets it again breaks what eBPF brings in by another device."""
    assert look.findings(under_bpf()) == ()
    found = only(under_bpf(everywhere=nodes.STRICT))
    assert (found.cause, found.blocking) == (nodes.RP_FILTER, False)
    assert "strict on eth0:" in found.text


def test_under_ebpf_reachable_rules_are_leftovers_that_the_first_phase_wants() -> None:
    """A walk begins with iptables, so kube-proxy's rules are named and block nothing."""
    found = only(under_bpf(iptables=PORTS))
    assert (found.cause, found.blocking) == (nodes.LEFTOVERS, False)
    assert "kube-proxy's rules" in found.text


def test_what_blocks_comes_first() -> None:
    """A reader sees the reason for INVALID before what is only odd."""
    seen = with_node(forward="DROP", bpf=PORTS)
    assert [finding.blocking for finding in look.findings(seen)] == [True, False]
