"""Removing kube-proxy's rules, held against what the real felix left on the recorded nodes."""

from __future__ import annotations

import pytest

from harness.lab.felix import kube_proxy, saved
from tests import recordings
from tests.unit.lab.felix.conftest import RECORDED_NODES, RuleTables

BASE = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


def recorded(phase: str, node: str) -> dict[str, saved.Table]:
    """The recorded rules of a node."""
    return saved.tables((recordings.path() / "nodes" / phase / node / "iptables-save.txt").read_text())


def kubernetes_part(present: dict[str, saved.Table]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Kubernetes' chains of nat and filter, and the jumps to them, without the kubelet's own."""
    return {
        (name, chain): tuple(rule for rule in rules if chain.startswith("KUBE-") or "-j KUBE-" in rule)
        for name in ("nat", "filter")
        for chain, rules in present[name].chains.items()
        if chain.startswith("KUBE-") or chain in BASE
    }


@pytest.mark.parametrize("node", RECORDED_NODES)
def test_removal_leaves_what_the_real_felix_left(node: str, rule_tables: RuleTables) -> None:
    """From the node's rules in iptables mode felix gets to the Kubernetes part that eBPF mode was recorded with."""
    rule_tables.load(recorded("iptables", node))
    rule_tables.restore(kube_proxy.render_removal(rule_tables.saved()))
    left, expected = kubernetes_part(rule_tables.saved()), kubernetes_part(recorded("ebpf", node))
    # One more Service existed when eBPF mode was recorded; it left the one chain that felix does not remove.
    extra = {key for key in expected if key[1].startswith("KUBE-EXT-")} - left.keys()
    assert len(extra) <= 1
    assert left == {key: rules for key, rules in expected.items() if key not in extra}


@pytest.mark.parametrize("node", RECORDED_NODES)
def test_removal_ends(node: str, rule_tables: RuleTables) -> None:
    """After one removal there is nothing to remove, so felix and the kernel come to rest."""
    rule_tables.load(recorded("iptables", node))
    assert kube_proxy.in_force(rule_tables.saved())
    rule_tables.restore(kube_proxy.render_removal(rule_tables.saved()))
    assert not kube_proxy.in_force(rule_tables.saved())
    assert kube_proxy.render_removal(rule_tables.saved()) == ""


def test_chains_of_others_stay(rule_tables: RuleTables) -> None:
    """The kubelet's firewall and somebody's own chain are none of felix's business."""
    rule_tables.restore(
        "*filter\n:KUBE-FIREWALL - [0:0]\n:mine - [0:0]\n:KUBE-FORWARD - [0:0]\n"
        "-A FORWARD -j mine\n-A FORWARD -j KUBE-FORWARD\n-A FORWARD -j KUBE-FIREWALL\nCOMMIT\n"
    )
    rule_tables.restore(kube_proxy.render_removal(rule_tables.saved()))
    assert rule_tables.tables["filter"] == {
        "KUBE-FIREWALL": [],
        "mine": [],
        "FORWARD": ["-j mine", "-j KUBE-FIREWALL"],
    }
