"""Waiting: observe, a pure predicate, a deadline on the monotonic clock.

This is the one module that sleeps. Time is a seam: a test hands in a ``Clock`` of its own and never waits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from harness.core import errors

log = logging.getLogger("harness.waiting")

State = TypeVar("State")

LONGEST_S = 24 * 3600.0


class Clock(Protocol):
    """Time as the harness sees it."""

    def now(self) -> float:
        """Seconds on a clock that only goes forward."""

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""


@dataclass(frozen=True)
class MonotonicClock:
    """The machine's own monotonic clock."""

    def now(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


REAL = MonotonicClock()


def wait_until(
    observe: Callable[[], State],
    ready: Callable[[State], bool],
    *,
    what: str,
    timeout_s: float,
    delay_s: float = 0.2,
    successes: int = 1,
    failed: Callable[[State], bool] | None = None,
    clock: Clock = REAL,
) -> State:
    """Observe until a predicate holds, and return the state that it held for.

    Args:
        observe: Reads the state; may be slow, must not wait for the condition itself.
        ready: A pure predicate of the state.
        what: What is awaited, as a noun phrase for the error.
        timeout_s: Seconds until the wait is given up; the state is observed at least once.
        delay_s: Seconds between observations.
        successes: How many observations in a row must be ready, where a state flaps.
        failed: A pure predicate that says the condition can no longer hold.
        clock: Time.

    Raises:
        WaitTimeout: The predicate did not hold in time; the last state is in the text.
        WaitAborted: ``failed`` held.
        ValueError: A time that cannot be meant, such as milliseconds handed in as seconds.
    """
    if not 0 <= timeout_s <= LONGEST_S or delay_s < 0 or successes < 1:
        raise ValueError(f"timeout_s={timeout_s}, delay_s={delay_s}, successes={successes}: not a wait in seconds")
    deadline = clock.now() + timeout_s
    streak, last = 0, None
    while True:
        state = observe()
        if state != last:
            log.debug("%s: %s", what, state)
        last = state
        if failed is not None and failed(state):
            raise errors.WaitAborted(what, state)
        streak = streak + 1 if ready(state) else 0
        if streak >= successes:
            return state
        if clock.now() + delay_s > deadline:
            raise errors.WaitTimeout(what, timeout_s, state)
        clock.sleep(delay_s)
