"""One decision a node, from its evidence: which dataplane forwards there, or the reason why that can't be said. Pure.

Decisive is what the kernel does with a packet for these very NodePorts: the NAT map's entry and a program on every
device on its way, or a rule that a packet can meet and has met. What was declared, what a log says and what a name
looks like decide nothing; where they show trouble they are findings beside the decision.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.dataplane import bpf_dumps, node_state
from harness.dataplane.evidence import Evidence
from harness.model import words


class Reason(enum.Enum):
    """Why no one dataplane can be named."""

    NOT_ASKED = "could not be asked"
    NEITHER = "nothing translates these ports"
    BOTH = "two dataplanes at once"
    PARTIAL = "some of the ports only"
    NO_PROGRAMS = "devices without programs"
    PROGRAMS_LEFT = "programs left behind"
    CONNECT_LEFT = "connect-time programs left behind"
    CHAINS_LEFT = "service rules left in force"
    STILL = "rules that no packet met"
    NO_CONNECTION = "no entry for the probe's own connection"
    LOCKED_OUT = "Felix can't reach the API"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What forwards on one node.

    Attributes:
        node: The node's name.
        dataplane: What is in force; None if that is undecided.
        reason: Why it is undecided; None if it is not.
        detail: What shows the reason; empty without one.
        lines: The evidence, a line a kind.
        findings: What is not as it should be, and decides nothing.
    """

    node: str
    dataplane: words.Dataplane | None
    reason: Reason | None = None
    detail: str = ""
    lines: tuple[tuple[str, str], ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The dataplane's name, or the reason why there is none, and then the evidence."""
        told = "; ".join([*(f"{kind} {text}" for kind, text in self.lines), *self.findings])
        return f"{self.verdict}: {told}" if told else self.verdict

    @property
    def verdict(self) -> str:
        """The dataplane's name, or the reason why there is none."""
        if self.dataplane is not None:
            return self.dataplane.value
        assert self.reason is not None
        return f"undecided ({self.reason.value}{f', {self.detail}' if self.detail else ''})"


Doubt = tuple[Reason, str]


def decide(found: Evidence, before: Evidence | None = None, dialled: frozenset[int] = frozenset()) -> Decision:
    """What forwards on a node.

    Args:
        found: What the node showed.
        before: What it showed earlier, so that counters that moved can be told.
        dialled: The NodePorts that were dialled on this node in between.
    """
    dataplane, doubt = _decided(found, before, dialled)
    if dataplane is not None and found.felix is not None and found.felix.locked_out:
        # What is in force then is what was wanted once: it follows no change any more (finding 11).
        doubt = Reason.LOCKED_OUT, found.felix.locked_out
    return Decision(
        node=found.node,
        dataplane=None if doubt else dataplane,
        reason=doubt[0] if doubt else None,
        detail=doubt[1] if doubt else "",
        lines=tuple(_lines(found, before)),
        findings=tuple(_findings(found, dataplane)),
    )


def decide_all(
    found: Iterable[Evidence], before: Iterable[Evidence] = (), dialled: Mapping[str, frozenset[int]] | None = None
) -> tuple[Decision, ...]:
    """Every node's decision; ``before`` and ``dialled`` as above, by node."""
    earlier = {item.node: item for item in before}
    return tuple(decide(item, earlier.get(item.node), (dialled or {}).get(item.node, frozenset())) for item in found)


def _decided(
    found: Evidence, before: Evidence | None, dialled: frozenset[int]
) -> tuple[words.Dataplane | None, Doubt | None]:
    missing = [what for what in ("rules", "nat", "ifstate") if what in found.silent]
    if found.trouble or missing or found.packets is None or found.bpf is None or found.programs is None:
        return None, (Reason.NOT_ASKED, found.trouble or "; ".join(found.silent[what] for what in missing))
    if found.iptables and found.bpf:
        return None, (Reason.BOTH, f"iptables {_ports(found.iptables)}, BPF {_ports(found.bpf)}")
    if not found.iptables and not found.bpf:
        return None, (Reason.NEITHER, _ports(found.asked))
    if found.asked - found.iptables - found.bpf:
        return None, (Reason.PARTIAL, f"not {_ports(found.asked - found.iptables - found.bpf)}")
    if found.bpf:
        return words.Dataplane.BPF, _doubt_bpf(found)
    return words.Dataplane.IPTABLES, _doubt_iptables(found, before, dialled)


def _doubt_bpf(found: Evidence) -> Doubt | None:
    bare = _bare(found)
    if bare:
        return Reason.NO_PROGRAMS, ", ".join(sorted(bare))
    if found.service_chains:
        return Reason.CHAINS_LEFT, ", ".join(sorted(found.service_chains)[:3])
    if found.connection is False:
        return Reason.NO_CONNECTION, ""
    return None


def _doubt_iptables(found: Evidence, before: Evidence | None, dialled: frozenset[int]) -> Doubt | None:
    if found.programs:
        return Reason.PROGRAMS_LEFT, ", ".join(sorted(found.programs))
    if found.connect:
        # Host processes and those in pods are still translated by maps that nobody keeps (calico#9620).
        return Reason.CONNECT_LEFT, ", ".join(sorted(found.connect))
    still = dialled & found.asked - _moved(found, before).keys()
    if before is not None and still:
        return Reason.STILL, _ports(still)
    return None


def _bare(found: Evidence) -> frozenset[str]:
    """Devices that a packet could pass without meeting a program."""
    ready = {name for name, flags in (found.programs or {}).items() if bpf_dumps.READY in flags}
    # Without a list of devices the node's own must at least be one that is ready and leads out.
    wanted = found.devices.watched if found.devices is not None else frozenset({"eth0"})
    return wanted - ready


def _moved(found: Evidence, before: Evidence | None) -> dict[int, int]:
    earlier = (before.packets if before is not None else None) or {}
    moved = {port: _grown(earlier.get(port, 0), count) for port, count in (found.packets or {}).items()}
    return {port: count for port, count in moved.items() if count and port in found.asked}


def _grown(before: int, now: int) -> int:
    # kube-proxy writes this chain anew with every change of any Service, and its counters then begin at 0 again.
    return now - before if now >= before else now


def _lines(found: Evidence, before: Evidence | None) -> Iterable[tuple[str, str]]:
    if found.trouble:
        return
    if found.bpf is not None:
        yield "NAT map", _ports(found.bpf)
    if found.programs is not None:
        yield "programs", programs(found)
    if found.devices is not None:
        yield "vxlan.calico", found.devices.tunnel
        yield "bpfin.cali", "there" if found.devices.pair else "none"
    if found.connect is not None:
        yield "at connect", ", ".join(sorted(found.connect)) or "none"
    if found.packets is not None:
        yield "KUBE-NODEPORTS", _rules(found, before)
    if found.connection is not None:
        yield "probe's own entry", "there" if found.connection else "none"
    if found.kube_proxy is not None:
        yield "kube-proxy", kube_proxy(found)
    if found.felix is not None and found.felix.bpf:
        yield "Felix", "says BPF"


def _rules(found: Evidence, before: Evidence | None) -> str:
    moved = _moved(found, before)
    counted = before is not None
    texts = (f"{port} (+{moved.get(port, 0)})" if counted else str(port) for port in sorted(found.iptables))
    return ", ".join(texts) or "none"


def programs(found: Evidence) -> str:
    """The devices that have programs, pods counted."""
    ready = {name for name, flags in (found.programs or {}).items() if bpf_dumps.READY in flags}
    pods = {name for name in ready if name.startswith(node_state.POD_PREFIX) and "." not in name}
    others = sorted(ready - pods - {"lo", *node_state.PAIR})
    return ", ".join([*others, *([f"{len(pods)} pod{'s' if len(pods) > 1 else ''}"] if pods else [])]) or "none"


def _findings(found: Evidence, dataplane: words.Dataplane | None) -> Iterable[str]:
    if found.felix is not None and found.felix.fallback:
        yield f"Felix fell back silently: {found.felix.fallback}"
    if found.kube_proxy and found.proxy_mode not in (None, "", "iptables"):
        yield f"kube-proxy's mode is {found.proxy_mode}, whose rules are not read here"
    if dataplane is words.Dataplane.BPF and found.kube_proxy:
        yield "a kube-proxy still runs beside eBPF"
    if dataplane is words.Dataplane.IPTABLES:
        changed = node_state.changed(found.settings)
        if changed:
            told = ", ".join(f"{name} {value}" for name, value in sorted(changed.items()))
            yield f"settings that eBPF mode changes are not a fresh node's: {told}"
        if found.kube_proxy is False:
            yield "no kube-proxy runs that would keep these rules"
    for what in sorted(set(found.silent) - {"rules", "nat", "ifstate"}):
        yield f"{what} not known: {found.silent[what].splitlines()[0][:120]}"


def trouble(decisions: Sequence[Decision], wanted: words.Dataplane) -> str:
    """One sentence if not every node forwards by that dataplane and no other; empty if it does."""
    if decisions and all(item.dataplane is wanted for item in decisions):
        return ""
    told = "; ".join(f"{item.node}: {item.verdict}" for item in decisions if item.dataplane is not wanted)
    return f"{wanted.value} is not in force on every node: {told or 'no node was asked'}"


def kube_proxy(found: Evidence) -> str:
    """What a node's kube-proxy is."""
    return (found.proxy_mode or "runs") if found.kube_proxy else "none"


def _ports(ports: frozenset[int]) -> str:
    return ", ".join(str(port) for port in sorted(ports)) or "none"
