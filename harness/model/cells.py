"""Cells, what must be seen in them, and what was seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.model import facts, words


class NoPrediction(LookupError):
    """Nothing is known about a cell, so it cannot be planned: an expectation is never guessed."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One path in one phase: a client, an entry node and a destination."""

    phase: words.Phase
    client: words.ClientKind
    entry: facts.Node
    destination: facts.Destination

    @property
    def policy(self) -> words.Policy:
        """The destination's externalTrafficPolicy."""
        return self.destination.policy

    @property
    def name(self) -> str:
        """Unique in a run, and readable in a report."""
        return (
            f"{self.phase.value}: {self.client.value} -> {self.entry.name}:{self.destination.node_port} "
            f"({self.destination.service}, {self.policy.value}, {self.destination.protocol.value})"
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """One address that may be seen.

    Attributes:
        address: The address, exactly.
        klass: Whose it is.
        backend: The pod that sees it, as namespace/name; which address is right depends on where the backend is.
        because: The rule that says so, in one clause.
        cited: Where the rule is from.
        confirmed: What stands behind it.
    """

    address: facts.Address
    klass: words.AddressClass
    backend: str
    because: str
    cited: str = ""
    confirmed: words.Confirmed = words.Confirmed.RECORDED


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Every sample is answered, and the application sees one of these sources.

    Attributes:
        sources: What may be seen, and by which backend.
        observed: The version on which this was observed without anybody knowing why; such a cell warns and never
            fails. Empty for a contract.
    """

    sources: tuple[Source, ...]
    observed: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("an expectation without a source would pass whatever is seen")

    @property
    def text(self) -> str:
        """The addresses, each once, with their classes."""
        return ", ".join(dict.fromkeys(f"{source.address} {source.klass.value}" for source in self.sources))

    @property
    def confirmed(self) -> words.Confirmed:
        """What stands behind the weakest of the sources."""
        return weakest(source.confirmed for source in self.sources)


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """No sample is answered, in exactly one of these ways.

    Attributes:
        how: The ways of staying silent.
        because: The rule that says so, in one clause.
        cited: Where the rule is from.
        confirmed: What stands behind it.
        observed: As for an answer.
        may_reach: Whether the request may reach the application although no answer comes back.
    """

    how: frozenset[words.Silence]
    because: str
    cited: str = ""
    confirmed: words.Confirmed = words.Confirmed.RECORDED
    observed: str = ""
    may_reach: bool = False

    def __post_init__(self) -> None:
        if not self.how:
            raise ValueError("an expectation of silence must say which silence")

    @property
    def text(self) -> str:
        """The ways of staying silent."""
        return " or ".join(sorted(how.value for how in self.how))


Expectation = Answer | NoAnswer


def weakest(confirmations: Iterable[words.Confirmed]) -> words.Confirmed:
    """The least of these; ValueError if there is none."""
    return max(confirmations, key=list(words.Confirmed).index)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the client got for one sample.

    Attributes:
        status: The HTTP status; None without an answer, or for a protocol that has none.
        silence: How it stayed without an answer; None if it was answered.
        error: The client's own words for what went wrong.
        local: Address and port of the client's socket, or None if it never had one.
        peer: Address and port that the socket was connected to, as the socket says, or None.
        latency_ms: Milliseconds from the connection's start to the whole answer.
    """

    status: int | None
    silence: words.Silence | None
    error: str = ""
    local: tuple[facts.Address, int] | None = None
    peer: tuple[facts.Address, int] | None = None
    latency_ms: float = 0.0

    @property
    def answered(self) -> bool:
        """Whether an answer came, whatever it says."""
        return self.silence is None and not self.error


@dataclass(frozen=True, kw_only=True)
class Logged:
    """One line of an application's log that carries a sample's token."""

    backend: str
    address: facts.Address
    status: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One request, on a connection of its own, with all that is known of it."""

    token: str
    reply: Reply
    logged: tuple[Logged, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said about one cell.

    Attributes:
        cell: The cell.
        expectation: What had to be seen.
        outcome: PASS only if every sample agrees.
        right: How many samples agree.
        total: How many samples there are.
        seen: What was seen, as text, with how often.
        reasons: One sentence a distinct deviation; empty for PASS.
        samples: All of them, as evidence.
        warnings: One sentence a distinct deviation from what was only observed, never explained.
    """

    cell: Cell
    expectation: Expectation
    outcome: words.Outcome
    right: int
    total: int
    seen: Mapping[str, int]
    reasons: tuple[str, ...]
    samples: tuple[Sample, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def seen_text(self) -> str:
        """What was seen, most often first, with counts where it was not all the same."""
        ordered = sorted(self.seen.items(), key=lambda item: (-item[1], item[0]))
        if len(ordered) == 1:
            return ordered[0][0]
        return ", ".join(f"{count} x {text}" for text, count in ordered) or "nothing"

    @property
    def sentence(self) -> str:
        """One line that names the cell, the outcome, what was expected and what was seen."""
        reasons = f" ({'; '.join(self.reasons)})" if self.reasons else ""
        return (
            f"{self.outcome.value} {self.cell.name}: expected {self.expectation.text}, "
            f"seen {self.seen_text}, {self.right} of {self.total}{reasons}"
        )
