"""Waiting: observe, a pure predicate, a deadline; with a clock that never really waits."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from harness.core import errors, waiting


@dataclass
class FakeClock:
    """A clock that moves only when somebody sleeps."""

    time: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def now(self) -> float:
        """The fake time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Move the fake time on."""
        self.sleeps.append(seconds)
        self.time += seconds


def test_returns_the_state_that_was_ready() -> None:
    """The wait hands back the state that its predicate held for."""
    seen = iter([1, 2, 3, 4])
    state = waiting.wait_until(lambda: next(seen), lambda n: n == 3, what="three", timeout_s=10, clock=FakeClock())
    assert state == 3


def test_observes_once_even_without_time() -> None:
    """A wait with no time left still looks once."""
    assert waiting.wait_until(lambda: True, bool, what="now", timeout_s=0, clock=FakeClock()) is True


def test_timeout_shows_the_last_state_and_the_limit() -> None:
    """A person reads in the error what was awaited, how long, and what was there instead."""
    clock = FakeClock()
    with pytest.raises(errors.WaitTimeout, match=r"pods ready: not within 180 s; last seen: 2 of 3"):
        waiting.wait_until(lambda: "2 of 3", lambda _: False, what="pods ready", timeout_s=180, clock=clock)
    assert clock.time <= 180


def test_never_sleeps_past_the_deadline() -> None:
    """The wait ends when the next observation would come too late."""
    clock = FakeClock()
    with pytest.raises(errors.WaitTimeout):
        waiting.wait_until(lambda: 0, lambda _: False, what="x", timeout_s=1, delay_s=0.4, clock=clock)
    assert clock.sleeps == [0.4, 0.4]


def test_needs_successes_in_a_row() -> None:
    """One good observation does not count where the state flaps."""
    seen = iter([True, False, True, True])
    observed = []

    def observe() -> bool:
        observed.append(next(seen))
        return observed[-1]

    waiting.wait_until(observe, bool, what="steady", timeout_s=10, successes=2, clock=FakeClock())
    assert observed == [True, False, True, True]


def test_stops_early_when_it_can_no_longer_happen() -> None:
    """A state that rules the condition out ends the wait at once."""
    clock = FakeClock()
    with pytest.raises(errors.WaitAborted, match="Degraded"):
        waiting.wait_until(
            lambda: "Degraded",
            lambda _: False,
            what="switch",
            timeout_s=300,
            failed=lambda state: state == "Degraded",
            clock=clock,
        )
    assert clock.sleeps == []


@pytest.mark.parametrize(("timeout_s", "delay_s"), [(300_000.0, 0.1), (-1.0, 0.1), (1.0, -1.0)])
def test_refuses_times_that_cannot_be_meant(timeout_s: float, delay_s: float) -> None:
    """Milliseconds handed in as seconds are an error, not a wait of days."""
    with pytest.raises(ValueError, match="not a wait in seconds"):
        waiting.wait_until(lambda: 0, bool, what="x", timeout_s=timeout_s, delay_s=delay_s, clock=FakeClock())


def test_the_real_clock_goes_forward() -> None:
    """The machine's clock is monotonic."""
    first = waiting.REAL.now()
    waiting.REAL.sleep(0)
    assert waiting.REAL.now() >= first
