"""Who rewrote an address: every change on a sample's way, with the rule or the map's entry that made it. Pure.

A hop is what one node's kernel remembers of a connection: how it came and how it went on. What explains a change is
looked up in that node's own rules and maps; a change that nothing there explains is told as one by nobody known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from harness.model import cells, facts, words

NOBODY = "nobody known"

Changed = Literal["source", "destination"]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One direction of a connection, as it is on one stretch of its way.

    Attributes:
        protocol: ``TCP`` or ``UDP``.
        source: Whom it comes from.
        source_port: From which port.
        destination: Whom it is for.
        port: For which port.
    """

    protocol: str
    source: facts.Address
    source_port: int
    destination: facts.Address
    port: int

    @property
    def text(self) -> str:
        """Readable in a message."""
        return f"{self.source}:{self.source_port} -> {self.destination}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Hop:
    """What a node did with a flow.

    Attributes:
        node: The node.
        before: As it came.
        after: As it went on.
        local: Whether the node itself sent it, so that it never came in by a device.
    """

    node: str
    before: Flow
    after: Flow
    local: bool = False


@dataclass(frozen=True, kw_only=True)
class Made:
    """Who made a change.

    Attributes:
        by: The rule, or the program and the map's entry.
        evidence: What shows it, besides the kernel's own entry; may be empty.
    """

    by: str
    evidence: str = ""


Explain = Callable[[Hop, Changed], Made | None]
"""Finds who made one change of a hop; None if nothing on that node does."""


def rewrites(hops: Iterable[Hop], explain: Explain) -> tuple[cells.Rewrite, ...]:
    """The changes on a way, in its order, destination before source as the kernel makes them."""
    return tuple(_rewrite(hop, field, explain) for hop in hops for field in changed(hop))


def changed(hop: Hop) -> tuple[Changed, ...]:
    """What a hop changed; a port alone is no change of a source, since masquerading changes it at random."""
    before, after = hop.before, hop.after
    found: list[Changed] = []
    if (before.destination, before.port) != (after.destination, after.port):
        found.append("destination")
    if before.source != after.source:
        found.append("source")
    return tuple(found)


def _rewrite(hop: Hop, field: Changed, explain: Explain) -> cells.Rewrite:
    made = explain(hop, field)
    table = f"{hop.node}'s table: {hop.before.text} became {hop.after.text}"
    return cells.Rewrite(
        node=hop.node,
        field=field,
        before=_end(hop.before, field),
        after=_end(hop.after, field),
        by=made.by if made is not None else NOBODY,
        evidence=f"{table}; {made.evidence}" if made is not None and made.evidence else table,
    )


def _end(flow: Flow, field: Changed) -> str:
    # A source's port differs from sample to sample.
    return str(flow.source) if field == "source" else f"{flow.destination}:{flow.port}"


def unexplained(
    cell: cells.Cell, samples: Iterable[cells.Sample], known: Iterable[cells.Rewrite]
) -> tuple[cells.Rewrite, ...]:
    """Sources that the client does not have and no known rewrite of this cell leads to: somebody made them.

    Only where the kernel's whole account of a sample is there: what a table has forgotten is not nobody's.
    """
    ends = {rewrite.after for rewrite in known if rewrite.field == "source"}
    found: dict[tuple[str, str], list[cells.Account]] = {}
    for sample in (item for item in samples if item.of(words.Witness.KERNEL)):
        own = str(cells.own_address(sample.reply, cell))
        told = {str(account.address): account for account in sample.accounts}
        for address, account in told.items():
            if address not in ends | {own}:
                found.setdefault((own, address), []).append(account)
    return tuple(
        cells.Rewrite(
            node="?",
            field="source",
            before=own,
            after=address,
            by=NOBODY,
            evidence=f"the {accounts[0].witness.value}: {accounts[0].detail}",
            samples=len(accounts),
        )
        for (own, address), accounts in found.items()
    )
