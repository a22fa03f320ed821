"""Walking the nat table for one flow: what must hold, what may hold, and what the walk must not believe."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest

from harness.core import errors
from harness.dataplane import attribution_rules, attribution_ruleset
from harness.dataplane.attribution import Changed, Flow, Hop, Made
from tests import builders

CAME = Flow(protocol="TCP", source=builders.CLIENT, source_port=40000, destination=ip_address("172.18.0.2"), port=30180)
WENT = Flow(
    protocol="TCP",
    source=ip_address("10.244.82.0"),
    source_port=51111,
    destination=ip_address("10.244.162.134"),
    port=80,
)
HOP = Hop(node="kind-control-plane", before=CAME, after=WENT)
AROUND = attribution_rules.surroundings(builders.NODES[0], builders.known())
RULES = """*filter
[9:9] -A PREROUTING -j DNAT --to-destination 10.244.162.134:80
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
[5:300] -A PREROUTING -m comment --comment "service portals" -j KUBE-SERVICES
[5:300] -A POSTROUTING -m comment --comment "postrouting rules" -j KUBE-POSTROUTING
[0:0] -A KUBE-SERVICES -d 10.96.64.51/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A
[5:300] -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
[0:0] -A KUBE-NODEPORTS -d 127.0.0.0/8 -p tcp -m tcp --dport 30180 -m nfacct --nfacct-name  x -j KUBE-EXT-A
[5:300] -A KUBE-NODEPORTS -p tcp -m tcp --dport 30180 -j KUBE-EXT-A
[5:300] -A KUBE-EXT-A -m comment --comment "masquerade external" -j KUBE-MARK-MASQ
[5:300] -A KUBE-EXT-A -j KUBE-SVC-A
[5:300] -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
[2:120] -A KUBE-SVC-A -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-B
[3:180] -A KUBE-SVC-A -j KUBE-SEP-C
[0:0] -A KUBE-SEP-B -s 10.244.110.130/32 -j KUBE-MARK-MASQ
[2:120] -A KUBE-SEP-B -p tcp -m tcp -j DNAT --to-destination 10.244.110.130:80
[3:180] -A KUBE-SEP-C -p tcp -m comment --comment "a:http" -m tcp -j DNAT --to-destination 10.244.162.134:80
[1:60] -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
[5:300] -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
[5:300] -A KUBE-POSTROUTING -j MASQUERADE --random-fully
COMMIT
"""
MASQUERADE = "-j MASQUERADE --random-fully"


def made(changed: Changed, *, rules: str = RULES, hop: Hop = HOP, before: str = RULES) -> Made | None:
    """Who made a change of the hop."""
    return attribution_rules.explain(
        hop, changed, attribution_ruleset.parse(rules), attribution_ruleset.parse(before), AROUND
    )


def test_a_destination_is_the_endpoints_own_rule() -> None:
    """Through chance's other half to the endpoint that the kernel remembers, with the jumps on the way."""
    found = made("destination")
    assert found is not None
    assert found.by == (
        'nat KUBE-SEP-C rule 1 "a:http": DNAT to 10.244.162.134:80, '
        "by KUBE-NODEPORTS rule 2 > KUBE-EXT-A rule 2 > KUBE-SVC-A rule 2"
    )


def test_a_source_is_the_masquerade_and_who_asked_for_it() -> None:
    """The mark counts where it was set, not where it is taken away again."""
    found = made("source")
    assert found is not None
    assert found.by == (
        'nat KUBE-POSTROUTING rule 3: MASQUERADE, for the mark 0x4000 of KUBE-EXT-A rule 1 "masquerade external"'
    )


def test_the_counters_movement_is_the_evidence() -> None:
    """A counter that moved, one that was set back, and a rule that was not there before."""
    found = made("destination", before=RULES.replace("[3:180] -A KUBE-SEP-C", "[1:60] -A KUBE-SEP-C"))
    assert found == Made(by=found.by if found else "", evidence="counter +2")
    found = made("destination", before=RULES.replace("[3:180] -A KUBE-SEP-C", "[9:60] -A KUBE-SEP-C"))
    assert found is not None
    assert found.evidence == "its counter was set back meanwhile"
    found = made("destination", before="")
    assert found is not None
    assert found.evidence == "the rule is new since the samples began"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--to-destination 10.244.162.134:80", "--to-destination 10.244.162.134:81"),
        ("-A KUBE-NODEPORTS -p tcp -m tcp --dport 30180", "-A KUBE-NODEPORTS -p udp -m udp --dport 30180"),
        ("-A KUBE-NODEPORTS -p tcp -m tcp --dport 30180", "-A KUBE-NODEPORTS -p tcp -m tcp --dport 30181"),
        ("-A KUBE-SERVICES -m addrtype --dst-type LOCAL", "-A KUBE-SERVICES -m addrtype ! --dst-type LOCAL"),
        ("-A KUBE-EXT-A -j KUBE-SVC-A", "-A KUBE-EXT-A -j RETURN"),
        ("-j KUBE-SERVICES", "-j KUBE-ELSEWHERE"),
        ("-A KUBE-EXT-A -j KUBE-SVC-A", "-A KUBE-EXT-A -j ACCEPT"),
    ],
)
def test_a_rule_that_such_a_flow_does_not_reach_explains_nothing(old: str, new: str) -> None:
    """The right rule in the table is not enough: the flow must come there."""
    assert old in RULES
    assert made("destination", rules=RULES.replace(old, new)) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-j MARK --set-xmark 0x4000/0x4000", "-j MARK --set-xmark 0x8000/0x8000"),
        (MASQUERADE, "-j SNAT --to-source 10.9.9.9"),
        (MASQUERADE, "-j RETURN"),
    ],
)
def test_a_masquerade_that_was_not_asked_for_explains_nothing(old: str, new: str) -> None:
    """Without the mark, and with another source than the kernel remembers, it was somebody else."""
    assert old in RULES
    assert made("source", rules=RULES.replace(old, new)) is None


def test_an_address_that_is_not_the_nodes_is_no_masquerade() -> None:
    """MASQUERADE gives an address of the node's own; another one must come from another rule."""
    strange = dataclasses.replace(HOP, after=dataclasses.replace(WENT, source=ip_address("10.9.9.9")))
    assert made("source", hop=strange) is None
    snat = RULES.replace(MASQUERADE, "-j SNAT --to-source 10.9.9.9")
    found = made("source", hop=strange, rules=snat)
    assert found is not None
    assert "SNAT to 10.9.9.9" in found.by


def test_what_the_node_sends_itself_meets_output() -> None:
    """A flow of the node's own never comes in, so PREROUTING does not explain it."""
    own = dataclasses.replace(HOP, local=True)
    assert made("destination", hop=own) is None
    assert made("destination", hop=own, rules=RULES.replace("-A PREROUTING", "-A OUTPUT")) is not None


def test_a_rule_that_translates_first_leaves_nothing_to_later_ones() -> None:
    """A flow that certainly meets another translation never comes to the one that would explain it."""
    first = "-A KUBE-NODEPORTS -p tcp -m tcp --dport 30180 -j DNAT --to-destination 10.9.9.9:80\n"
    place = RULES.index("[5:300] -A KUBE-NODEPORTS -p tcp")
    assert made("destination", rules=RULES[:place] + first + RULES[place:]) is None
    perhaps = first.replace("-j DNAT", "-m recent --rcheck -j DNAT")
    assert made("destination", rules=RULES[:place] + perhaps + RULES[place:]) is not None


def test_a_loop_of_jumps_ends() -> None:
    """Rules that lead in a circle, which a kernel refuses but a text may have, end the walk."""
    assert made("destination", rules="*nat\n-A PREROUTING -j A\n-A A -j B\n-A B -j A\n") is None


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("-p tcp -m tcp --dport 80:90 -j X", [("-p", "tcp", False), ("--dport", "80:90", False)]),
        ("! -s 10.0.0.0/8 -m mark ! --mark 0x1/0x1 -j X", [("-s", "10.0.0.0/8", True), ("--mark", "0x1/0x1", True)]),
        ("-m set ! --match-set pools dst -j X", [("--match-set", "pools dst", True)]),
        ("-m addrtype --src-type LOCAL --limit-iface-out -j X", [("--src-type", "LOCAL", False)]),
        ('-m comment --comment "a -j b" -j X', []),
    ],
)
def test_a_rules_matches_are_read(words: str, wanted: list[tuple[str, str, bool]]) -> None:
    """Option, value and negation; a comment is none, whatever it says."""
    (rule,) = attribution_ruleset.parse(f"*nat\n-A C {words}\n")["C"]
    assert [(item.option, item.value, item.negated) for item in attribution_ruleset.matches(rule)] == wanted


def test_quotes_that_do_not_match_are_an_error() -> None:
    """A text that can't be read is not half read."""
    with pytest.raises(errors.ParseError, match="iptables-save"):
        attribution_ruleset.parse('*nat\n-A C -m comment --comment "x -j Y\n')
