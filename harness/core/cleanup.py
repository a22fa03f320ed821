"""Cleanup as a labelled stack that always runs to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from harness.core import errors

log = logging.getLogger("harness.cleanup")


class CleanupStack:
    """Steps that undo what was done, run in reverse order.

    Every step runs even when an earlier one failed; the failures are raised together at the end as one
    ``CleanupError``. As a context manager it runs on the way out. An error that was already under way is kept:
    the failures of the cleanup are then logged and attached to it as notes, so neither hides the other.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def push(self, label: str, step: Callable[[], object]) -> None:
        """Register a step to be run at the end, before those registered earlier."""
        self._steps.append((label, step))

    def run(self) -> None:
        """Run every step, newest first, and forget them.

        Raises:
            CleanupError: One or more steps failed.
        """
        failures = self._run_all()
        if failures:
            raise errors.CleanupError(failures)

    def _run_all(self) -> list[tuple[str, BaseException]]:
        failures: list[tuple[str, BaseException]] = []
        while self._steps:
            label, step = self._steps.pop()
            log.debug("cleanup: %s", label)
            try:
                step()
            # A cleanup must reach its end whatever one step raises, Ctrl-C included.
            except BaseException as error:  # noqa: BLE001
                failures.append((label, error))
        return failures

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures = self._run_all()
        for label, failure in failures:
            log.warning("cleanup of %s failed: %s", label, failure)
            if error is not None:
                error.add_note(f"cleanup of {label} failed too: {failure}")
        if failures and error is None:
            raise errors.CleanupError(failures)
