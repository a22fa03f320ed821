"""How a dataplane's behaviour is written down: one rule a situation, first match wins. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.model import cells, facts, paths, words

# Overlays whose device has an address of its own, through which everything to another node's pods leaves.
TUNNELLED = frozenset({"VXLAN", "IPIP"})
FLAT = frozenset({"None"})
OUTSIDE = frozenset({words.ClientKind.EXTERNAL, words.ClientKind.GATEWAY})


class Owner(enum.Enum):
    """Whose address a backend sees; ``egress`` is the device that leads to another node's pods."""

    CLIENT = "client"
    CLIENT_NODE = "client-node"
    CLIENT_EGRESS = "client-egress"
    ENTRY_NODE = "entry-node"
    ENTRY_EGRESS = "entry-egress"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """All that a rule may ask about one backend on one path."""

    client: words.ClientKind
    target: words.Target
    policy: words.Policy
    protocol: words.Protocol
    at_entry: bool
    beside: bool
    itself: bool
    local: bool
    host_network: bool
    balanced: bool
    host_nat: bool
    dsr: bool
    overlay: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one backend sees in one situation. A condition that is None asks nothing.

    Attributes:
        name: Unique in its book.
        because: Why, in one clause, for the report.
        cited: Where it is from.
        confirmed: What stands behind it.
        sees: Whose address the backend sees, usually one; several if it is one of them. Empty for silence.
        silence: The ways of staying silent; or, of a rule that steps aside, if no other backend is left.
        steps_aside: Whether this backend is not chosen as long as there are others that are.
        may_reach: Whether the request may reach the application although no answer comes back.
        observed: The version on which this was observed without anybody knowing why.
        clients: The kinds of client.
        targets: What is dialled.
        policies: The externalTrafficPolicy, or for a ClusterIP the internalTrafficPolicy.
        protocols: What is spoken.
        at_entry: Whether the client is on the entry node.
        beside: Whether the client is on the backend's node.
        itself: Whether the client is the backend.
        local: Whether the backend is where the traffic policy wants it: on the entry node, or for a ClusterIP on
            the client's node.
        host_network: Whether the backend is a host-network pod.
        balanced: Whether the client's socket is connected to the backend from the start.
        host_nat: Whether the node's own packets to a Service are translated where the socket call does not do it.
        dsr: Whether replies leave the backend's node directly.
        overlays: The pool's encapsulation.
    """

    name: str
    because: str
    cited: str
    confirmed: words.Confirmed = words.Confirmed.RECORDED
    sees: tuple[Owner, ...] = ()
    silence: frozenset[words.Silence] = frozenset()
    steps_aside: bool = False
    may_reach: bool = False
    observed: str = ""
    clients: frozenset[words.ClientKind] | None = None
    targets: frozenset[words.Target] | None = None
    policies: frozenset[words.Policy] | None = None
    protocols: frozenset[words.Protocol] | None = None
    at_entry: bool | None = None
    beside: bool | None = None
    itself: bool | None = None
    local: bool | None = None
    host_network: bool | None = None
    balanced: bool | None = None
    host_nat: bool | None = None
    dsr: bool | None = None
    overlays: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if bool(self.sees) is bool(self.silence):
            raise ValueError(f"rule {self.name} must say either who is seen or which silence")

    def matches(self, there: Situation) -> bool:
        """Whether the rule speaks of that situation."""
        return self._among(there) and all(
            wanted is None or wanted is found
            for wanted, found in (
                (self.at_entry, there.at_entry),
                (self.beside, there.beside),
                (self.itself, there.itself),
                (self.local, there.local),
                (self.host_network, there.host_network),
                (self.balanced, there.balanced),
                (self.host_nat, there.host_nat),
                (self.dsr, there.dsr),
            )
        )

    def _among(self, there: Situation) -> bool:
        return (
            (self.clients is None or there.client in self.clients)
            and (self.targets is None or there.target in self.targets)
            and (self.policies is None or there.policy in self.policies)
            and (self.protocols is None or there.protocol in self.protocols)
            and (self.overlays is None or there.overlay in self.overlays)
        )


@dataclass(frozen=True, kw_only=True)
class Book:
    """All that is known of one dataplane.

    Attributes:
        rules: In order; the first that matches decides.
        recorded: Whether cells of that situation's shape are in the recordings; a rule that is recorded for one
            shape is merely documented for the others.
    """

    rules: tuple[Rule, ...]
    recorded: Callable[[Situation], bool] = lambda _: True

    def expect(self, path: paths.Path, known: facts.Facts) -> cells.Expectation:
        """What must be seen on that path.

        Raises:
            NoPrediction: The book does not speak of such a path, or nobody stands behind the Service.
        """
        if not path.destination.backends:
            raise cells.NoPrediction(f"{path.text}: 0 backends, so nobody is there to see anything")
        if path.client.kind not in OUTSIDE and not path.client.node:
            raise cells.NoPrediction(f"{path.text}: a client inside the cluster, and its node is not known")
        found = [(pod, self._rule(path, pod, known)) for pod in path.destination.backends]
        chosen = [(pod, rule) for pod, rule in found if not rule.steps_aside]
        if not chosen:
            return _silence([rule for _, rule in found])
        return _outcome(path, chosen, known)

    def _rule(self, path: paths.Path, pod: facts.Pod, known: facts.Facts) -> Rule:
        there = situation(path, pod, known)
        for rule in self.rules:
            if rule.matches(there):
                return rule if self._is_recorded(rule, there) else replace(rule, confirmed=_lower(rule.confirmed))
        raise cells.NoPrediction(f"{path.text}: nothing is known for this client, target and overlay {known.overlay}")

    def _is_recorded(self, rule: Rule, there: Situation) -> bool:
        return rule.confirmed is not words.Confirmed.RECORDED or self.recorded(there)


def situation(path: paths.Path, pod: facts.Pod, known: facts.Facts) -> Situation:
    """What the rules need to know of one backend on one path."""
    inside = bool(path.client.node)
    node_port = path.destination.target is words.Target.NODE_PORT
    beside = inside and path.client.node == pod.node
    entry = path.entry.name if path.entry is not None else None
    return Situation(
        client=path.client.kind,
        target=path.destination.target,
        policy=path.destination.policy if node_port else path.destination.internal_policy,
        protocol=path.destination.protocol,
        at_entry=inside and path.client.node == entry,
        beside=beside,
        itself=bool(path.client.pod) and path.client.pod == f"{pod.namespace}/{pod.name}" and not pod.host_network,
        local=(entry == pod.node) if node_port else beside,
        host_network=pod.host_network,
        balanced=inside and known.connect_time.covers(path.destination.protocol),
        host_nat=known.host_nat,
        dsr=known.dsr,
        overlay=known.overlay,
    )


def _outcome(path: paths.Path, chosen: list[tuple[facts.Pod, Rule]], known: facts.Facts) -> cells.Expectation:
    rules = [rule for _, rule in chosen]
    if not any(rule.sees for rule in rules):
        return _silence(rules)
    if not all(rule.sees for rule in rules):
        raise cells.NoPrediction(f"{path.text}: some backends answer and others do not")
    sources = (_source(path, pod, rule, owner, known) for pod, rule in chosen for owner in rule.sees)
    return cells.Answer(sources=tuple(sources), observed=next((rule.observed for rule in rules if rule.observed), ""))


def _silence(rules: list[Rule]) -> cells.NoAnswer:
    return cells.NoAnswer(
        how=frozenset().union(*(rule.silence for rule in rules)),
        because="; ".join(dict.fromkeys(rule.because for rule in rules)),
        cited="; ".join(dict.fromkeys(rule.cited for rule in rules)),
        confirmed=cells.weakest(rule.confirmed for rule in rules),
        observed=next((rule.observed for rule in rules if rule.observed), ""),
        may_reach=any(rule.may_reach for rule in rules),
    )


def _source(path: paths.Path, pod: facts.Pod, rule: Rule, owner: Owner, known: facts.Facts) -> cells.Source:
    address, klass = _address(path, owner, known)
    return cells.Source(
        address=address,
        klass=klass,
        backend=f"{pod.namespace}/{pod.name}",
        because=rule.because,
        cited=rule.cited,
        confirmed=rule.confirmed,
    )


def _lower(confirmed: words.Confirmed) -> words.Confirmed:
    return words.Confirmed.DOCUMENTED if confirmed is words.Confirmed.RECORDED else confirmed


def _address(path: paths.Path, owner: Owner, known: facts.Facts) -> tuple[facts.Address, words.AddressClass]:
    if owner is Owner.CLIENT:
        return path.client.address, words.AddressClass.CLIENT
    if owner in (Owner.ENTRY_NODE, Owner.ENTRY_EGRESS):
        if path.entry is None:
            raise cells.NoPrediction(f"{path.text}: nothing was dialled on a node, so there is no entry node")
        if owner is Owner.ENTRY_NODE:
            return path.entry.address, words.AddressClass.ENTRY_NODE
        return _egress(path, path.entry, words.AddressClass.ENTRY_NODE, words.AddressClass.ENTRY_TUNNEL, known)
    node = known.node(path.client.node)
    if owner is Owner.CLIENT_NODE:
        return node.address, words.AddressClass.CLIENT_NODE
    return _egress(path, node, words.AddressClass.CLIENT_NODE, words.AddressClass.CLIENT_TUNNEL, known)


def _egress(
    path: paths.Path, node: facts.Node, flat: words.AddressClass, tunnelled: words.AddressClass, known: facts.Facts
) -> tuple[facts.Address, words.AddressClass]:
    if known.overlay in FLAT:
        return node.address, flat
    if known.overlay in TUNNELLED and node.tunnel is not None:
        return node.tunnel, tunnelled
    raise cells.NoPrediction(
        f"{path.text}: {node.name} has no address of class {tunnelled.value} that is known for overlay {known.overlay}"
    )
