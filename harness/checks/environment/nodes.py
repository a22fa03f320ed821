"""What is odd about the nodes themselves: kernel settings, policies, clocks, versions, leftovers. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from harness.checks.environment.seen import NodeSeen, Seen
from harness.model import records, words

RP_FILTER = "rp_filter"
FORWARD = "FORWARD policy DROP"
MIXED = "mixed nodes"
CLOCK = "clock skew"
LEFTOVERS = "leftovers of the other dataplane"
SILENT = "a node could not be looked at"

STRICT, LOOSE = 1, 2
# Below this a clock is as right as anybody needs: samples are matched to log lines by token and not by time.
SKEW_S = 2.0


def findings(seen: Seen) -> Iterator[records.Environment]:
    """All that is odd, node by node, and between them."""
    for item in seen.nodes:
        yield from _silent(item)
        yield from _rp_filter(item)
        yield from _forward(item)
        yield from _clock(item)
        yield from _leftovers(item, seen.declared)
    yield from _mixed(seen)


def _silent(item: NodeSeen) -> Iterator[records.Environment]:
    if item.trouble:
        yield records.Environment(cause=SILENT, where=item.node.name, text=item.trouble)


def _rp_filter(item: NodeSeen) -> Iterator[records.Environment]:
    settings = {device: value for device, value in item.rp_filter.items() if device not in ("all", "default")}
    every = item.rp_filter.get("all")
    if item.dataplanes == {words.Dataplane.BPF}:
        # The kernel goes by the greater of a device's value and that of all, and 2 is loose.
        strict = sorted(device for device, value in settings.items() if max(value, every or 0) == STRICT)
        if strict:
            yield records.Environment(
                cause=RP_FILTER,
                where=item.node.name,
                text=f"strict on {', '.join(strict)}: answers that eBPF brings in by another device are dropped",
                remedy="sysctl net.ipv4.conf.all.rp_filter=0, and find out who sets it",
            )
    elif not item.bpf and every == 0 and LOOSE in settings.values():
        loose = sorted(device for device, value in settings.items() if value == LOOSE)
        yield records.Environment(
            cause=RP_FILTER,
            where=item.node.name,
            text=f"off for all and loose on {', '.join(loose)}, as eBPF mode leaves it behind",
            remedy="no harm; a restart of the node sets it anew",
        )


def _forward(item: NodeSeen) -> Iterator[records.Environment]:
    if item.forward == "DROP":
        met = f"{item.forwarded} packets have met it" if item.forwarded else "no packet has met it yet"
        yield records.Environment(
            cause=FORWARD,
            where=item.node.name,
            text=f"what no rule accepts is not forwarded; {met}",
            remedy="iptables -P FORWARD ACCEPT, if answers stay out",
        )


def _clock(item: NodeSeen) -> Iterator[records.Environment]:
    if item.skew_s is not None and abs(item.skew_s) > SKEW_S + item.skew_within_s:
        way = "ahead of" if item.skew_s > 0 else "behind"
        yield records.Environment(
            cause=CLOCK,
            where=item.node.name,
            text=f"its clock is {abs(item.skew_s):.0f} s {way} this machine's; times in logs can't be compared",
            remedy="samples are matched by token, so verdicts do not depend on it",
        )


def _leftovers(item: NodeSeen, declared: str) -> Iterator[records.Environment]:
    """Both translate at once. A walk begins with iptables, so only what eBPF has left is in its way."""
    if len(item.dataplanes) < 2:
        return
    left, ports = ("kube-proxy's rules", item.iptables) if declared == "BPF" else ("Calico's NAT map", item.bpf)
    yield records.Environment(
        cause=LEFTOVERS,
        where=item.node.name,
        text=f"{declared} is asked for, and {left} can still be reached by packets for "
        f"{', '.join(str(port) for port in sorted(ports))}",
        remedy="let the node's agent clean up, or restart the node",
        blocking=declared != "BPF",
    )


def _mixed(seen: Seen) -> Iterator[records.Environment]:
    by_kind: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for item in seen.nodes:
        for kind, value in item.system.items():
            by_kind[kind][value].append(item.node.name)
        if len(item.dataplanes) == 1:
            by_kind["dataplane"][next(iter(item.dataplanes)).value].append(item.node.name)
    for kind, values in by_kind.items():
        if len(values) > 1:
            told = "; ".join(f"{value} on {', '.join(names)}" for value, names in sorted(values.items()))
            yield records.Environment(
                cause=MIXED,
                where=kind,
                text=f"{told}",
                remedy="what is seen may differ from node to node for that reason",
            )
