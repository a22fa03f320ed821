"""The recorded cluster's objects as felix would see them, and a node that exists in memory only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.lab.felix import cluster, flows, overlay, saved, sysctls, workloads
from tests import recordings

Objects = dict[str, list[dict[str, Any]]]

_FILES = {
    cluster.NODES: "nodes",
    cluster.SERVICES: "services",
    cluster.SLICES: "endpointslices",
    cluster.FELIX_CONFIGURATIONS: "felixconfigurations",
    cluster.IP_POOLS: "ippools",
    cluster.BLOCK_AFFINITIES: "blockaffinities",
}
RECORDED_NODES = ("kind-control-plane", "kind-worker", "kind-worker2")


@pytest.fixture
def objects() -> Objects:
    """The recorded cluster's collections in iptables mode, by API path; a copy of the test's own."""
    folder = recordings.path() / "api" / "iptables"
    return {path: json.loads((folder / f"{name}.json").read_text())["items"] for path, name in _FILES.items()}


@pytest.fixture
def state(objects: Objects) -> cluster.Cluster:
    """The recorded cluster in iptables mode, parsed."""
    return cluster.cluster(objects)


@dataclass
class RuleTables:
    """Rules as ``iptables-restore --noflush`` would leave them; it refuses what the real one would refuse."""

    tables: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def load(self, present: Mapping[str, saved.Table]) -> None:
        """Start from these rules."""
        self.tables = {
            name: {chain: list(rules) for chain, rules in table.chains.items()} for name, table in present.items()
        }

    def saved(self) -> dict[str, saved.Table]:
        """The rules as felix reads them."""
        return {
            name: saved.Table(chains={chain: tuple(rules) for chain, rules in table.items()})
            for name, table in self.tables.items()
        }

    def restore(self, text: str) -> None:
        """Apply the text, one line after the other."""
        table: dict[str, list[str]] = {}
        for line in text.splitlines():
            if line.startswith("*"):
                table = self.tables.setdefault(line[1:], {})
            elif line.startswith(":"):
                table[line[1:].split()[0]] = []
            elif line != "COMMIT":
                self._command(table, line)

    def _command(self, table: dict[str, list[str]], line: str) -> None:
        found = re.fullmatch(r"-([AIDX]) (\S+)(?: (.*))?", line)
        assert found, f"not a command of iptables-restore: {line!r}"
        command, chain, rule = found[1], found[2], found[3] or ""
        if command == "A":
            table.setdefault(chain, []).append(rule)
        elif command == "I":
            assert rule.startswith("1 "), line
            table.setdefault(chain, []).insert(0, rule.removeprefix("1 "))
        elif command == "D":
            table[chain].remove(rule)
        else:
            users = [rule for rules in table.values() for rule in rules if re.search(rf"-[jg] {chain}$", rule)]
            assert not table[chain], f"{chain} has rules"
            assert not users, f"{chain} is still used by {users}"
            del table[chain]


@dataclass
class MemoryNode:
    """A node in memory: what felix does to it, in order, and what it then has."""

    names: list[str] = field(default_factory=lambda: ["lo", "eth0"])
    wired: tuple[workloads.Pod, ...] = ()
    tunnel: overlay.Tunnel | None = None
    tunnels: int = 0
    rules: RuleTables = field(default_factory=RuleTables)
    settings: sysctls.Settings = field(default_factory=dict)
    known: overlay.Paths = field(default_factory=overlay.Paths)
    marked: tuple[flows.Flow, ...] = ()
    deeds: list[str] = field(default_factory=list)
    want: Callable[[], overlay.Overlay | None] = lambda: None

    def devices(self) -> tuple[tuple[int, str], ...]:
        """All network devices; a tunnel that was made anew has another index."""
        return (*enumerate(self.names, start=1), (100 + self.tunnels, overlay.DEVICE))

    def pods(self) -> tuple[workloads.Pod, ...]:
        """The pods that the test wired to it."""
        return self.wired

    def has_tunnel(self, tunnel: overlay.Tunnel) -> bool:
        """Whether this very tunnel has been made."""
        return self.tunnel == tunnel

    def paths(self) -> overlay.Paths:
        """What leads to the other nodes."""
        return self.known

    def make_tunnel(self, want: overlay.Overlay) -> None:
        """Make it; what led over the old one goes with it."""
        self.deeds.append("tunnel" if want.tunnel.vni is not None else "external tunnel")
        self.tunnel = want.tunnel
        self.tunnels += 1
        self.known = overlay.Paths(routes=frozenset(overlay.Route(route.block, None) for route in want.paths.routes))

    def change_overlay(self, addresses: tuple[str, ...], forwarding: tuple[str, ...]) -> None:
        """Take the commands as done; the real commands are tried on a real kernel."""
        want = self.want()
        if want is not None:
            self.deeds.append("paths")
            self.known = want.paths

    def tables(self) -> dict[str, saved.Table]:
        """The iptables rules."""
        return self.rules.saved()

    def restore(self, text: str) -> None:
        """Apply rules."""
        if text:
            self.deeds.append("rules" if "cali-" in text else "clean up kube-proxy")
            self.rules.restore(text)

    def mark(self, found: Iterable[flows.Flow]) -> None:
        """Remember what is marked."""
        self.deeds.append("mark")
        self.marked = tuple(found)

    def set_sysctls(self, wanted: sysctls.Settings) -> None:
        """Write the settings that differ."""
        if not wanted.items() <= self.settings.items():
            self.deeds.append("sysctls")
        self.settings |= wanted


@pytest.fixture
def node() -> MemoryNode:
    """A node without anything of felix's."""
    return MemoryNode()


@pytest.fixture
def rule_tables() -> RuleTables:
    """A node's rules; none at first."""
    return RuleTables()
