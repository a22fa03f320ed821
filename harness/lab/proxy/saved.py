"""Reading what ``iptables-save`` printed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_COUNTERS = re.compile(r"^\[\d+:\d+\] ")


@dataclass(frozen=True, kw_only=True)
class SavedTable:
    """One table as ``iptables-save`` printed it, counters left out.

    Attributes:
        chains: All chains in the order printed, each with its rules as text (``-A CHAIN …``).
    """

    chains: Mapping[str, tuple[str, ...]]

    def kube_chains(self) -> dict[str, list[str]]:
        """The chains whose names begin with ``KUBE-``."""
        return {name: list(found) for name, found in self.chains.items() if name.startswith("KUBE-")}


EMPTY = SavedTable(chains={})


def tables_from_text(text: str) -> dict[str, SavedTable]:
    """Read the tables in ``iptables-save``'s output, by name; what is no chain and no rule is passed over."""
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains.setdefault(line[1:].split(" ", 1)[0], [])
        elif rule := _rule(line):
            chains.setdefault(rule.split(" ", 2)[1], []).append(rule)
    return {name: _table(found) for name, found in tables.items()}


def _rule(line: str) -> str:
    plain = _COUNTERS.sub("", line)
    return plain if plain.startswith("-A ") else ""


def _table(chains: Mapping[str, list[str]]) -> SavedTable:
    return SavedTable(chains={name: tuple(found) for name, found in chains.items()})
