"""How a command's end is told."""

from __future__ import annotations

import pytest

from harness.lab.kubelet import executing


def test_success_is_a_status() -> None:
    """Exit code 0 is Kubernetes' Success."""
    assert executing.exit_status(0) == {"metadata": {}, "status": "Success"}


@pytest.mark.parametrize(("code", "shown"), [(3, "3"), (255, "255"), (-9, "137"), (-15, "143")])
def test_failure_carries_the_exit_code(code: int, shown: str) -> None:
    """kubectl takes the code from the cause; a signal is 128 and its number."""
    status = executing.exit_status(code)
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": shown}]
