"""iptables rules as values, and as text in the words of ``iptables-save``. Pure.

One form serves both ways. What ``iptables-save`` prints is itself valid input for ``iptables-restore``, and comes
back from the kernel unchanged, so the rules that are predicted and the rules that are loaded are the same text.
The words follow iptables 1.8: addresses, interface and protocol first, then the matches in the order given, each
option in its canonical spelling (``--set-xmark`` for ``--or-mark``, ``/32`` behind a single address).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

TableName = Literal["filter", "nat", "mangle"]

# xt_statistic stores a probability as a whole number of 2**-31.
_PROBABILITY_UNIT = 0x80000000


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of one chain.

    Attributes:
        table: The table of the chain.
        chain: The chain that it belongs to.
        source: Source address or network; empty for any; ``!`` in front means everything else.
        destination: Destination address or network, in the same form.
        protocol: ``tcp``, ``udp`` or ``sctp``; empty for any.
        matches: Further matches, each as ``-m NAME …``, in order.
        target: What to do, with its options; empty for a rule that only counts.
    """

    table: TableName
    chain: str
    source: str = ""
    destination: str = ""
    protocol: str = ""
    matches: tuple[str, ...] = ()
    target: str = ""

    @property
    def body(self) -> str:
        """The rule without the chain that it belongs to."""
        words = [_address("-s", self.source), _address("-d", self.destination)]
        words += [f"-p {self.protocol}"] if self.protocol else []
        words += [*self.matches]
        words += [f"-j {self.target}"] if self.target else []
        return " ".join(word for word in words if word)

    @property
    def text(self) -> str:
        """The rule as ``iptables-save`` prints it."""
        return f"-A {self.chain} {self.body}"


@dataclass(frozen=True, kw_only=True)
class Ruleset:
    """Everything that kube-proxy writes on one node.

    Attributes:
        chains: Its chains that exist whether or not they hold a rule, by table.
        rules: All rules; within a chain their order counts.
    """

    chains: Mapping[TableName, tuple[str, ...]]
    rules: tuple[Rule, ...]

    def table(self, name: TableName) -> dict[str, list[str]]:
        """The chains of one table, sorted by name as ``iptables-save`` sorts them, with their rules as text."""
        chains: dict[str, list[str]] = {chain: [] for chain in self.chains.get(name, ())}
        for rule in self.rules:
            if rule.table == name:
                chains.setdefault(rule.chain, []).append(rule.text)
        return dict(sorted(chains.items()))


def render_table(name: TableName, chains: Mapping[str, Iterable[str]], extra: Iterable[str] = ()) -> str:
    """One table as text: its chains, their rules, then further commands for ``iptables-restore``."""
    lines = [f"*{name}", *(f":{chain} - [0:0]" for chain in chains)]
    lines += [rule for rules in chains.values() for rule in rules]
    return "\n".join([*lines, *extra, "COMMIT"]) + "\n"


def comment(text: str) -> str:
    """The match that carries a comment."""
    return f'-m comment --comment "{text}"'


def port_match(protocol: str, port: int = 0) -> str:
    """The protocol's own match, with the destination port if there is one."""
    return f"-m {protocol} --dport {port}" if port else f"-m {protocol}"


def probability(parts: int) -> str:
    """The match that takes one packet of so many, at random.

    kube-proxy writes ten decimals; the kernel rounds them to its own unit, and ``iptables-save`` prints eleven.
    """
    units = round(float(f"{1 / parts:.10f}") * _PROBABILITY_UNIT)
    return f"-m statistic --mode random --probability {units / _PROBABILITY_UNIT:.11f}"


def remember_source(name: str) -> str:
    """The match that notes the source address under a name; it always holds."""
    return f"-m recent --set --name {name} --mask 255.255.255.255 --rsource"


def remembered_source(name: str, seconds: int) -> str:
    """The match that holds for a source address noted under a name within so many seconds."""
    return f"-m recent --rcheck --seconds {seconds} --reap --name {name} --mask 255.255.255.255 --rsource"


def counted(name: str) -> str:
    """The match that counts in an nfacct object; the two blanks are ``iptables-save``'s."""
    return f"-m nfacct --nfacct-name  {name}"


def _address(flag: str, address: str) -> str:
    negated, plain = address.startswith("!"), address.removeprefix("!")
    # iptables-save leaves out a network that is everything.
    if not plain or plain.endswith("/0"):
        return ""
    return ("! " if negated else "") + f"{flag} {plain}" + ("" if "/" in plain else "/32")
