"""kube-proxy: which NodePorts its rules translate, read from ``iptables-save`` and not from any declaration. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from harness.core import errors

_ENTRY = "PREROUTING"
_PORTS = "KUBE-NODEPORTS"


def reachable_node_ports(nat_table: str) -> frozenset[int]:
    """The TCP ports that a packet from outside can meet in ``KUBE-NODEPORTS``.

    A rule in a chain that nothing jumps to translates nothing, so the chain counts only if PREROUTING leads to it,
    and a port only if its rule leads on to a chain that exists. Rules for 127.0.0.0/8 are not for packets from outside.

    Raises:
        ParseError: A rule's quotes do not match.
    """
    rules = list(_rules(nat_table))
    if _PORTS not in _reachable_from(_ENTRY, rules):
        return frozenset()
    chains = {chain for chain, _ in rules}
    return frozenset(
        int(_option(words, "--dport"))
        for chain, words in rules
        if chain == _PORTS
        and _option(words, "-p") == "tcp"
        and _option(words, "-d") != "127.0.0.0/8"
        and _option(words, "--dport").isdigit()
        and _option(words, "-j") in chains
    )


def _rules(nat_table: str) -> Iterator[tuple[str, list[str]]]:
    table = ""
    for line in nat_table.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(("-A ", "[")) and table == "nat":
            words = _split(line)
            # With counters the line begins with [packets:bytes].
            start = words.index("-A")
            yield words[start + 1], words[start + 2 :]


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise errors.ParseError(f"iptables-save: {line!r}: {error}") from error


def _reachable_from(start: str, rules: list[tuple[str, list[str]]]) -> set[str]:
    reached, pending = {start}, [start]
    while pending:
        chain = pending.pop()
        targets = {_option(words, "-j") for owner, words in rules if owner == chain} - reached - {""}
        reached |= targets
        pending.extend(targets)
    return reached


def _option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words[:-1] else ""
