"""Removing kube-proxy's rules, as felix does in eBPF mode. Pure.

The prefixes are those of Calico v3.32 (``felix/rules/rule_defs.go``): chains whose names begin so are removed, and
with them every rule elsewhere that jumps to one. Chains with other names stay: the recorded cluster still has
``KUBE-EXT-*``, ``KUBE-SVL-*``, ``KUBE-MARK-MASQ`` and ``KUBE-POSTROUTING`` in eBPF mode
(``nodes/ebpf/NODE/iptables-save.txt``), where no packet reaches them any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.lab.felix import saved

PREFIXES = (
    "KUBE-FORWARD",
    "KUBE-SERVICES",
    "KUBE-EXTERNAL-SERVICES",
    "KUBE-NODEPORTS",
    "KUBE-SVC-",
    "KUBE-SEP-",
    "KUBE-FW-",
    "KUBE-XLB-",
)
_TARGET = re.compile(r"(?:^| )-[jg] (\S+)")


def doomed(table: saved.Table) -> tuple[str, ...]:
    """The chains of this table that felix removes."""
    return tuple(chain for chain in table.chains if chain.startswith(PREFIXES))


def in_force(present: Mapping[str, saved.Table]) -> bool:
    """Whether any of the chains that felix removes is there."""
    return any(doomed(table) for table in present.values())


def render_removal(present: Mapping[str, saved.Table]) -> str:
    """Text for ``iptables-restore --noflush`` that removes them; empty where there is nothing to remove."""
    return "".join(_removal(name, table) for name, table in present.items() if doomed(table))


def _removal(name: str, table: saved.Table) -> str:
    chains = doomed(table)
    lines = [
        f"*{name}",
        # Naming a chain empties it, so that no rule is left that keeps another chain from being removed.
        *(f":{chain} - [0:0]" for chain in chains),
        *(
            f"-D {chain} {rule}"
            for chain, rules in table.chains.items()
            if chain not in chains
            for rule in rules
            if _target(rule) in chains
        ),
        *(f"-X {chain}" for chain in chains),
        "COMMIT",
    ]
    return "\n".join(lines) + "\n"


def _target(rule: str) -> str:
    found = _TARGET.findall(rule)
    return found[-1] if found else ""
