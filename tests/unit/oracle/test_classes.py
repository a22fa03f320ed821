"""Whose address it is, by exact membership."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from harness.model import words
from harness.oracle import classes
from tests import builders


@pytest.mark.parametrize(
    ("address", "klass"),
    [
        ("172.18.0.5", words.AddressClass.CLIENT),
        ("172.18.0.2", words.AddressClass.ENTRY_NODE),
        ("10.244.82.0", words.AddressClass.ENTRY_TUNNEL),
        ("172.18.0.3", words.AddressClass.BACKEND_NODE),
        ("10.244.162.128", words.AddressClass.BACKEND_TUNNEL),
        ("172.18.0.4", words.AddressClass.OTHER_NODE),
        ("10.244.110.128", words.AddressClass.OTHER_NODE),
        ("10.244.110.130", words.AddressClass.POD),
        ("10.244.162.134", words.AddressClass.POD),
        ("172.18.0.1", words.AddressClass.GATEWAY),
        ("10.96.64.51", words.AddressClass.SERVICE),
        # These are inside the networks of nodes, pods and services, and belong to nobody.
        ("172.18.0.50", words.AddressClass.UNKNOWN),
        ("10.244.82.1", words.AddressClass.UNKNOWN),
        ("10.96.114.4", words.AddressClass.UNKNOWN),
    ],
)
def test_an_address_has_the_class_of_its_owner(address: str, klass: words.AddressClass) -> None:
    """Membership decides, and neighbours in the same network are unknown."""
    assert classes.classify(ip_address(address), builders.cell().path, builders.known()) is klass


def test_the_entry_node_comes_before_the_backends_node() -> None:
    """A node that is both is called by the role that the expectation is about."""
    cell = builders.cell(entry="kind-worker")
    assert classes.classify(ip_address("172.18.0.3"), cell.path, builders.known()) is words.AddressClass.ENTRY_NODE
