"""Every kind of evidence, and the decision, against what the nodes of a real cluster showed in every phase."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address

import pytest

from harness.core import errors
from harness.dataplane import deciding, evidence, node_state, showing
from harness.dataplane.deciding import Reason
from harness.model import words
from tests import recordings
from tests.contract import recorded_nodes

BPF, IPTABLES = words.Dataplane.BPF, words.Dataplane.IPTABLES
DECIDED = {"iptables": IPTABLES, "ebpf": BPF, "ebpf-noctlb": BPF, "reverted": IPTABLES}
NODES = sorted(recorded_nodes.NODES)
PODS = {"kind-control-plane": 1, "kind-worker": 8, "kind-worker2": 3}
EVERY_NODE = pytest.mark.parametrize("node", NODES)


@EVERY_NODE
@pytest.mark.parametrize("phase", sorted(DECIDED))
def test_a_settled_node_is_decided(phase: str, node: str) -> None:
    """There, without connect-time load balancing, and back: each by all of its evidence, none of it unread."""
    found = recorded_nodes.read(phase, node)
    assert found.silent == {}
    decision = deciding.decide(found)
    assert decision.dataplane is DECIDED[phase], decision.summary


@EVERY_NODE
def test_a_node_in_ebpf_mode_shows_all_of_it(node: str) -> None:
    """Programs on eth0, the overlay and every pod, the NAT map's entries, the flow-based tunnel, and no rules."""
    found = recorded_nodes.read("ebpf", node)
    assert found.devices is not None
    assert found.programs is not None
    assert found.devices.watched <= found.programs.keys()
    assert {"eth0", "vxlan.calico"} <= found.devices.watched
    assert len(found.devices.pods) == PODS[node]
    assert (found.devices.tunnel, found.devices.pair) == ("external", True)
    assert found.bpf == recorded_nodes.PORTS
    assert sorted(found.connect or ()) == ["calico_connect_v4", "calico_connect_v46"]
    assert (found.packets, found.service_chains) == ({}, frozenset())
    assert (found.kube_proxy, found.proxy_mode) == (False, "")
    assert node_state.changed(found.settings) == {"all.rp_filter": 0, "eth0.rp_filter": 2}


@EVERY_NODE
def test_a_node_in_iptables_mode_shows_all_of_it(node: str) -> None:
    """Rules that packets have met, a tunnel with its number, kube-proxy's own word, and nothing of BPF."""
    found = recorded_nodes.read("iptables", node)
    assert found.packets is not None
    assert found.packets.keys() >= recorded_nodes.PORTS
    assert any(found.packets[port] for port in recorded_nodes.PORTS)
    assert found.devices is not None
    assert (found.devices.tunnel, found.devices.pair) == ("id 4096", False)
    assert (found.bpf, found.programs) == (frozenset(), {})
    assert (found.kube_proxy, found.proxy_mode) == (True, "iptables")
    assert node_state.changed(found.settings) == {}
    assert deciding.decide(found).findings == ()


@EVERY_NODE
def test_what_ebpf_mode_leaves_behind_is_a_finding(node: str) -> None:
    """After the way back only rp_filter differs (finding 12); names of chains that stayed are none."""
    decision = deciding.decide(recorded_nodes.read("reverted", node))
    [finding] = decision.findings
    assert "all.rp_filter 0, eth0.rp_filter 2" in finding


def test_a_felix_that_is_locked_out_is_found_on_its_node_only() -> None:
    """Finding 11: the API's name could not be resolved any more, and the overlay's device stayed without programs."""
    found = [recorded_nodes.read("automatic-broken", node) for node in NODES]
    decisions = {item.node: item for item in deciding.decide_all(found)}
    assert {node: item.dataplane for node, item in decisions.items()} == {
        "kind-control-plane": BPF,
        "kind-worker": BPF,
        "kind-worker2": None,
    }
    assert decisions["kind-worker2"].reason is Reason.LOCKED_OUT
    assert "lookup kind-control-plane: i/o timeout" in decisions["kind-worker2"].detail
    assert "kind-worker2: undecided" in deciding.trouble(list(decisions.values()), BPF)
    healed = recorded_nodes.read("automatic-broken", "kind-worker2", log="")
    assert deciding.decide(healed).reason is Reason.NO_PROGRAMS
    assert deciding.decide(healed).detail == "vxlan.calico"


@EVERY_NODE
def test_nftables_is_not_taken_for_another(node: str) -> None:
    """Nothing that is read here translates, and kube-proxy itself says why."""
    decision = deciding.decide(recorded_nodes.read("nftables", node))
    assert decision.reason is Reason.NEITHER
    assert any("kube-proxy's mode is nftables" in finding for finding in decision.findings)


@EVERY_NODE
def test_a_switch_is_decided_at_every_step(node: str) -> None:
    """The recorded states one after the other, each with what is still there of the one before."""
    before, after = recorded_nodes.answers("iptables", node), recorded_nodes.answers("ebpf", node)
    back = recorded_nodes.answers("reverted", node)
    steps = [
        # kube-proxy is sent away, and its rules stay.
        (before, False, (IPTABLES, None)),
        # Felix has filled the NAT map, and is about to remove the rules.
        ({**before, "nat": after["nat"], "devices": after["devices"]}, False, (None, Reason.BOTH)),
        # The rules are gone, and the programs not attached.
        ({**after, "ifstate": before["ifstate"]}, False, (None, Reason.NO_PROGRAMS)),
        (after, False, (BPF, None)),
        # Back: the maps are gone first, and kube-proxy has not written its rules.
        ({**back, "rules": after["rules"]}, True, (None, Reason.NEITHER)),
        # Or its rules are there already.
        ({**after, "rules": back["rules"]}, True, (None, Reason.BOTH)),
        # Programs, and after those the ones at connect (calico#9620), can be left behind.
        ({**back, "ifstate": after["ifstate"]}, True, (None, Reason.PROGRAMS_LEFT)),
        ({**back, "cgroup": after["cgroup"]}, True, (None, Reason.CONNECT_LEFT)),
        (back, True, (IPTABLES, None)),
    ]
    found = [
        deciding.decide(
            evidence.read(recorded_nodes.NODES[node], recorded_nodes.PORTS, said, kube_proxy_runs=kube_proxy)
        )
        for said, kube_proxy, _ in steps
    ]
    assert [(item.dataplane, item.reason) for item in found] == [wanted for *_, wanted in steps]
    assert found[0].findings == ("no kube-proxy runs that would keep these rules",)


@EVERY_NODE
def test_a_counter_that_stands_still_proves_nothing(node: str) -> None:
    """The recorded rules, read again after connections that met one of them, or none."""
    text = str(recorded_nodes.answers("iptables", node)["rules"])
    moved = re.sub(r"^\[(\d+)(:\d+\] -A KUBE-NODEPORTS .*--dport 30180 )", _more, text, flags=re.MULTILINE)
    before = recorded_nodes.read("iptables", node)
    after = recorded_nodes.read("iptables", node, rules=moved)
    assert deciding.decide(after, before, frozenset({30180})).dataplane is IPTABLES
    assert deciding.decide(after, before, frozenset({30181})).reason is Reason.STILL
    assert deciding.decide(before, before, frozenset({30180})).reason is Reason.STILL


def _more(match: re.Match[str]) -> str:
    return f"[{int(match[1]) + 1}{match[2]}"


def test_the_probes_own_connection_is_in_the_recorded_map() -> None:
    """One sample of the recorded matrix, by its own address and port, on the node that it dialled."""
    matrix = json.loads((recordings.path() / "matrix" / "ebpf-noctlb.json").read_text())
    text = str(recorded_nodes.answers("ebpf-noctlb", "kind-worker")["conntrack"])
    line = next(line for line in text.splitlines() if line.startswith(f"TCP {matrix['client']}:"))
    source, dialled = (part.rpartition(":") for part in re.findall(r"[\d.]+:\d+", line)[:2])
    probe = evidence.Probe(
        source=(ip_address(source[0]), int(source[2])), dialled=(ip_address(dialled[0]), int(dialled[2]))
    )
    other = evidence.Probe(source=(probe.source[0], 1), dialled=probe.dialled)
    for asked, there in ((probe, True), (other, False)):
        said = recorded_nodes.answers("ebpf-noctlb", "kind-worker")
        node, ports = recorded_nodes.NODES["kind-worker"], recorded_nodes.PORTS
        found = evidence.read(node, ports, said, kube_proxy_runs=False, probe=asked)
        assert found.connection is there
        assert (deciding.decide(found).reason is Reason.NO_CONNECTION) is not there


@EVERY_NODE
@pytest.mark.parametrize("what", ["rules", "nat", "ifstate"])
@pytest.mark.parametrize("phase", ["iptables", "ebpf"])
def test_what_was_not_told_decides_nothing(phase: str, what: str, node: str) -> None:
    """A question that failed, or whose answer was cut off, makes the node undecided and never the other mode."""
    failed = recorded_nodes.read(phase, node, **{what: errors.ApiError(0, "Unreachable", "gone")})
    assert deciding.decide(failed).reason is Reason.NOT_ASKED
    cut = recorded_nodes.read(phase, node, **{what: '-A KUBE-NODEPORTS -m comment --comment "cut'})
    assert deciding.decide(cut).dataplane is not DECIDED[phase]


@pytest.mark.parametrize("phase", sorted(DECIDED))
def test_the_table_of_a_real_cluster_fits(phase: str) -> None:
    """Its nodes, each in one line of at most 100 columns."""
    found = [recorded_nodes.read(phase, node) for node in NODES]
    lines = showing.table(found, deciding.decide_all(found)).splitlines()
    assert max(map(len, lines)) <= 100
    assert [line.split()[:2] for line in lines[1:4]] == [[node, DECIDED[phase].value] for node in NODES]
