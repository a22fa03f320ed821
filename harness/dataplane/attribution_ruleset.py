"""iptables-save's text as rules, with their counters and with what each of them matches on. Pure."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from harness.core import errors

_RULE = re.compile(r"(?:\[(?P<packets>\d+):\d+\] )?-A (?P<chain>\S+) (?P<rest>.*)")
# Options that take no value, those whose value decides nothing, and those with two.
_SILENT = ("--limit-iface-out", "--limit-iface-in", "--random-fully", "--random")
_EMPTY = ("--comment", "--nfacct-name", "--mode")
_TWO = ("--match-set",)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        chain: Its chain.
        position: Its place there, from 1, as ``iptables -L --line-numbers`` counts.
        words: The rule as iptables-save prints it, without its chain.
        packets: How many packets it has matched.
    """

    chain: str
    position: int
    words: tuple[str, ...]
    packets: int = 0

    @property
    def target(self) -> str:
        """What it does or where it jumps to; empty for a rule that only counts."""
        return self.option("-j") or self.option("-g")

    @property
    def comment(self) -> str:
        """Its comment, or nothing."""
        return self.option("--comment")

    def option(self, name: str) -> str:
        """What follows an option; empty if the rule does not have it."""
        return self.words[self.words.index(name) + 1] if name in self.words[:-1] else ""

    @property
    def text(self) -> str:
        """Where it is, with its comment."""
        return f"{self.chain} rule {self.position}" + (f' "{self.comment}"' if self.comment else "")


Ruleset = Mapping[str, tuple[Rule, ...]]
"""The rules of one table by chain."""


def parse(saved: str, table: str = "nat") -> dict[str, tuple[Rule, ...]]:
    """One table of what ``iptables-save -c`` printed, or all that it printed where it names no table.

    Raises:
        ParseError: A rule's quotes do not match.
    """
    chains: dict[str, list[Rule]] = {}
    current = table
    for line in saved.splitlines():
        current = line[1:] if line.startswith("*") else current
        match = _RULE.fullmatch(line.strip())
        if match is None or current != table:
            continue
        try:
            words = tuple(shlex.split(match["rest"]))
        except ValueError as error:
            raise errors.ParseError(f"iptables-save: {line}: {error}") from error
        rules = chains.setdefault(match["chain"], [])
        rules.append(
            Rule(chain=match["chain"], position=len(rules) + 1, words=words, packets=int(match["packets"] or 0))
        )
    return {chain: tuple(rules) for chain, rules in chains.items()}


@dataclass(frozen=True, kw_only=True)
class Match:
    """One condition of a rule.

    Attributes:
        option: Its name, such as ``--dport``.
        value: Its value or values.
        negated: Whether it must not hold.
        group: The words of the match module that it belongs to.
    """

    option: str
    value: str
    negated: bool
    group: tuple[str, ...]


def matches(rule: Rule) -> list[Match]:
    """What a rule matches on."""
    ends = [index for index, word in enumerate(rule.words) if word in ("-j", "-g")]
    words = rule.words[: ends[0]] if ends else rule.words
    starts = [0, *(index for index, word in enumerate(words) if word == "-m"), len(words)]
    return [item for first, last in itertools.pairwise(starts) for item in _options(words[first:last])]


def _options(group: tuple[str, ...]) -> list[Match]:
    found = []
    negated, index = False, 2 if group[:1] == ("-m",) else 0
    while index < len(group):
        word = group[index]
        if word == "!":
            negated, index = True, index + 1
            continue
        taken = 0 if word in _SILENT else 2 if word in _TWO else 1
        if word not in _SILENT + _EMPTY:
            value = " ".join(group[index + 1 : index + 1 + taken])
            found.append(Match(option=word, value=value, negated=negated, group=group))
        negated, index = False, index + 1 + taken
    return found
