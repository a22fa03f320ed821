"""One decision a node, and the reason where there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from harness.dataplane import deciding, evidence, felix_log, node_state, showing
from harness.dataplane.deciding import Reason
from harness.model import words

ASKED = frozenset({30180, 30181})
NONE: frozenset[int] = frozenset()
DEVICES = node_state.Devices(own=frozenset({"eth0"}), pods=frozenset({"cali1"}), tunnel="id 4096", pair=False)
READY: Mapping[str, frozenset[str]] = {
    name: frozenset({"v4Ready"}) for name in ("eth0", "cali1", "vxlan.calico", "bpfout.cali", "lo")
}
IPTABLES = evidence.Evidence(
    node="n1",
    asked=ASKED,
    packets={30180: 5, 30181: 7, 30999: 1},
    service_chains=frozenset({"KUBE-SERVICES"}),
    bpf=NONE,
    programs={},
    devices=DEVICES,
    connect=frozenset(),
    kube_proxy=True,
    proxy_mode="iptables",
    felix=felix_log.Felix(pid=1),
)
BPF = dataclasses.replace(
    IPTABLES,
    packets={},
    service_chains=frozenset(),
    bpf=ASKED,
    programs=READY,
    devices=dataclasses.replace(DEVICES, tunnel="external", pair=True),
    connect=frozenset({"calico_connect_v4"}),
    kube_proxy=False,
    proxy_mode="",
)
LOCKED = felix_log.Felix(pid=1, locked_out="05:53 lookup kind-control-plane: i/o timeout")


def changed(found: evidence.Evidence, **changes: object) -> evidence.Evidence:
    """The same evidence with something else in it."""
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def test_a_node_in_one_mode_has_its_name() -> None:
    """All that decides agrees."""
    assert deciding.decide(IPTABLES).dataplane is words.Dataplane.IPTABLES
    assert deciding.decide(BPF).dataplane is words.Dataplane.BPF
    assert deciding.decide(IPTABLES).findings == deciding.decide(BPF).findings == ()


@pytest.mark.parametrize(
    ("found", "reason", "detail"),
    [
        (changed(IPTABLES, trouble="no calico-node pod is running"), Reason.NOT_ASKED, "no calico-node pod"),
        (changed(BPF, bpf=None, silent={"nat": "no tool"}), Reason.NOT_ASKED, "no tool"),
        (changed(IPTABLES, programs=None, silent={"ifstate": "no tool"}), Reason.NOT_ASKED, "no tool"),
        (changed(BPF, packets=None, silent={"rules": "cut off"}), Reason.NOT_ASKED, "cut off"),
        (changed(IPTABLES, bpf=ASKED, programs=READY), Reason.BOTH, "iptables 30180, 30181, BPF 30180, 30181"),
        (changed(IPTABLES, bpf=frozenset({30180})), Reason.BOTH, "BPF 30180"),
        (changed(IPTABLES, packets={30999: 1}), Reason.NEITHER, "30180, 30181"),
        (changed(IPTABLES, packets={30180: 1}), Reason.PARTIAL, "not 30181"),
        (changed(BPF, bpf=frozenset({30181})), Reason.PARTIAL, "not 30180"),
        (changed(BPF, programs={}), Reason.NO_PROGRAMS, "cali1, eth0, vxlan.calico"),
        (changed(BPF, programs={**READY, "cali1": frozenset({"workload"})}), Reason.NO_PROGRAMS, "cali1"),
        (changed(BPF, programs={}, devices=None), Reason.NO_PROGRAMS, "eth0"),
        (changed(BPF, service_chains=frozenset({"KUBE-SERVICES"})), Reason.CHAINS_LEFT, "KUBE-SERVICES"),
        (changed(BPF, connection=False), Reason.NO_CONNECTION, ""),
        (changed(IPTABLES, programs={"eth0": frozenset({"v4Ready"})}), Reason.PROGRAMS_LEFT, "eth0"),
        (changed(IPTABLES, connect=frozenset({"calico_connect_v4"})), Reason.CONNECT_LEFT, "calico_connect_v4"),
        (changed(BPF, felix=LOCKED), Reason.LOCKED_OUT, "i/o timeout"),
        (changed(IPTABLES, felix=LOCKED), Reason.LOCKED_OUT, "i/o timeout"),
    ],
)
def test_anything_else_is_undecided_with_its_reason(found: evidence.Evidence, reason: Reason, detail: str) -> None:
    """Half a dataplane, two at once, one that is left over, and one that nobody keeps: no name, and what shows it."""
    decision = deciding.decide(found)
    assert (decision.dataplane, decision.reason) == (None, reason)
    assert detail in decision.detail
    assert reason.value in decision.summary


def test_a_rule_that_should_have_been_met_must_have_been() -> None:
    """A port that was dialled in between and whose counter stands still is not translated by that rule."""
    later = changed(IPTABLES, packets={30180: 25, 30181: 7})
    assert deciding.decide(later, IPTABLES, frozenset({30180})).dataplane is words.Dataplane.IPTABLES
    still = deciding.decide(later, IPTABLES, ASKED)
    assert (still.reason, still.detail) == (Reason.STILL, "30181")
    assert dict(still.lines)["KUBE-NODEPORTS"] == "30180 (+20), 30181 (+0)"


def test_counters_that_began_anew_have_moved() -> None:
    """kube-proxy that writes its rules anew starts them at 0, and a few packets are packets."""
    later = changed(IPTABLES, packets={30180: 3, 30181: 9})
    decision = deciding.decide(later, IPTABLES, ASKED)
    assert decision.dataplane is words.Dataplane.IPTABLES
    assert dict(decision.lines)["KUBE-NODEPORTS"] == "30180 (+3), 30181 (+2)"


@pytest.mark.parametrize(
    ("found", "finding"),
    [
        (changed(BPF, kube_proxy=True, proxy_mode="iptables"), "a kube-proxy still runs beside eBPF"),
        (
            changed(IPTABLES, felix=felix_log.Felix(pid=1, fallback="not supported")),
            "fell back silently: not supported",
        ),
        (changed(IPTABLES, settings={"all.rp_filter": 0, "eth0.rp_filter": 0}), "all.rp_filter 0"),
        (changed(IPTABLES, kube_proxy=False), "no kube-proxy runs"),
        (changed(IPTABLES, proxy_mode="nftables"), "kube-proxy's mode is nftables"),
        (changed(BPF, connect=None, silent={"cgroup": "no bpftool\nmore"}), "cgroup not known: no bpftool"),
    ],
)
def test_what_decides_nothing_is_a_finding(found: evidence.Evidence, finding: str) -> None:
    """It stands beside the decision and does not change it."""
    decision = deciding.decide(found)
    assert decision.dataplane is not None
    assert any(finding in item for item in decision.findings)
    assert finding in decision.summary


def test_settings_of_ebpf_mode_are_no_finding_in_ebpf_mode() -> None:
    """They are what that mode needs."""
    assert deciding.decide(changed(BPF, settings={"all.rp_filter": 0, "eth0.rp_filter": 2})).findings == ()


def test_mixed_nodes_are_one_sentence() -> None:
    """It names the nodes that are in another mode or undecided; no node at all is not every node."""
    other = changed(BPF, node="n2")
    assert deciding.trouble(deciding.decide_all([BPF, other]), words.Dataplane.BPF) == ""
    mixed = deciding.trouble(deciding.decide_all([IPTABLES, other]), words.Dataplane.BPF)
    assert mixed == "BPF is not in force on every node: n1: Iptables"
    undecided = deciding.decide_all([BPF, changed(other, programs={})])
    assert "n2: undecided (devices without programs" in deciding.trouble(undecided, words.Dataplane.BPF)
    assert "no node was asked" in deciding.trouble((), words.Dataplane.BPF)


def test_the_table_has_a_line_a_node() -> None:
    """In 100 columns whatever names and numbers there are, with what was found below, the same said once."""
    long = "ip-10-0-121-133.eu-central-1.compute.internal"
    many = {f"cali{number}": frozenset({"v4Ready"}) for number in range(250)} | dict(READY)
    nodes = [
        changed(BPF, node=long, programs=many, kube_proxy=True, proxy_mode="nftables"),
        changed(IPTABLES, bpf=ASKED),
    ]
    lines = showing.table(nodes, deciding.decide_all(nodes)).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1].startswith("ip-10-0-121-133.eu…  BPF       2 of 2   eth0, vxlan, 250 pods  external  1        none")
    assert lines[2].split()[:4] == ["n1", "?", "2", "of"]
    assert any(line.startswith("n1: undecided (two dataplanes at once") for line in lines[3:])
    two = [changed(IPTABLES, node=name, kube_proxy=False) for name in ("n1", "n2")]
    assert showing.table(two, deciding.decide_all(two)).splitlines()[3:] == [
        "every node: no kube-proxy runs that would keep these rules"
    ]
