"""What a witness is: somebody who watches while samples are taken, and says afterwards whose address came with each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.model import cells, facts, words


@dataclass(frozen=True, kw_only=True)
class Question:
    """One sample that was sent, and all that a witness may use to find it again.

    Attributes:
        cell: Where it was sent.
        token: What it carries.
        reply: What the client got, with the client's own socket address.
    """

    cell: cells.Cell
    token: str
    reply: cells.Reply


Told = Mapping[str, tuple[cells.Account, ...]]
"""Accounts by token; a token that a witness knows nothing of may be left out."""


class Watch(Protocol):
    """A witness that has watched from before the first sample to now."""

    def covers(self, cell: cells.Cell) -> bool:
        """Whether it was in place for that cell, so that its silence means something."""

    def accounts(self, asked: Sequence[Question]) -> Told:
        """What it saw of these samples; awaits what is still on its way, for as long as that makes sense."""

    def rewrites(self, asked: Sequence[Question]) -> Mapping[str, tuple[cells.Rewrite, ...]]:
        """Who changed which address on the way of each of these samples, by token; empty if it can't say."""


class Witness(Protocol):
    """Somebody who can watch."""

    @property
    def kind(self) -> words.Witness:
        """Which of the independent accounts it gives."""

    def watching(self, known: facts.Facts, planned: Sequence[cells.Cell]) -> contextlib.AbstractContextManager[Watch]:
        """Watch the backends of these cells until the block ends.

        Raises:
            HarnessError: It can't be put in place.
        """


@contextlib.contextmanager
def all_watching(
    witnesses: Sequence[Witness], known: facts.Facts, planned: Sequence[cells.Cell]
) -> Iterator[tuple[tuple[words.Witness, Watch], ...]]:
    """All witnesses at once, each with its kind."""
    with contextlib.ExitStack() as stack:
        yield tuple((witness.kind, stack.enter_context(witness.watching(known, planned))) for witness in witnesses)
