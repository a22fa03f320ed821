"""Which rule of iptables' nat table makes a translation: the rules are walked for exactly that flow. Pure.

The walk starts where the kernel's does and follows every jump whose matches hold. Of what a rule may match on, the
rules alone do not tell everything: an address set's members, which addresses are the node's, by which device a packet
leaves. ``Surroundings`` has what the cluster's facts say of these. What chance decides (``statistic``) is tried, and
holds if it leads to the translation that the kernel remembers.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from harness.dataplane.attribution import Changed, Flow, Hop, Made
from harness.dataplane.attribution_ruleset import Match, Rule, Ruleset, matches
from harness.model import facts

_MASQUERADE_MARK = 0x4000
_VXLAN = "vxlan.calico"
_MOST_DEEP = 20
_OF_PACKET = ("-s", "-d", "-p", "--dport", "--sport", "--mark")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a node's rules may ask about addresses.

    Attributes:
        own: The node's addresses, the tunnel's included.
        tunnel: The address of its overlay's device, or None.
        near: The pods on this node that have addresses of their own.
        pool: All such pods and all tunnels: what is in Calico's pools.
    """

    own: frozenset[facts.Address]
    tunnel: facts.Address | None
    near: frozenset[facts.Address]
    pool: frozenset[facts.Address]


@dataclass(frozen=True, kw_only=True)
class Trail:
    """A walk so far.

    Attributes:
        mark: The packet's mark.
        marked: The rule that sent it to where the mark was set.
        rules: The jumps to where the walk is, and at its end the rule that was looked for.
        found: Whether that is at its end.
        over: Whether the walk ended elsewhere.
    """

    mark: int = 0
    marked: Rule | None = None
    rules: tuple[Rule, ...] = ()
    found: bool = False
    over: bool = False


def surroundings(node: facts.Node, known: facts.Facts) -> Surroundings:
    """What is known around a node."""
    backends = (pod for destination in known.destinations for pod in destination.backends)
    pods = [pod for pod in (*known.other_pods, *backends, *known.clients) if not pod.host_network]
    tunnels = {other.tunnel for other in known.nodes if other.tunnel is not None}
    return Surroundings(
        own=frozenset({node.address, *({node.tunnel} if node.tunnel is not None else ())}),
        tunnel=node.tunnel,
        near=frozenset(pod.address for pod in pods if pod.node == node.name),
        pool=frozenset({*(pod.address for pod in pods), *tunnels}),
    )


def explain(hop: Hop, changed: Changed, after: Ruleset, before: Ruleset, around: Surroundings) -> Made | None:
    """The rule that made a change, with how far its counter moved from one reading of the rules to the other."""
    trail = _towards(hop, after, around)
    if changed == "source":
        # A flow whose destination nothing translated reaches POSTROUTING with the mark it had.
        came = dataclasses.replace(hop.before, destination=hop.after.destination, port=hop.after.port)
        start = Trail(mark=trail.mark, marked=trail.marked)
        trail = _Walk(after, came, around, _changes_source(hop, around)).chain("POSTROUTING", start, 0)
    if not trail.found:
        return None
    return Made(by=_text(trail, changed), evidence=moved(trail.rules[-1], before))


def _towards(hop: Hop, rules: Ruleset, around: Surroundings) -> Trail:
    walk = _Walk(rules, hop.before, around, _changes_destination(hop, around))
    return walk.chain("OUTPUT" if hop.local else "PREROUTING", Trail(), 0)


def moved(rule: Rule, before: Ruleset) -> str:
    """How far a rule's counter moved since an earlier reading."""
    earlier = [item for item in before.get(rule.chain, ()) if item.words == rule.words]
    if len(earlier) != 1:
        return "the rule is new since the samples began"
    difference = rule.packets - earlier[0].packets
    return f"counter +{difference}" if difference >= 0 else "its counter was set back meanwhile"


def _text(trail: Trail, changed: Changed) -> str:
    last = trail.rules[-1]
    where = last.option("--to-destination") or last.option("--to-source") or last.option("--to-ports")
    text = f"nat {last.text}: {last.target}" + (f" to {where}" if where else "")
    if changed == "destination":
        # How it came there, without the entry chains that everything passes.
        way = [rule.text for rule in trail.rules[:-1] if rule.chain not in ("PREROUTING", "OUTPUT", "KUBE-SERVICES")]
        return f"{text}, by {' > '.join(way)}" if way else text
    if trail.marked is not None and last.chain == "KUBE-POSTROUTING":
        return f"{text}, for the mark {_MASQUERADE_MARK:#x} of {trail.marked.text}"
    return text


def _changes_destination(hop: Hop, around: Surroundings) -> Mapping[str, frozenset[str]]:
    after = hop.after
    ends = {"DNAT": frozenset({f"{after.destination}:{after.port}", str(after.destination)})}
    return ends | ({"REDIRECT": frozenset({str(after.port)})} if after.destination in around.own else {})


def _changes_source(hop: Hop, around: Surroundings) -> Mapping[str, frozenset[str]]:
    after = hop.after
    ends = {"SNAT": frozenset({f"{after.source}:{after.source_port}", str(after.source)})}
    return ends | ({"MASQUERADE": frozenset({""})} if after.source in around.own else {})


class _Walk:
    """One flow's walk through one table."""

    def __init__(self, rules: Ruleset, flow: Flow, around: Surroundings, wanted: Mapping[str, frozenset[str]]) -> None:
        self._rules = rules
        self._flow = flow
        self._around = around
        self._wanted = wanted

    def chain(self, name: str, trail: Trail, depth: int) -> Trail:
        """Through one chain; the trail says whether the rule that was looked for is at its end."""
        way = trail.rules
        for rule in self._rules.get(name, ()) if depth < _MOST_DEEP else ():
            holds = self._holds(rule, trail.mark)
            if holds is False:
                continue
            if rule.target == "RETURN":
                if holds:
                    break
                continue
            step = self._step(rule, trail, way, depth)
            if step.found or (step.over and holds):
                return step
            # What chance or something unknown decided went the other way if it led nowhere.
            trail = step if holds else trail
        return Trail(mark=trail.mark, marked=trail.marked, rules=way)

    def _step(self, rule: Rule, trail: Trail, way: tuple[Rule, ...], depth: int) -> Trail:
        here = (*way, rule)
        if rule.target in self._rules:
            inner = self.chain(rule.target, Trail(mark=trail.mark, marked=trail.marked, rules=here), depth + 1)
            if inner.found or inner.over:
                return inner
            return Trail(mark=inner.mark, marked=inner.marked, rules=way)
        if rule.target == "MARK":
            mark = _marked(rule, trail.mark)
            set_here = mark & ~trail.mark & _MASQUERADE_MARK
            return Trail(mark=mark, marked=(way[-1] if way else rule) if set_here else trail.marked, rules=way)
        ends = {rule.option(name) for name in ("--to-destination", "--to-source", "--to-ports")} - {""} or {""}
        if self._wanted.get(rule.target, frozenset()) & ends:
            return Trail(mark=trail.mark, marked=trail.marked, rules=here, found=True)
        final = rule.target in ("DNAT", "SNAT", "MASQUERADE", "REDIRECT", "ACCEPT", "NETMAP")
        return Trail(mark=trail.mark, marked=trail.marked, rules=way, over=final)

    def _holds(self, rule: Rule, mark: int) -> bool | None:
        """Whether all of a rule's matches hold; None if that is not known."""
        found = [self._match(item, mark) for item in matches(rule)]
        return False if False in found else None if None in found else True

    def _match(self, item: Match, mark: int) -> bool | None:
        answer = self._of_packet(item, mark) if item.option in _OF_PACKET else self._of_place(item)
        return answer if answer is None else answer is not item.negated

    def _of_packet(self, item: Match, mark: int) -> bool:
        flow, value = self._flow, item.value
        if item.option in ("-s", "-d"):
            return (flow.source if item.option == "-s" else flow.destination) in ipaddress.ip_network(value, False)
        if item.option == "-p":
            return value in (flow.protocol.lower(), "all")
        if item.option == "--mark":
            wanted, _, mask = value.partition("/")
            return mark & int(mask or "0xffffffff", 0) == int(wanted, 0)
        first, _, last = value.partition(":")
        return int(first) <= (flow.port if item.option == "--dport" else flow.source_port) <= int(last or first)

    def _of_place(self, item: Match) -> bool | None:
        flow = self._flow
        if item.option == "-o":
            return self._leaves_by(item.value)
        if item.option in ("--src-type", "--dst-type") and item.value == "LOCAL":
            address = flow.source if item.option == "--src-type" else flow.destination
            return self._is_own(address, narrow="--limit-iface-out" in item.group)
        if item.option == "--match-set" and "pools" in item.value:
            return (flow.source if item.value.endswith(" src") else flow.destination) in self._around.pool
        return None

    def _is_own(self, address: facts.Address, *, narrow: bool) -> bool:
        # The device is the overlay's wherever Calico limits the question to one.
        return address == self._around.tunnel if narrow else address in self._around.own or address.is_loopback

    def _leaves_by(self, device: str) -> bool | None:
        far = self._flow.destination in self._around.pool - self._around.near - self._around.own
        return far if device == _VXLAN else None


def _marked(rule: Rule, mark: int) -> int:
    value, _, mask = (rule.option("--set-xmark") or rule.option("--set-mark")).partition("/")
    if not value:
        return mark
    bits = int(mask or "0xffffffff", 0)
    if "--set-mark" in rule.words:
        return (mark & ~bits) | int(value, 0)
    return (mark & ~bits) ^ int(value, 0)
