"""The dumps' small parts; the whole is held against recordings in the contract tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.lab.bpf import dumping


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (17, "17ns"),
        (1_500, "1.5µs"),
        (140_534_666, "140.534666ms"),
        (40_552_700_507, "40.552700507s"),
        (47_000_000_000, "47s"),
        (83_790_625_700, "1m23.7906257s"),
        (3_600_000_000_000, "1h0m0s"),
    ],
)
def test_durations_are_printed_as_go_does(nanoseconds: int, text: str) -> None:
    """Readers of the real dump parse these."""
    assert dumping.go_duration(nanoseconds) == text


@given(st.integers(0, 10**15))
def test_durations_have_no_trailing_zeros(nanoseconds: int) -> None:
    """Go trims them."""
    number = dumping.go_duration(nanoseconds).rstrip("nµmsh")
    assert "." not in number or not number.endswith("0")
