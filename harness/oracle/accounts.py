"""Whether the witnesses of one answered sample agree. Pure.

The application must have been reached exactly once. A witness on the wire that was in place must have seen the packet
arrive, or the answer came from something else. The kernel's table forgets, so its silence proves nothing; what it
says counts.
"""

from __future__ import annotations

from harness.model import cells, words


def fault(sample: cells.Sample, watching: frozenset[words.Witness]) -> str | None:
    """What is wrong with the accounts of an answered sample, or None if they agree."""
    told = _application_fault(sample, watching) or _wire_fault(sample, watching) or disagreement(sample)
    return told if told or sample.accounts else "answered, and no witness was there"


def disagreement(sample: cells.Sample) -> str | None:
    """That the witnesses tell one sample differently, with what each says; None if they agree or say nothing."""
    if not sample.disputed:
        return None
    told = "; ".join(f"{account.witness.value}: {account.backend} saw {account.address}" for account in sample.accounts)
    return f"witnesses disagree: {told}"


def _application_fault(sample: cells.Sample, watching: frozenset[words.Witness]) -> str | None:
    told = sample.of(words.Witness.APPLICATION)
    if words.Witness.APPLICATION not in watching:
        return None
    if not told:
        return "answered, but no line in the log: not by the backend, or the line is lost"
    return f"{len(told)} lines in the log for one request" if len(told) > 1 else None


def _wire_fault(sample: cells.Sample, watching: frozenset[words.Witness]) -> str | None:
    if words.Witness.WIRE not in watching or sample.of(words.Witness.WIRE):
        return None
    return "answered, but the request never arrived on the backend's wire"
