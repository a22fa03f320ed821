"""What is outside a kind cluster, as far as it is decided without an engine."""

from __future__ import annotations

from harness.clusters.kind import outside


def test_the_gateway_is_a_client_only_where_this_machine_has_its_address() -> None:
    """An internal network has no gateway, and the empty address is not this machine's, though it could be bound."""
    assert outside.is_ours("127.0.0.1")
    assert not outside.is_ours("192.0.2.1")
    assert not outside.is_ours("")
