"""Cleanup: a labelled stack that always runs to its end."""

from __future__ import annotations

import pytest

from harness.core import cleanup, errors


def fail(message: str) -> None:
    """A step that fails."""
    raise RuntimeError(message)


def test_runs_newest_first_and_only_once() -> None:
    """What was made last is removed first, and a second run does nothing."""
    order: list[str] = []
    stack = cleanup.CleanupStack()
    stack.push("first", lambda: order.append("first"))
    stack.push("second", lambda: order.append("second"))
    stack.run()
    stack.run()
    assert order == ["second", "first"]


def test_every_step_runs_although_others_fail() -> None:
    """A failure is kept for the end and names its step."""
    order: list[str] = []
    stack = cleanup.CleanupStack()
    stack.push("namespace", lambda: order.append("namespace"))
    stack.push("link", lambda: fail("busy"))
    stack.push("process", lambda: fail("gone"))
    with pytest.raises(errors.CleanupError, match=r"process: gone; link: busy"):
        stack.run()
    assert order == ["namespace"]


def test_ctrl_c_in_a_step_does_not_stop_the_rest() -> None:
    """Even a KeyboardInterrupt in one step lets the others run."""
    order: list[str] = []

    def interrupted() -> None:
        raise KeyboardInterrupt

    stack = cleanup.CleanupStack()
    stack.push("last", lambda: order.append("last"))
    stack.push("interrupted", interrupted)
    with pytest.raises(errors.CleanupError):
        stack.run()
    assert order == ["last"]


def test_an_error_under_way_is_kept_and_noted() -> None:
    """The failure of the cleanup never hides the failure that led to it."""

    def body() -> None:
        with cleanup.CleanupStack() as stack:
            stack.push("link", lambda: fail("busy"))
            fail("the real one")

    with pytest.raises(RuntimeError, match="the real one") as caught:
        body()
    assert caught.value.__notes__ == ["cleanup of link failed too: busy"]


def test_a_context_raises_its_own_failures() -> None:
    """Without an error under way the failures of the cleanup are the error."""

    def body() -> None:
        with cleanup.CleanupStack() as stack:
            stack.push("link", lambda: fail("busy"))

    with pytest.raises(errors.CleanupError, match="link: busy"):
        body()
