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
    assert kube_proxy.reachable_node_ports(table(JUMP, LAST, PORT, TARGET, name="filter")) == frozenset()


def test_open_quotes_are_an_error() -> None:
    """A dump that was cut off is not read as one without rules."""
    with pytest.raises(errors.ParseError, match="iptables-save"):
        kube_proxy.reachable_node_ports(table(JUMP, '-A KUBE-SERVICES -m comment --comment "cut'))
