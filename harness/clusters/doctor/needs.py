"""What a doctor finds: one need of one provider, whether it is met, and what would meet it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.core import errors

SCHEMA = "sourceip/doctor"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that a provider needs.

    Attributes:
        provider: Whose need it is.
        what: What is needed, in a few words.
        met: Whether the machine has it.
        found: What was found.
        remedy: The command or the option that supplies it; empty if it is there.
        optional: Whether the provider runs without it, with less.
    """

    provider: str
    what: str
    met: bool
    found: str
    remedy: str = ""
    optional: bool = False

    @property
    def mark(self) -> str:
        """One word for a table."""
        if self.met:
            return "ok"
        return "less" if self.optional else "MISSING"


def asked(provider: str, what: str, look: Callable[[], str], *, remedy: str = "", optional: bool = False) -> Need:
    """One need, by a look that gives what it found or raises what is missing."""
    try:
        return Need(provider=provider, what=what, met=True, found=look(), optional=optional)
    except errors.CapabilityMissing as error:
        help_ = error.remedy or remedy
        return Need(provider=provider, what=what, met=False, found=error.reason, remedy=help_, optional=optional)
    except (errors.HarnessError, OSError) as error:
        said = " ".join(str(error).split())
        return Need(provider=provider, what=what, met=False, found=said, remedy=remedy, optional=optional)


def usable(found: Iterable[Need]) -> tuple[str, ...]:
    """The providers that lack nothing that they can't do without, in the order of the needs."""
    lacking: dict[str, bool] = {}
    for need in found:
        lacking[need.provider] = lacking.get(need.provider, False) or not (need.met or need.optional)
    return tuple(provider for provider, lacks in lacking.items() if not lacks)


def document(found: Sequence[Need]) -> dict[str, object]:
    """All findings as plain data for other programs."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "usable": list(usable(found)),
        "needs": [
            {
                "provider": need.provider,
                "what": need.what,
                "met": need.met,
                "optional": need.optional,
                "found": need.found,
                "remedy": need.remedy,
            }
            for need in found
        ],
    }
