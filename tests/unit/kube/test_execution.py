"""How an exec ends is read from its Status object."""

from __future__ import annotations

import json

import pytest

from harness.core import errors
from harness.kube import execution


def test_success_is_zero() -> None:
    """The API's word for exit code 0."""
    assert execution.exit_code(b'{"status":"Success"}') == 0


def test_the_exit_code_is_in_the_causes() -> None:
    """Its reason is NonZeroExitCode and its cause is ExitCode."""
    causes = [{"reason": "ExitCode", "message": "7"}]
    status = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    assert execution.exit_code(json.dumps(status).encode()) == 7


def test_a_program_that_never_started_is_an_api_error() -> None:
    """The kubelet's own words are kept."""
    status = {"status": "Failure", "code": 500, "reason": "InternalError", "message": "no such file: frob"}
    with pytest.raises(errors.ApiError, match="no such file: frob"):
        execution.exit_code(json.dumps(status).encode())


@pytest.mark.parametrize("status", [b"", b"[]", b"{}", b"oops"])
def test_an_end_without_a_status_is_an_api_error(status: bytes) -> None:
    """A connection that broke is never read as success."""
    with pytest.raises(errors.ApiError):
        execution.exit_code(status)
