"""Nodes beside their evidence, as a table for people. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence, Sized

from harness.dataplane import deciding, node_state
from harness.dataplane.deciding import Decision
from harness.dataplane.evidence import Evidence

WIDTH = 100
_NAME = 19
_PROGRAMS = 22
_HEAD = ("node", "in force", "NAT map", "programs on", "vxlan", "connect", "rules", "kube-proxy")


def table(found: Sequence[Evidence], decisions: Sequence[Decision]) -> str:
    """A line a node in at most 100 columns, and below what is undecided or was found besides."""
    rows = [_HEAD, *(_row(item, decision) for item, decision in zip(found, decisions, strict=True))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for text in _remarks(decisions):
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def _remarks(decisions: Sequence[Decision]) -> Iterator[str]:
    """What stands below the table: nodes of which the same is said are named together."""
    said: dict[str, list[str]] = {}
    for item in decisions:
        for text in [*([item.verdict] if item.dataplane is None else []), *item.findings]:
            said.setdefault(text, []).append(item.node)
    for text, nodes in said.items():
        every = len(nodes) == len(decisions) > 1
        yield f"{'every node' if every else ', '.join(nodes)}: {text}"


def _row(found: Evidence, decision: Decision) -> tuple[str, ...]:
    iptables = found.iptables if found.packets is not None else None
    return (
        _cut(found.node, _NAME),
        decision.dataplane.value if decision.dataplane is not None else "?",
        _share(found.bpf, found.asked),
        _programs(found),
        found.devices.tunnel if found.devices is not None else "-",
        _count(found.connect),
        _share(iptables, found.asked),
        deciding.kube_proxy(found) if found.kube_proxy is not None else "-",
    )


def _programs(found: Evidence) -> str:
    if found.programs is None:
        return "-"
    return _cut(deciding.programs(found).replace(node_state.TUNNEL, "vxlan"), _PROGRAMS)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _share(ports: frozenset[int] | None, asked: frozenset[int]) -> str:
    if ports is None:
        return "-"
    return f"{len(ports)} of {len(asked)}" if ports else "none"


def _count(items: Sized | None) -> str:
    if items is None:
        return "-"
    return str(len(items)) if items else "none"
