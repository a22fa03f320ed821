"""Rules as values, and in the words of iptables-save."""

from __future__ import annotations

import pytest

from harness.lab.proxy import rules


def test_a_rule_has_its_addresses_first_and_its_target_last() -> None:
    """The words come in iptables-save's order, whatever the order of the arguments."""
    rule = rules.Rule(
        table="nat",
        chain="KUBE-SVC-X",
        target="KUBE-MARK-MASQ",
        matches=(rules.comment("a/b:c cluster IP"), rules.port_match("tcp", 80)),
        protocol="tcp",
        destination="10.96.0.1",
        source="!10.244.0.0/16",
    )
    assert rule.text == (
        "-A KUBE-SVC-X ! -s 10.244.0.0/16 -d 10.96.0.1/32 -p tcp"
        ' -m comment --comment "a/b:c cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ'
    )


@pytest.mark.parametrize(
    ("parts", "printed"),
    [(2, "0.50000000000"), (3, "0.33333333349"), (4, "0.25000000000"), (5, "0.20000000019"), (7, "0.14285714272")],
)
def test_a_probability_is_printed_as_the_kernel_keeps_it(parts: int, printed: str) -> None:
    """Ten decimals go in, eleven decimals of a multiple of 2**-31 come out."""
    assert rules.probability(parts).endswith(f"--probability {printed}")


def test_a_network_of_everything_is_left_out() -> None:
    """iptables-save does not print 0.0.0.0/0."""
    assert rules.Rule(table="nat", chain="A", source="0.0.0.0/0", target="B").text == "-A A -j B"


def test_a_table_lists_its_chains_by_name() -> None:
    """Chains are sorted, with those that hold nothing, and each keeps the order of its rules."""
    wanted = rules.Ruleset(
        chains={"nat": ("Z", "M")},
        rules=(
            rules.Rule(table="nat", chain="Z", target="two"),
            rules.Rule(table="filter", chain="F", target="elsewhere"),
            rules.Rule(table="nat", chain="A", target="one"),
            rules.Rule(table="nat", chain="Z", target="three"),
        ),
    )
    assert wanted.table("nat") == {"A": ["-A A -j one"], "M": [], "Z": ["-A Z -j two", "-A Z -j three"]}
    assert list(wanted.table("nat")) == ["A", "M", "Z"]


def test_a_rendered_table_can_be_restored() -> None:
    """A table is its name, its chains, its rules, further commands and a commit."""
    text = rules.render_table("nat", {"A": ["-A A -j B"], "B": []}, ["-X C"])
    assert text == "*nat\n:A - [0:0]\n:B - [0:0]\n-A A -j B\n-X C\nCOMMIT\n"
