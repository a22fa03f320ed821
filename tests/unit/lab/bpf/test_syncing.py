"""Sets of backends and their ids: what a running packet may find half way through a change."""

from __future__ import annotations

import ipaddress
import sys

from hypothesis import given
from hypothesis import strategies as st

from harness.lab.bpf import layouts, syncing

ONE = layouts.Backend(ipaddress.IPv4Address("10.0.0.1"), 80)
TWO = layouts.Backend(ipaddress.IPv4Address("10.0.0.2"), 80)

BACKENDS = st.lists(st.sampled_from([ONE, TWO]), unique=True).map(tuple)


def test_a_set_keeps_its_id() -> None:
    """What is there stays where it is, whatever comes besides."""
    assert syncing.numbered({(ONE,), (TWO,)}, {5: (ONE,)}) == {(ONE,): 5, (TWO,): 0}


def test_a_new_set_never_takes_an_id_that_is_still_in_use() -> None:
    """The frontends point to the old set until they are written."""
    assert syncing.numbered({(TWO,)}, {0: (ONE,)}) == {(TWO,): 1}


@given(st.sets(BACKENDS), st.dictionaries(st.integers(0, 3), BACKENDS))
def test_ids_are_unique_and_no_present_set_is_overwritten(
    wanted: set[syncing.Backends], present: dict[int, syncing.Backends]
) -> None:
    """For any change from any state."""
    numbers = syncing.numbered(wanted, present)
    assert numbers.keys() == wanted
    assert len(set(numbers.values())) == len(numbers)
    assert all(present.get(number, backends) == backends for backends, number in numbers.items())


def test_sets_are_read_back_in_order() -> None:
    """The map has no order of its own; the ordinal is."""
    entries = {
        layouts.backend_key(3, 1): TWO.pack(),
        layouts.backend_key(3, 0): ONE.pack(),
        layouts.backend_key(4, 0): TWO.pack(),
    }
    assert syncing.backend_sets(entries) == {3: (ONE, TWO), 4: (TWO,)}


def test_a_backend_that_is_listed_twice_counts_as_local() -> None:
    """Its first place is among those of this node, and affinity must find it there."""
    _, members = syncing.set_entries({(ONE, TWO, ONE): 9})
    assert members == {
        layouts.member_key(9, ONE): (0).to_bytes(4, sys.byteorder),
        layouts.member_key(9, TWO): (1).to_bytes(4, sys.byteorder),
    }
