"""Cells, what must be seen in them, and what was seen. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.model import facts, matrix, paths, words


class NoPrediction(LookupError):
    """Nothing is known about a cell, so it cannot be planned: an expectation is never guessed."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the matrix in one phase, at its place in a cluster.

    Attributes:
        phase: When.
        row: The cell's roles.
        path: Who fills them.
    """

    phase: words.Phase
    row: matrix.Row
    path: paths.Path

    @property
    def client(self) -> facts.Client:
        """Who dials."""
        return self.path.client

    @property
    def entry(self) -> facts.Node | None:
        """The node that is dialled; None where a ClusterIP or a pod's address is."""
        return self.path.entry

    @property
    def destination(self) -> facts.Destination:
        """What is dialled."""
        return self.path.destination

    @property
    def policy(self) -> words.Policy:
        """The traffic policy that speaks of what is dialled."""
        return self.path.policy

    @property
    def name(self) -> str:
        """Unique in a run: the phase, the row's name, and the node where more than one fits."""
        through = f" through {self.entry.name}" if self.entry is not None else ""
        return f"{self.phase.value}: {self.row.name}{through}"


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A cell of the matrix that a run leaves out, and why; it is counted, never silent."""

    phase: words.Phase
    row: matrix.Row
    reason: words.SkipReason
    detail: str


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
        token: The token that the answer repeats; None for a protocol whose answers repeat none.
        saw: The address and port that the answer says it came from, where the server says so.
        server: The name that the server gives itself in the answer.
        sender: Who sent the answer to a socket that is not connected, or None.
    """

    status: int | None = None
    silence: words.Silence | None = None
    error: str = ""
    local: tuple[facts.Address, int] | None = None
    peer: tuple[facts.Address, int] | None = None
    latency_ms: float = 0.0
    token: str | None = None
    saw: tuple[facts.Address, int] | None = None
    server: str = ""
    sender: tuple[facts.Address, int] | None = None

    @property
    def answered(self) -> bool:
        """Whether an answer came, whatever it says."""
        return self.silence is None and not self.error


def own_address(reply: Reply, cell: Cell) -> facts.Address:
    """The address that the client's socket sent from; the client's where the socket has none or none is known.

    A node has several, and its kernel chooses by the route: that is no rewrite.
    """
    if reply.local is None or reply.local[0].is_unspecified:
        return cell.client.address
    return reply.local[0]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What one witness says of one sample.

    Attributes:
        witness: Who says it.
        address: The source address that the backend got it from.
        backend: The pod that got it, as namespace/name.
        port: The source port, where the witness knows it.
        status: The HTTP status that the application logged; None where there is none.
        detail: The witness's own words, for a reader who wants to check.
    """

    witness: words.Witness
    address: facts.Address
    backend: str
    port: int | None = None
    status: int | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One request, on a connection of its own, with all that is known of it."""

    token: str
    reply: Reply
    accounts: tuple[Account, ...] = ()

    def of(self, witness: words.Witness) -> tuple[Account, ...]:
        """What one witness says of it."""
        return tuple(account for account in self.accounts if account.witness is witness)

    @property
    def disputed(self) -> bool:
        """Whether two accounts of it differ in the address or in who got it."""
        return len({(account.address, account.backend) for account in self.accounts}) > 1


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """One change of an address on the way of a cell's samples, and who made it.

    Attributes:
        node: On which node.
        field: ``source`` or ``destination``.
        before: The address before it, with its port unless ports differ from sample to sample.
        after: The address after it, likewise.
        by: The rule (chain, position, comment) or the program and the map's entry that made it; or that nobody is
            known to have made it.
        evidence: What shows it: the kernel's own entry for one sample, and how far the rule's counter moved.
        samples: On the way of how many of the cell's samples it was found.
    """

    node: str
    field: str
    before: str
    after: str
    by: str
    evidence: str = ""
    samples: int = 1


def seen_text(seen: Mapping[str, int]) -> str:
    """What was seen, most often first, with counts where it was not all the same."""
    ordered = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) == 1:
        return ordered[0][0]
    return ", ".join(f"{count} x {text}" for text, count in ordered) or "nothing"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said about one cell.

    Attributes:
        cell: The cell.
        expectation: What had to be seen.
        outcome: PASS only if every sample agrees.
        right: How many samples agree.
        total: How many samples were asked for, or taken if that is more.
        seen: What was seen, as text, with how often.
        reasons: One sentence a distinct deviation; empty for PASS.
        samples: All of them, as evidence.
        warnings: One sentence a distinct deviation from what was only observed, never explained.
        watching: The witnesses that were in place.
        witnessed: By how many samples each witness gave an account.
        rewrites: Who changed which address on the way.
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
    watching: frozenset[words.Witness] = frozenset({words.Witness.APPLICATION})
    witnessed: Mapping[words.Witness, int] = field(default_factory=dict)
    rewrites: tuple[Rewrite, ...] = ()

    @property
    def alone(self) -> Mapping[words.Witness, int]:
        """How many answered samples had this witness and no second one; a second one of another sample is none."""
        kinds = ({account.witness for account in sample.accounts} for sample in self.samples if sample.reply.answered)
        return Counter(only for found in kinds if len(found) == 1 for only in found)

    @property
    def single(self) -> words.Witness | None:
        """The only witness, where an answer had no second one; None where all had, or where nothing was answered."""
        return max(self.alone, key=lambda witness: self.alone[witness], default=None)

    @property
    def seen_text(self) -> str:
        """What was seen, most often first, with counts where it was not all the same."""
        return seen_text(self.seen)

    @property
    def sentence(self) -> str:
        """One line that names the cell, the outcome, what was expected and what was seen."""
        reasons = f" ({'; '.join(self.reasons)})" if self.reasons else ""
        return (
            f"{self.outcome.value} {self.cell.phase.value}: {self.cell.path.text}: expected {self.expectation.text}, "
            f"seen {self.seen_text}, {self.right} of {self.total}{reasons} [{self.cell.row.name}]"
        )
