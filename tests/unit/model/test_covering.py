"""Which nodes of a large cluster are used: every kind of pair, in a number that grows with kinds and not with nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import covering, facts, laying, matrix, words
from tests import builders


def node(number: int, zone: str = "", os: str = "linux") -> facts.Node:
    """One node of a large cluster."""
    return facts.Node(
        name=f"n{number}",
        address=ip_address(f"10.0.{number // 250}.{number % 250 + 1}"),
        tunnel=ip_address(f"10.244.{number // 250}.{number % 250 + 1}"),
        zone=zone,
        os=os,
    )


def kinds_of_pairs(nodes: Sequence[facts.Node], found: covering.Cover) -> set[tuple[covering.Kind, covering.Kind]]:
    """The kinds that a cover's pairs are of."""
    kinds = {item.name: covering.kind_of(item) for item in nodes}
    return {(kinds[client], kinds[entry]) for client, entry in found.pairs}


@pytest.mark.parametrize("count", [9, 90, 900])
def test_the_number_of_pairs_does_not_grow_with_the_nodes(count: int) -> None:
    """Three zones are nine kinds of pairs, however many nodes there are."""
    nodes = [node(number, zone="abc"[number % 3]) for number in range(count)]
    found = covering.cover(nodes, "n0")
    assert len(found.pairs) == len(kinds_of_pairs(nodes, found)) == 9
    assert len(found.nodes) <= 2 * 9 + 1


@settings(derandomize=True, database=None, max_examples=200)
@given(
    zones=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["linux", "windows"])), min_size=2, max_size=40)
)
def test_every_kind_of_pair_that_can_be_is_there(zones: list[tuple[str, str]]) -> None:
    """For any cluster: two nodes that differ, a Linux client, the backend on neither side, each kind exactly once."""
    nodes = [node(number, zone=zone, os=os) for number, (zone, os) in enumerate(zones)]
    found = covering.cover(nodes, "n0")
    others = nodes[1:]
    possible = {
        (covering.kind_of(client), covering.kind_of(entry))
        for client in others
        for entry in others
        if client.os == "linux" and client.name != entry.name
    }
    assert kinds_of_pairs(nodes, found) == possible
    assert len(found.pairs) == len(possible)
    assert all(client != entry and "n0" not in (client, entry) for client, entry in found.pairs)
    assert "n0" in found.nodes


def test_nodes_of_a_kind_take_turns() -> None:
    """More nodes take part than there are kinds."""
    nodes = [node(number, zone="ab"[number % 2]) for number in range(20)]
    assert len(covering.cover(nodes, "n0").nodes) > 4


def test_cells_are_laid_by_the_pairs_and_only_on_sampled_nodes() -> None:
    """A client elsewhere dials by each pair that fits; a client outside dials each sampled node."""
    nodes = (*builders.NODES, node(7), node(8))
    known = dataclasses.replace(
        builders.known(),
        nodes=nodes,
        clients=tuple(
            facts.Pod(namespace="echo", name=f"pod-{item.name}", address=ip_address(f"10.9.9.{index}"), node=item.name)
            for index, item in enumerate(nodes, start=1)
        ),
        sampled=("kind-worker", "kind-worker2", "n7"),
        pairs=(("kind-worker2", "n7"), ("n7", "kind-worker2"), ("kind-worker2", "kind-worker")),
    )
    without = laying.lay_all(matrix.row("pod@other/without/NodePort-Cluster/HTTP/pod"), known)
    assert [(path.client.node, path.entry.name) for path in without if path.entry] == [
        ("kind-worker2", "n7"),
        ("n7", "kind-worker2"),
    ]
    outside = laying.lay_all(matrix.row("external/without/NodePort-Cluster/HTTP/pod"), known)
    assert [path.entry.name for path in outside if path.entry] == ["kind-worker2", "n7"]


def test_a_node_with_a_dataplane_of_its_own_is_predicted_by_its_own_book() -> None:
    """A Windows node's row is HNS's, whatever the cluster is switched to."""
    from harness.oracle import predictions

    windows = dataclasses.replace(builders.NODES[0], os="windows", dataplane=words.Dataplane.HNS)
    known = dataclasses.replace(builders.known(), nodes=(windows, *builders.NODES[1:]))
    rows = (matrix.row("external/without/NodePort-Cluster/HTTP/pod"),)
    planned = predictions.plan(words.Phase.EBPF, known, rows).planned
    by_entry = {cell.entry.name: expected for cell, expected in planned if cell.entry is not None}
    assert by_entry["kind-worker2"].text == "172.18.0.5 client"
    path = next(cell.path for cell, _ in planned if cell.entry is not None and cell.entry.name == windows.name)
    assert by_entry[windows.name] == predictions.expect_on(path, words.Dataplane.HNS, known)
    assert by_entry[windows.name].text != "172.18.0.5 client"
