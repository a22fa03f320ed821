"""The classifier is total and exact: every address has one class, and only whose it is decides which."""

from __future__ import annotations

import dataclasses
import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import facts, words
from harness.oracle import classes
from tests import builders

EVERY_RUN_ALIKE = settings(derandomize=True, database=None, deadline=None, max_examples=100)

KNOWN = builders.known()
OWNERS: dict[facts.Address | None, words.AddressClass | None] = {
    builders.CLIENT: words.AddressClass.CLIENT,
    **{node.address: None for node in builders.NODES},
    **{node.tunnel: None for node in builders.NODES if node.tunnel is not None},
    builders.CUSTOMER.address: words.AddressClass.POD,
    builders.SUMMARY.address: words.AddressClass.POD,
    KNOWN.gateway: words.AddressClass.GATEWAY,
    **{item.cluster_ip: words.AddressClass.SERVICE for item in KNOWN.destinations},
}
OWNED = sorted(str(address) for address in OWNERS)
# Neighbours of all kinds: one more digit, one less, the next address, and any address at all.
NEAR = st.sampled_from(OWNED).flatmap(
    lambda text: st.one_of(
        st.integers(0, 9).map(lambda digit: f"{text}{digit}"),
        st.just(text[:-1]),
        st.integers(-3, 3).map(lambda step: str(ipaddress.ip_address(text) + step)),
    )
)
ANY = st.one_of(NEAR, st.sampled_from(OWNED), st.ip_addresses().map(str))


def address_of(text: str) -> facts.Address | None:
    """An address from its text, if it is one."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@given(text=ANY, entry=st.sampled_from([node.name for node in builders.NODES]))
@EVERY_RUN_ALIKE
def test_every_address_has_one_class_by_exact_membership(text: str, entry: str) -> None:
    """An address that somebody has is never unknown, and one that nobody has is never anything else."""
    address = address_of(text)
    if address is not None:
        found = classes.classify(address, builders.cell(entry=entry).path, KNOWN)
        assert (found is words.AddressClass.UNKNOWN) is (address not in OWNERS)
        assert OWNERS.get(address) in (None, found)


@given(order=st.permutations(builders.NODES), text=ANY)
@EVERY_RUN_ALIKE
def test_the_order_of_the_nodes_decides_nothing(order: list[facts.Node], text: str) -> None:
    """The API may list nodes in any order."""
    address = address_of(text)
    if address is not None:
        path = builders.cell().path
        other = dataclasses.replace(KNOWN, nodes=tuple(order))
        assert classes.classify(address, path, other) is classes.classify(address, path, KNOWN)


@given(taken=st.sampled_from([text for text in OWNED if text != str(builders.CLIENT)]))
@EVERY_RUN_ALIKE
def test_a_client_with_anothers_address_is_never_classified(taken: str) -> None:
    """Where the client's address is also another's, nothing could be told apart, and that is an error and no class."""
    where = builders.cell()
    client = dataclasses.replace(where.client, address=ipaddress.ip_address(taken))
    path = dataclasses.replace(where.path, client=client)
    ambiguous = client.address != KNOWN.gateway
    try:
        found = classes.classify(client.address, path, KNOWN)
    except ValueError:
        assert ambiguous
    else:
        # A run from the machine that hosts the nodes: there the client is the gateway.
        assert not ambiguous
        assert found is words.AddressClass.CLIENT
