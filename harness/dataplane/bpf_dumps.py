"""What ``calico-node -bpf … dump`` prints of one node's maps. Pure.

The formats are those of the recordings (``nodes/PHASE/NODE/bpf-*.txt``, Calico v3.32.1). A dump of maps that are not
there says so in an error of its own, and that is what it is in iptables mode and after the way back. Programs are
read from ``ifstate dump`` because neither ``tc filter`` nor an old bpftool shows those that are attached by TCX
(finding 13).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from harness.core import errors
from harness.model import facts

_FRONTEND = re.compile(
    r"(?P<address>\S+) port (?P<port>\d+) proto (?P<protocol>\d+) id \d+ count (?P<count>\d+) local (?P<local>\d+)"
    r"(?: flags (?P<flags>.+))?"
)
_BACKEND = re.compile(r"\t\d+:\d+\t .+")
_INTERFACE = re.compile(r" *\d+ : \{flags: (?P<flags>\S*), .*name: (?P<name>\S+)\}")
_CONNECTION = re.compile(
    r"(?P<protocol>TCP|UDP|ICMP|\d+) (?P<source>\S+:\d+) -> (?P<dialled>\S+:\d+)(?: -> \S+:\d+)?(?: |$)"
)
_ABSENT = ("no such file or directory", "there are no BPF maps")
_TCP = 6
READY = "v4Ready"


@dataclass(frozen=True, kw_only=True)
class Frontend:
    """One entry of the NAT map.

    Attributes:
        address: What is dialled; 255.255.255.255 stands for any node.
        port: The port.
        protocol: The protocol's number.
        count: How many backends stand behind it.
        local: How many of these are on this node.
        flags: ``external-local`` and ``internal-local``, where the policy is Local.
    """

    address: str
    port: int
    protocol: int
    count: int
    local: int
    flags: frozenset[str]


def frontends(dump: str) -> tuple[Frontend, ...]:
    """The entries of ``nat dump``; none where there are no maps.

    Raises:
        ParseError: A line is none of the dump's.
    """
    return tuple(
        Frontend(
            address=match["address"],
            port=int(match["port"]),
            protocol=int(match["protocol"]),
            count=int(match["count"]),
            local=int(match["local"]),
            flags=frozenset((match["flags"] or "").split(", ")) - {""},
        )
        for line in _lines(dump, "nat")
        if not _BACKEND.fullmatch(line)
        for match in [_matched(_FRONTEND, line, "nat")]
    )


def node_ports(dump: str, address: facts.Address) -> frozenset[int]:
    """The TCP ports on a node's own address that the NAT map translates; raises ParseError."""
    return frozenset(
        entry.port for entry in frontends(dump) if entry.address == str(address) and entry.protocol == _TCP
    )


def interfaces(dump: str) -> dict[str, frozenset[str]]:
    """The network devices of this network namespace that have programs, each with its flags; raises ParseError."""
    found = (_matched(_INTERFACE, line, "ifstate") for line in _lines(dump, "ifstate"))
    return {match["name"]: frozenset(match["flags"].split(",")) for match in found}


def has_connection(dump: str, source: tuple[facts.Address, int], dialled: tuple[facts.Address, int]) -> bool:
    """Whether ``conntrack dump`` has the entry of a probe's own connection; raises ParseError."""
    wanted = (_end(source), _end(dialled))
    found = (_matched(_CONNECTION, line, "conntrack") for line in _lines(dump, "conntrack"))
    return any((match["source"], match["dialled"]) == wanted for match in found)


def _end(end: tuple[facts.Address, int]) -> str:
    return f"{ip_address(end[0])}:{end[1]}"


def _lines(dump: str, name: str) -> Iterator[str]:
    lines = [line for line in dump.splitlines() if line.strip()]
    if any(words in line for line in lines for words in _ABSENT):
        return
    if not lines:
        raise errors.ParseError(f"calico-node -bpf {name} dump: nothing was printed")
    yield from lines


def _matched(pattern: re.Pattern[str], line: str, name: str) -> re.Match[str]:
    match = pattern.match(line)
    if match is None:
        raise errors.ParseError(f"calico-node -bpf {name} dump: {line[:120]!r}")
    return match
