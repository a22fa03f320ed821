"""The frames of exec."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.lab.kubelet import frames

FRAMES = st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=50)), max_size=8)


@given(sent=FRAMES, cuts=st.lists(st.integers(0, 300), max_size=6))
def test_frames_survive_any_cut(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """However the bytes arrive, the same frames come out in the same order."""
    data = b"".join(frames.frame(*each) for each in sent)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parser = frames.Parser()
    got = [each for start, end in itertools.pairwise(edges) for each in parser.take(data[start:end])]
    assert got == sent


def test_the_form_is_the_contract() -> None:
    """One byte channel, four bytes length in network order, data."""
    assert frames.frame(frames.STDERR, b"ab") == b"\x02\x00\x00\x00\x02ab"


def test_an_absurd_length_is_an_error() -> None:
    """A length that nobody means ends the session instead of filling the memory."""
    with pytest.raises(ValueError, match="bytes"):
        list(frames.Parser().take(b"\x00\xff\xff\xff\xff"))
