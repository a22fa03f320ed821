"""The client outside the cluster: asked for its own address, and one line where that does not work."""

from __future__ import annotations

import ipaddress

import pytest

from harness.clusters.existing import provider
from harness.core import errors
from harness.model import words

LOOPBACK = ipaddress.ip_address("127.0.0.1")


def test_the_client_says_its_own_address() -> None:
    """The address that a socket towards the node has; nothing is sent."""
    found = provider._client(("env",), LOOPBACK)
    assert (found.kind, found.address) == (words.ClientKind.EXTERNAL, LOOPBACK)


@pytest.mark.parametrize(
    ("argv", "why"),
    [(("no-such-program",), "no such program"), (("false",), "ended with 1"), (("echo",), "does not appear to be")],
)
def test_a_command_that_does_not_work_is_one_line(argv: tuple[str, ...], why: str) -> None:
    """Whether it is not there, fails, or runs something that is no Python."""
    with pytest.raises(errors.UsageError, match=f"--client-cmd {argv[0]}: it runs no python3 there: .*{why}") as caught:
        provider._client(argv, LOOPBACK)
    assert "\n" not in str(caught.value)
