"""The rules that the lab's kube-proxy writes, against those of a real one.

Each recorded ``iptables-save`` of a real kube-proxy v1.36.2 is compared with what is rendered for the Services,
EndpointSlices and Nodes that were recorded with it: chain by chain, rule by rule, counters stripped.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.lab import services
from harness.lab.proxy import options, render, restoring, rules, saved
from tests import recordings

NOT_KUBE_PROXYS = {
    "KUBE-KUBELET-CANARY": "the kubelet's: an empty chain by which it notices that iptables was flushed",
    "KUBE-IPTABLES-HINT": "the kubelet's: an empty chain that tells others which iptables to use",
}
"""Chains of that name family that somebody else writes. KUBE-FIREWALL is not among them: kube-proxy writes the same
rule into it as the kubelet does, and is compared."""

IN_MAP_ORDER = {
    ("filter", "KUBE-SERVICES"),
    ("filter", "KUBE-EXTERNAL-SERVICES"),
    ("filter", "KUBE-NODEPORTS"),
    ("filter", "KUBE-PROXY-FIREWALL"),
    ("nat", "KUBE-SERVICES"),
    ("nat", "KUBE-NODEPORTS"),
}
"""Chains that all services share. The real kube-proxy walks its services in Go's map order, which is random: three
nodes that hold the same services list them in three orders. Only the order of one service port's rules is a fact,
and that a rule of no service comes last."""

CLUSTERS = {
    "kube-proxy": ("kube-proxy", "kube-proxy/iptables-save-{}.txt"),
    "iptables": ("api/iptables", "nodes/iptables/{}/iptables-save.txt"),
    "reverted": ("api/reverted", "nodes/reverted/{}/iptables-save.txt"),
}
"""Where the recorded objects are, and the tables of each node for them."""

NODES = ("kind-control-plane", "kind-worker", "kind-worker2")
TABLES = ("filter", "nat")

_SERVICE = re.compile(r'--comment "([^" ]+/[^" ]+)')


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One node of one recorded cluster: the real tables and the rendered ones."""

    real: dict[str, saved.SavedTable]
    wanted: rules.Ruleset

    @property
    def rendered(self) -> dict[str, saved.SavedTable]:
        """The rendered tables, read back from their text."""
        return saved.tables_from_text(render.save_text(self.wanted))


def _items(path: Path) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(path.read_text())["items"]
    return items


@pytest.fixture(params=list(itertools.product(CLUSTERS, NODES)), ids="-".join)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Each recorded node in turn."""
    cluster, name = request.param
    folder, tables = CLUSTERS[cluster]
    objects, root = recordings.path() / folder, recordings.path()
    ports = services.service_ports(_items(objects / "services.json"), _items(objects / "endpointslices.json"))
    nodes = {node.name: node for node in map(options.node_from_object, _items(objects / "nodes.json"))}
    return Pair(
        real=saved.tables_from_text((root / tables.format(name)).read_text()),
        wanted=render.ruleset(ports, nodes[name], options.Options()),
    )


def _service_of(rule: str) -> str:
    """The service port that a rule in a shared chain is for; empty for a rule of none."""
    found = _SERVICE.search(rule)
    return found.group(1) if found else ""


def _blocks(found: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The rules of a shared chain, one service port after the other."""
    for service, block in itertools.groupby(found, key=_service_of):
        yield service, list(block)


def _kube_chains(table: saved.SavedTable) -> dict[str, list[str]]:
    return {name: found for name, found in table.kube_chains().items() if name not in NOT_KUBE_PROXYS}


@pytest.mark.parametrize("table", TABLES)
def test_the_same_chains_are_there(pair: Pair, table: str) -> None:
    """No chain is missing, none is too many, and they come in iptables-save's order."""
    assert list(_kube_chains(pair.rendered[table])) == list(_kube_chains(pair.real[table]))


@pytest.mark.parametrize("table", TABLES)
def test_each_chain_holds_the_same_rules_in_the_same_order(pair: Pair, table: str) -> None:
    """Matches, targets and order are equal in every chain that belongs to one service or to none."""
    real, rendered = _kube_chains(pair.real[table]), _kube_chains(pair.rendered[table])
    ours = {chain: found for chain, found in rendered.items() if (table, chain) not in IN_MAP_ORDER}
    assert ours == {chain: found for chain, found in real.items() if (table, chain) not in IN_MAP_ORDER}
    assert ours


@pytest.mark.parametrize(("table", "chain"), sorted(IN_MAP_ORDER))
def test_each_shared_chain_holds_the_same_rules_of_each_service(pair: Pair, table: str, chain: str) -> None:
    """The rules of one service port are equal in order and stand together; only the services' order may differ."""
    real, rendered = (list(_blocks(found[table].chains[chain])) for found in (pair.real, pair.rendered))
    assert dict(rendered) == dict(real)
    # A service port whose rules were torn apart would have two blocks.
    assert len(rendered) == len(dict(rendered)) == len(real)
    assert [service for service, _ in real].count("") == [service for service, _ in rendered].count("")
    if "" in dict(real):
        assert rendered[-1][0] == real[-1][0] == ""


def test_the_ways_in_are_the_real_ones(pair: Pair) -> None:
    """Every jump from a built-in chain into a KUBE chain is one that would be made, and none is missing."""
    jumps = (*restoring.JUMPS, *restoring.KUBELET_JUMPS)
    for name in TABLES:
        ours = sorted(jump.text for jump in jumps if jump.table == name)
        real = [rule for chain, found in pair.real[name].chains.items() if chain.isupper() for rule in found]
        into_ours = [rule for rule in real if "-j KUBE-" in rule and not rule.startswith("-A KUBE-")]
        assert sorted(into_ours) == ours


def test_the_real_rules_need_no_change(pair: Pair) -> None:
    """A lab's kube-proxy that starts where a real one ran writes at most what map order has moved."""
    shared = {chain for _, chain in IN_MAP_ORDER}
    text = restoring.restore_text(pair.real, pair.wanted)
    written = {line[1:].split()[0] for line in text.splitlines() if line.startswith(":")}
    assert written <= shared
    assert "-I " not in text
    assert "-X " not in text


def test_map_order_is_a_fact_of_the_recordings() -> None:
    """Two real nodes with the same services list them in different orders, so no order can be right."""
    orders = set()
    for name in NODES:
        text = (recordings.path() / f"kube-proxy/iptables-save-{name}.txt").read_text()
        found = saved.tables_from_text(text)["nat"].chains["KUBE-NODEPORTS"]
        orders.add(tuple(service for service, _ in _blocks(found)))
    assert len({frozenset(order) for order in orders}) == 1
    assert len(orders) > 1
