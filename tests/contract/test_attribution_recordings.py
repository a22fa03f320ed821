"""Every translation that the recorded nodes remember has the rule or the map's entry that made it."""

from __future__ import annotations

import pytest

from harness.dataplane import attribution, attribution_bpf, attribution_rules, attribution_ruleset
from harness.dataplane.attribution import Hop, Made
from harness.model import facts
from tests import recordings
from tests.contract import recorded_ways

KNOWN = recorded_ways.known()
PHASES = ("iptables", "reverted")


def explained(phase: str, node: facts.Node) -> list[tuple[Hop, attribution.Changed, Made | None]]:
    """Every change of a node's table, with who made it."""
    rules = attribution_ruleset.parse(recorded_ways.text(phase, node.name, "iptables-save.txt"))
    around = attribution_rules.surroundings(node, KNOWN)
    return [
        (hop, changed, attribution_rules.explain(hop, changed, rules, rules, around))
        for hop in recorded_ways.hops(phase, node)
        for changed in attribution.changed(hop)
    ]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("node", KNOWN.nodes, ids=lambda node: node.name)
def test_every_recorded_translation_has_its_rule(phase: str, node: facts.Node) -> None:
    """A destination by an endpoint's own DNAT, a source by kube-proxy's masquerade or by Calico's own."""
    found, pool = explained(phase, node), attribution_rules.surroundings(node, KNOWN).pool
    assert len(found) > 40
    for hop, changed, made in found:
        assert made is not None, f"{changed} of {hop.before.text} => {hop.after.text}"
        if changed == "destination":
            assert made.by.startswith("nat KUBE-SEP-")
            assert f"DNAT to {hop.after.destination}:{hop.after.port}" in made.by
        elif made.by.startswith("nat cali-nat-outgoing rule 1"):
            assert hop.before.source in pool
            assert hop.after.destination not in pool
        else:
            assert made.by.startswith("nat KUBE-POSTROUTING rule 3")
            # What only leaves Calico's pools, translated by no Service, is never kube-proxy's.
            assert "destination" in attribution.changed(hop)


def test_a_masquerade_names_the_rule_that_asked_for_it() -> None:
    """The mark that KUBE-POSTROUTING looks for was set where the Service's external destinations are masqueraded."""
    marked = [
        made.by
        for node in KNOWN.nodes
        for hop, changed, made in explained("iptables", node)
        if made is not None
        and changed == "source"
        and hop.before.port in (30180, 30200)
        and "KUBE-POSTROUTING" in made.by
    ]
    assert marked
    assert all("for the mark 0x4000 of KUBE-EXT-" in by for by in marked)
    assert all('rule 1 "masquerade traffic for ' in by for by in marked)


@pytest.mark.parametrize("node", KNOWN.nodes, ids=lambda node: node.name)
def test_rules_of_another_mode_explain_nothing(node: facts.Node) -> None:
    """In eBPF mode kube-proxy's chains are cut, so the translations of before have no rule there any more."""
    rules = attribution_ruleset.parse(recorded_ways.text("ebpf", node.name, "iptables-save.txt"))
    around = attribution_rules.surroundings(node, KNOWN)
    hops = [hop for hop in recorded_ways.hops("iptables", node) if hop.before.port in (30180, 30200, 30202)]
    assert hops
    for hop in hops:
        if "destination" in attribution.changed(hop):
            assert attribution_rules.explain(hop, "destination", rules, rules, around) is None


@pytest.mark.parametrize("node", KNOWN.nodes, ids=lambda node: node.name)
def test_every_recorded_connection_of_a_program_has_its_entry(node: facts.Node) -> None:
    """What was dialled and the backend that the connection map remembers are a frontend and a backend of the NAT map.

    The recorded dump of the NAT map is whole; a Service that had gone by then has no frontend and is left out.
    """
    there = attribution_bpf.maps(
        recorded_ways.text("ebpf", node.name, "bpf-nat.txt"), recorded_ways.text("ebpf", node.name, "bpf-ifstate.txt")
    )
    found = attribution_bpf.connections(recorded_ways.text("ebpf", node.name, "bpf-conntrack.txt"))
    assert len(found) > 100
    changed = [Hop(node=node.name, before=came, after=after) for came, after in found.items() if came != after]
    assert changed
    for hop in changed:
        made = attribution_bpf.explain(hop, "destination", there, attribution_bpf.Origin())
        assert made is not None, f"{hop.before.text} => {hop.after.text}"
        assert made.by.startswith("BPF program at eth0 (entry), NAT map ")
        assert made.by.endswith(f" {hop.after.destination}:{hop.after.port}")


def test_a_node_outside_of_ebpf_mode_has_no_map() -> None:
    """What the dumps print where there are no maps is no connection and no frontend."""
    there = attribution_bpf.maps(
        recorded_ways.text("iptables", "kind-worker", "bpf-nat.txt"),
        recorded_ways.text("iptables", "kind-worker", "bpf-ifstate.txt"),
        recorded_ways.text("iptables", "kind-worker", "bpftool-net.json"),
    )
    assert there == attribution_bpf.Maps()
    assert attribution_bpf.connections(recorded_ways.text("iptables", "kind-worker", "bpf-conntrack.txt")) == {}


def test_programs_are_named_where_a_tool_tells() -> None:
    """bpftool 7.5 lists what is attached by TCX, so that Calico's program is told by its name."""
    shown = (recordings.path() / "pcap" / "ebpf-bpftool-net-kind-worker.json").read_text()
    programs = attribution_bpf.program_names(shown)
    assert programs["eth0"] == programs["vxlan.calico"] == "cali_tc_preamble"
    there = attribution_bpf.maps("", recorded_ways.text("ebpf", "kind-worker", "bpf-ifstate.txt"), shown)
    origin = attribution_bpf.Origin(handed=True)
    assert attribution_bpf.program(there, origin) == "BPF program cali_tc_preamble at vxlan.calico (entry)"
