"""What one sample showed, in words that mean the same on every cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.lab.matrix import roles

TIMEOUT, REFUSED, RESET = "timeout", "refused", "reset"
SILENCES = frozenset({TIMEOUT, REFUSED, RESET, "unreachable"})
_RECORDED = {"TimeoutError": TIMEOUT, "ConnectionRefusedError": REFUSED, "ConnectionResetError": RESET}


@dataclass(frozen=True, kw_only=True, order=True)
class Outcome:
    """One sample.

    Attributes:
        seen: The role of the address that the server saw, or how the sample stayed without an answer.
        peer: Whom the client's socket says that it is connected to, where that is not whom it dialled: the mark of
            connect-time load balancing (the recordings' finding 5).
        sender: Who answered a socket that is not connected, where that is not whom it asked.
    """

    seen: str
    peer: str = ""
    sender: str = ""

    def __str__(self) -> str:
        """The role, and what else there is to say."""
        marks = (f" peer {self.peer}" if self.peer else "") + (f" from {self.sender}" if self.sender else "")
        return self.seen + marks


def recorded(sample: Mapping[str, Any], owners: roles.Owners) -> Outcome:
    """A sample of a recording; raises ValueError for an error that has no word yet."""
    if "error" in sample:
        kind = str(sample["error"]).partition(":")[0]
        if kind not in _RECORDED:
            raise ValueError(f"a recorded error without a word: {sample['error']}")
        return Outcome(seen=_RECORDED[kind])
    return Outcome(
        seen=owners.of(sample["seen"]),
        peer=_end(sample.get("peername"), owners),
        sender=_end(sample.get("reply_from"), owners),
    )


def played(event: Mapping[str, Any], seen: str | None, dialled: tuple[str, int], owners: roles.Owners) -> Outcome:
    """A sample as the agent reports it; ``seen`` is who the server saw, from its answer or its log."""
    if event.get("error") or seen is None:
        return Outcome(seen=str(event.get("silence") or event.get("error") or "not logged"))
    return Outcome(
        seen=owners.of(seen),
        peer=_other(event.get("peer"), dialled, owners),
        sender=_other(event.get("reply_from"), dialled, owners),
    )


def _other(end: list[Any] | None, dialled: tuple[str, int], owners: roles.Owners) -> str:
    return _end(end, owners) if end is not None and (end[0], end[1]) != dialled else ""


def _end(end: list[Any] | None, owners: roles.Owners) -> str:
    return owners.at((str(end[0]), int(end[1]))) if end is not None else ""
