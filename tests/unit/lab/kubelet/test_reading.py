"""Requests for logs."""

from __future__ import annotations

import pytest

from harness.core import errors
from harness.lab.kubelet import logs, reading

NOW_S = 1_795_411_034.0


def test_all_options() -> None:
    """Every field of PodLogOptions that the contract names."""
    request = {"tailLines": 5, "limitBytes": "9", "timestamps": True, "follow": True, "sinceSeconds": 4}
    assert reading.selection_of(request, now_s=NOW_S) == logs.Selection(
        tail_lines=5, limit_bytes=9, timestamps=True, follow=True, since=b"2026-11-23T05:17:10.000000000Z"
    )


def test_since_a_time() -> None:
    """A moment in any zone is compared in UTC."""
    request = {"sinceTime": "2026-11-23T06:17:10+01:00"}
    assert reading.selection_of(request, now_s=NOW_S).since == b"2026-11-23T05:17:10.000000000Z"


def test_nothing_asked_is_everything() -> None:
    """Absent and empty options choose nothing."""
    assert reading.selection_of({"tailLines": None, "sinceTime": ""}, now_s=NOW_S) == logs.Selection()


@pytest.mark.parametrize("request_", [{"tailLines": "many"}, {"tailLines": -1}, {"sinceTime": "noon"}])
def test_a_wrong_option_is_a_bad_request(request_: dict[str, object]) -> None:
    """What can't be meant is refused in words."""
    with pytest.raises(errors.ApiError) as caught:
        reading.selection_of(request_, now_s=NOW_S)
    assert caught.value.code == 400
