"""Which NodePorts iptables rules really translate."""

from __future__ import annotations

import pytest

from harness.core import errors
from harness.dataplane import kube_proxy

JUMP = '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES'
LAST = "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
PORT = '-A KUBE-NODEPORTS -p tcp -m comment --comment "a/b:http" -m tcp --dport 30180 -j KUBE-EXT-A'
TARGET = "-A KUBE-EXT-A -j KUBE-MARK-MASQ"


def table(*rules: str, name: str = "nat") -> str:
    """What iptables-save prints for these rules."""
    return "\n".join(["# Generated", f"*{name}", ":PREROUTING ACCEPT [0:0]", *rules, "COMMIT", ""])


def test_a_port_that_prerouting_leads_to_is_in_force() -> None:
    """The whole way from PREROUTING to an existing target is there."""
    assert kube_proxy.reachable_node_ports(table(JUMP, LAST, PORT, TARGET)) == {30180}


def test_counters_in_front_do_not_matter() -> None:
    """``iptables-save -c`` puts them before each rule."""
    counted = [f"[12:345] {rule}" for rule in (JUMP, LAST, PORT, TARGET)]
    assert kube_proxy.reachable_node_ports(table(*counted)) == {30180}


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param((LAST, PORT, TARGET), id="nothing leads there"),
        pytest.param((JUMP, PORT, TARGET), id="the last jump is gone"),
        pytest.param((JUMP, LAST, PORT), id="the target is gone"),
        pytest.param((JUMP, LAST, PORT.replace("-p tcp", "-p udp"), TARGET), id="another protocol"),
        pytest.param((JUMP, LAST, PORT.replace("-p tcp", "-d 127.0.0.0/8 -p tcp"), TARGET), id="loopback only"),
        pytest.param((JUMP, LAST, TARGET), id="no rule for the port"),
    ],
)
def test_rules_without_a_way_to_them_are_not_in_force(rules: tuple[str, ...]) -> None:
    """Rules that no packet from outside can meet prove nothing."""
    assert kube_proxy.reachable_node_ports(table(*rules)) == frozenset()


def test_another_tables_rules_do_not_count() -> None:
    """The filter table has chains of the same names."""
    filtered = table(JUMP, LAST, PORT, TARGET, name="filter")
    assert kube_proxy.reachable_node_ports(filtered + table()) == frozenset()


def test_open_quotes_are_an_error() -> None:
    """A dump that was cut off is not read as one without rules."""
    with pytest.raises(errors.ParseError, match="iptables-save"):
        kube_proxy.reachable_node_ports(table(JUMP, '-A KUBE-SERVICES -m comment --comment "cut'))


def test_the_counter_of_a_ports_rule_is_read() -> None:
    """Packets, not bytes; several rules of one port count together, and without counters there is nothing to count."""
    counted = [
        f"[{packets}:9000] {rule}" for packets, rule in ((7, JUMP), (8, LAST), (5, PORT), (6, PORT), (1, TARGET))
    ]
    assert kube_proxy.node_port_packets(table(*counted)) == {30180: 11}
    assert kube_proxy.node_port_packets(table(JUMP, LAST, PORT, TARGET)) == {30180: 0}


def test_chains_that_nothing_leads_to_are_not_in_force() -> None:
    """After a switch names of chains stay; what counts is whether a packet can meet them."""
    left = ("-A KUBE-EXT-A -j KUBE-SVC-A", "-A KUBE-SVC-A -j KUBE-SEP-A", "-A POSTROUTING -j KUBE-POSTROUTING")
    assert kube_proxy.reachable_service_chains(table(*left)) == frozenset()
    assert kube_proxy.reachable_service_chains(table("-A OUTPUT -j KUBE-SERVICES", *left)) == {"KUBE-SERVICES"}
    assert kube_proxy.reachable_service_chains(table(JUMP, LAST, PORT, *left)) == {
        "KUBE-SERVICES",
        "KUBE-NODEPORTS",
        "KUBE-EXT-A",
        "KUBE-SVC-A",
        "KUBE-SEP-A",
    }


@pytest.mark.parametrize(
    "text",
    ["iptables-save: Permission denied", table(JUMP, LAST, name="filter"), table(JUMP, LAST).replace("COMMIT", "")],
)
def test_a_table_that_is_not_whole_is_an_error(text: str) -> None:
    """An error message, another table and a cut off one are not read as a node without rules."""
    with pytest.raises(errors.ParseError, match="whole nat table"):
        kube_proxy.node_port_packets(text)


def test_a_kernel_without_the_table_has_no_rules() -> None:
    """Then iptables-save prints nothing at all."""
    assert kube_proxy.node_port_packets("") == {}
