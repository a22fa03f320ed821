"""kube-proxy: which NodePorts its rules translate, read from ``iptables-save`` and not from any declaration. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from harness.core import errors

_ENTRY = "PREROUTING"
_PORTS = "KUBE-NODEPORTS"
_BASES = ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
_SERVICES = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-SEP-", "KUBE-FW-")


def reachable_node_ports(nat_table: str) -> frozenset[int]:
    """The TCP ports that a packet from outside can meet in ``KUBE-NODEPORTS``; raises ParseError."""
    return frozenset(node_port_packets(nat_table))


def node_port_packets(nat_table: str) -> dict[int, int]:
    """How many packets have met the rule of each TCP port that a packet from outside can meet in ``KUBE-NODEPORTS``.

    A rule in a chain that nothing jumps to translates nothing, so the chain counts only if PREROUTING leads to it,
    and a port only if its rule leads on to a chain that exists. Rules for 127.0.0.0/8 are not for packets from outside.
    Without counters in the text every count is 0.

    Raises:
        ParseError: The table is not whole, or a rule's quotes do not match.
    """
    rules = list(_rules(nat_table))
    if _PORTS not in _reachable_from({_ENTRY}, rules):
        return {}
    chains = {rule.chain for rule in rules}
    packets: dict[int, int] = {}
    for rule in rules:
        if rule.chain == _PORTS and _is_from_outside(rule.words) and _option(rule.words, "-j") in chains:
            port = int(_option(rule.words, "--dport"))
            packets[port] = packets.get(port, 0) + rule.packets
    return packets


def _is_from_outside(words: list[str]) -> bool:
    loopback = _option(words, "-d") == "127.0.0.0/8"
    return _option(words, "-p") == "tcp" and not loopback and _option(words, "--dport").isdigit()


def reachable_service_chains(nat_table: str) -> frozenset[str]:
    """The chains that translate Services and that a packet can meet, whatever they are called besides; ParseError.

    Names alone say nothing: after a switch ``KUBE-EXT-*`` and others stay, and nothing leads to them (facts/calico.md
    0.9). ``KUBE-POSTROUTING`` and kubelet's own chains are reachable in every mode and translate no Service.
    """
    reached = _reachable_from(set(_BASES), list(_rules(nat_table)))
    return frozenset(chain for chain in reached if chain.startswith(_SERVICES))


@dataclass(frozen=True, kw_only=True)
class _Rule:
    chain: str
    words: list[str]
    packets: int


def _rules(nat_table: str) -> Iterator[_Rule]:
    # A kernel without the table has nothing to print; anything else must have it whole, or it proves nothing.
    if nat_table.strip() and "COMMIT" not in nat_table.partition("*nat")[2]:
        raise errors.ParseError(f"iptables-save: no whole nat table: {nat_table.strip()[-120:]!r}")
    table = ""
    for line in nat_table.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(("-A ", "[")) and table == "nat":
            words = _split(line)
            # With counters the line begins with [packets:bytes].
            start = words.index("-A")
            packets = int(words[0][1:].partition(":")[0]) if start else 0
            yield _Rule(chain=words[start + 1], words=words[start + 2 :], packets=packets)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise errors.ParseError(f"iptables-save: {line!r}: {error}") from error


def _reachable_from(start: set[str], rules: list[_Rule]) -> set[str]:
    led_to: dict[str, set[str]] = {}
    for rule in rules:
        led_to.setdefault(rule.chain, set()).add(_option(rule.words, "-j"))
    reached, pending = set(start), list(start)
    while pending:
        targets = led_to.get(pending.pop(), set()) - reached - {""}
        reached |= targets
        pending.extend(targets)
    return reached


def _option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words[:-1] else ""
