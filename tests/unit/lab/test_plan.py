"""The lab's address plan."""

from __future__ import annotations

import ipaddress

from harness.lab import plan
from tests import recordings


def test_the_recorded_nodes_get_the_recorded_blocks_and_addresses() -> None:
    """The three default nodes, and the client, have the addresses of the recorded cluster."""
    recorded = {
        line.split()[0]: line.split()[5]
        for line in (recordings.path() / "api/iptables/nodes.txt").read_text().splitlines()[1:]
    }
    lab = plan.plan()
    assert {node.name: str(node.address) for node in lab.nodes} == recorded
    assert [str(node.tunnel_address) for node in lab.nodes] == ["10.244.82.0", "10.244.162.128", "10.244.110.128"]
    assert str(lab.client) == "172.18.0.5"


def test_more_workers_get_blocks_of_their_own() -> None:
    """No two nodes share a block, an address or a tunnel's MAC, and every block is in the pool."""
    nodes = plan.plan(workers=60).nodes
    assert len(nodes) == 61
    assert len({node.block for node in nodes}) == len({node.address for node in nodes}) == len(nodes)
    assert len({node.tunnel_mac for node in nodes}) == len(nodes)
    assert all(node.block.subnet_of(plan.POD_NETWORK) and node.block.prefixlen == 26 for node in nodes)


def test_a_node_keeps_its_block_when_more_come() -> None:
    """A worker's block does not depend on how many workers follow."""
    few, many = plan.plan(workers=5), plan.plan(workers=9)
    assert [node.block for node in few.nodes] == [node.block for node in many.nodes][:6]


def test_a_lab_may_have_the_control_plane_only() -> None:
    """No worker is a plan too."""
    lab = plan.plan(workers=0)
    assert [node.name for node in lab.nodes] == ["kind-control-plane"]
    assert lab.client == ipaddress.IPv4Address("172.18.0.3")
