"""What the witnesses said of a cell, told once for all samples that say the same. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from harness.model import cells
from harness.report import findings

_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Story:
    """Samples that tell the same, and one of them as the example.

    Attributes:
        count: How many they are.
        agrees: Whether they look like what was expected.
        example: The first of them.
    """

    count: int
    agrees: bool
    example: cells.Sample


def stories(verdict: cells.Verdict) -> tuple[Story, ...]:
    """At most four distinct stories of a cell, those that do not agree first; all samples are in ``run.json``."""
    found: dict[Hashable, list[cells.Sample]] = {}
    for sample in verdict.samples:
        found.setdefault(_gist(sample), []).append(sample)
    told = [
        Story(count=len(same), agrees=findings.agrees(same[0], verdict.expectation), example=same[0])
        for same in found.values()
    ]
    return tuple(sorted(told, key=lambda story: (story.agrees, -story.count))[:_SHOWN])


def _gist(sample: cells.Sample) -> Hashable:
    accounts = tuple((item.witness, item.address, item.backend) for item in sample.accounts)
    return accounts, sample.reply.status, sample.reply.silence, sample.reply.error


def reply(sample: cells.Sample) -> str:
    """What the client got, in a few words."""
    got = sample.reply
    if got.silence is not None:
        return f"no answer: {got.silence.value}"
    if got.error:
        return f"error: {got.error}"
    status = f"HTTP {got.status}" if got.status is not None else "answered"
    return f"{status} after {got.latency_ms:.1f} ms"
