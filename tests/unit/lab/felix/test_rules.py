"""Calico's chains, held against the recorded rules of the real felix."""

from __future__ import annotations

import dataclasses
import ipaddress

import pytest

from harness.lab.felix import cluster, rules, saved
from tests import recordings
from tests.unit.lab.felix.conftest import RECORDED_NODES, RuleTables


@pytest.mark.parametrize("node", RECORDED_NODES)
def test_every_rule_with_calicos_comment_is_a_recorded_one(node: str, state: cluster.Cluster) -> None:
    """A rule that claims to be Calico's is found word for word, in the same chain, on the recorded node."""
    text = (recordings.path() / "nodes" / "iptables" / node / "iptables-save.txt").read_text()
    recorded = saved.tables(text)
    claimed = [
        (table.name, chain, rule)
        for table in rules.wanted(state, bpf=False)
        for chain, chain_rules in (
            *table.chains.items(),
            *((jump.chain, (jump.rule,)) for jump in table.jumps),
        )
        for rule in chain_rules
        if "cali:" in rule
    ]
    assert len(claimed) == 15
    assert [claim for claim in claimed if claim[2] not in recorded[claim[0]].chains[claim[1]]] == []


def test_pods_are_masqueraded_towards_everything_outside_the_pool(state: cluster.Cluster) -> None:
    """The only pool of the recorded cluster is masqueraded by one rule."""
    assert rules.wanted(state, bpf=False)[2].chains["cali-nat-outgoing"] == (
        "-s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE --random-fully",
    )


def test_pools_are_not_outside_one_another(state: cluster.Cluster) -> None:
    """With two pools, traffic between them keeps its source; only the one with natOutgoing is masqueraded."""
    second = cluster.Pool(cidr=ipaddress.IPv4Network("10.9.0.0/16"), nat_outgoing=False)
    two = dataclasses.replace(state, pools=(*state.pools, second))
    assert rules.wanted(two, bpf=False)[2].chains["cali-nat-outgoing"] == (
        "-d 10.244.0.0/16 -j RETURN",
        "-d 10.9.0.0/16 -j RETURN",
        "-s 10.244.0.0/16 -j MASQUERADE --random-fully",
    )


def test_pool_without_nat_outgoing_has_no_masquerade(state: cluster.Cluster) -> None:
    """What the pool does not ask for is not done."""
    plain = dataclasses.replace(state, pools=(dataclasses.replace(state.pools[0], nat_outgoing=False),))
    assert rules.wanted(plain, bpf=False)[2].chains["cali-nat-outgoing"] == ()


def test_flows_of_ebpf_mode_end_with_it(state: cluster.Cluster) -> None:
    """What was under way is dropped in iptables mode, forwarded or from the node itself, before anything accepts it."""
    retired = "-m connmark --mark 0x2000000/0x2000000 -j DROP"
    chains = rules.wanted(state, bpf=False)[1].chains
    assert (chains["cali-FORWARD"][0], chains["cali-OUTPUT"]) == (retired, (retired,))
    assert "connmark" not in str(rules.wanted(state, bpf=True))


def test_what_the_stack_sees_one_way_only_is_not_tracked(state: cluster.Cluster) -> None:
    """In eBPF mode, and before a rule takes a part of the mark away."""
    untracked = "-m mark --mark 0x3500000/0x3500000 -j NOTRACK"
    assert rules.wanted(state, bpf=True)[0].chains["cali-PREROUTING"][0] == untracked
    assert untracked not in str(rules.wanted(state, bpf=False))


def test_ebpf_mode_does_not_ask_connection_tracking(state: cluster.Cluster) -> None:
    """Connections that the programs translate look invalid to the kernel, and must pass all the same."""
    assert "conntrack" in str(rules.wanted(state, bpf=False))
    assert "conntrack" not in str(rules.wanted(state, bpf=True))


def test_rendering_twice_leaves_the_same_rules(state: cluster.Cluster, rule_tables: RuleTables) -> None:
    """Jumps are put in once, chains are emptied before they are filled."""
    tables = rules.wanted(state, bpf=False)
    rule_tables.restore(rules.render(tables, rule_tables.saved()))
    first = rule_tables.saved()
    rule_tables.restore(rules.render(tables, first))
    assert rule_tables.saved() == first
    assert rules.own_part(first) == rules.own_part(rule_tables.saved())


def test_chains_of_another_mode_are_removed(state: cluster.Cluster, rule_tables: RuleTables) -> None:
    """A chain of Calico's that is no longer wanted goes, other people's chains stay."""
    rule_tables.restore("*nat\n:cali-old - [0:0]\n:KUBE-SERVICES - [0:0]\n-A cali-old -j RETURN\nCOMMIT\n")
    rule_tables.restore(rules.render(rules.wanted(state, bpf=False), rule_tables.saved()))
    assert "cali-old" not in rule_tables.tables["nat"]
    assert "KUBE-SERVICES" in rule_tables.tables["nat"]


def test_own_part_notices_a_missing_rule(state: cluster.Cluster, rule_tables: RuleTables) -> None:
    """A rule that somebody deleted makes a difference, a rule of somebody else's none."""
    rule_tables.restore(rules.render(rules.wanted(state, bpf=False), rule_tables.saved()))
    before = rules.own_part(rule_tables.saved())
    rule_tables.restore("*nat\n-A POSTROUTING -j KUBE-POSTROUTING\nCOMMIT\n")
    assert rules.own_part(rule_tables.saved()) == before
    rule_tables.tables["nat"]["cali-nat-outgoing"].clear()
    assert rules.own_part(rule_tables.saved()) != before
