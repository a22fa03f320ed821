"""How a dataplane's behaviour is written down: one rule a situation, first match wins. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model import cells, facts, words


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one backend sees in one situation.

    Attributes:
        policies: The traffic policies that it speaks of.
        local: Whether the backend is on the entry node.
        host_network: Whether the backend is a host-network pod.
        sees: Whose address the backend sees.
        because: Why, in one clause, for the report.
    """

    policies: frozenset[words.Policy]
    local: bool
    host_network: bool
    sees: words.AddressClass
    because: str


@dataclass(frozen=True, kw_only=True)
class Book:
    """All that is known of one dataplane, for one kind of client.

    Attributes:
        clients: The kinds of client that it speaks of.
        protocols: The protocols that it speaks of.
        overlays: The encapsulations that it speaks of; others have not been measured.
        rules: What a backend sees.
        no_local_backend: What happens under policy Local through a node without a backend.
    """

    clients: frozenset[words.ClientKind]
    protocols: frozenset[words.Protocol]
    overlays: frozenset[str]
    rules: tuple[Rule, ...]
    no_local_backend: cells.NoAnswer

    def expect(self, cell: cells.Cell, known: facts.Facts) -> cells.Expectation:
        """What must be seen in that cell.

        Raises:
            NoPrediction: The book does not speak of such a cell, or the destination has no backend at all.
        """
        self._check(cell, known)
        backends = _eligible(cell)
        if not backends:
            return self.no_local_backend
        return cells.Answer(sources=tuple(self._source(cell, pod, known) for pod in backends))

    def _check(self, cell: cells.Cell, known: facts.Facts) -> None:
        spoken_of = (
            cell.client in self.clients
            and cell.destination.protocol in self.protocols
            and known.overlay in self.overlays
            and cell.destination.backends
        )
        if not spoken_of:
            raise cells.NoPrediction(
                f"{cell.name}: nothing is known for this client, protocol, overlay ({known.overlay}) "
                f"and {len(cell.destination.backends)} backends"
            )

    def _source(self, cell: cells.Cell, pod: facts.Pod, known: facts.Facts) -> cells.Source:
        rule = _first(self.rules, cell, pod)
        return cells.Source(
            address=_address(rule.sees, cell, known),
            klass=rule.sees,
            backend=f"{pod.namespace}/{pod.name}",
            because=rule.because,
        )


def _eligible(cell: cells.Cell) -> tuple[facts.Pod, ...]:
    backends = cell.destination.backends
    if cell.policy is words.Policy.CLUSTER:
        return backends
    return tuple(pod for pod in backends if pod.node == cell.entry.name)


def _first(rules: Sequence[Rule], cell: cells.Cell, pod: facts.Pod) -> Rule:
    for rule in rules:
        if (
            cell.policy in rule.policies
            and rule.local is (pod.node == cell.entry.name)
            and rule.host_network is pod.host_network
        ):
            return rule
    raise cells.NoPrediction(f"{cell.name}: no rule for backend {pod.name} on {pod.node}")


def _address(sees: words.AddressClass, cell: cells.Cell, known: facts.Facts) -> facts.Address:
    if sees is words.AddressClass.CLIENT:
        return known.client.address
    if sees is words.AddressClass.ENTRY_NODE:
        return cell.entry.address
    if sees is words.AddressClass.ENTRY_TUNNEL and cell.entry.tunnel is not None:
        return cell.entry.tunnel
    raise cells.NoPrediction(f"{cell.name}: {cell.entry.name} has no address of class {sees.value}")
