"""``iptables-save``'s text as data. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core import errors

_CHAIN = re.compile(r":(\S+) \S+(?: \[\d+:\d+\])?")
_RULE = re.compile(r"(?:\[\d+:\d+\] )?-A (\S+)(?: (.*))?")


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table.

    Attributes:
        chains: Each chain's rules in order, without ``-A CHAIN`` and without counters.
    """

    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


EMPTY = Table()


def tables(text: str) -> dict[str, Table]:
    """Parse the output of ``iptables-save``, with or without counters.

    Raises:
        ParseError: A line is neither a table, a chain, a rule nor a comment.
    """
    found: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = found.setdefault(line[1:], {})
        elif chain := _CHAIN.fullmatch(line):
            chains.setdefault(chain[1], [])
        elif rule := _RULE.fullmatch(line):
            chains.setdefault(rule[1], []).append(rule[2] or "")
        elif line and line != "COMMIT" and not line.startswith("#"):
            raise errors.ParseError(f"iptables-save: {line!r}")
    return {
        name: Table(chains={chain: tuple(rules) for chain, rules in table.items()}) for name, table in found.items()
    }
