"""The agent's pure parts: what an answer says, and which source ports samples get."""

from __future__ import annotations

import errno
import itertools
import json
import socket
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probing import agent

FIRST, LAST = 11, 30
PORTS = set(range(FIRST, LAST + 1))
PROTOCOLS = st.sampled_from(sorted(agent.KINDS))


class Sock(socket.socket):
    """A socket that can be bound to every port but those that somebody else has."""

    def __init__(self, taken: AbstractSet[int] = frozenset()) -> None:
        super().__init__()
        self.close()
        self.taken = taken
        self.port = 0

    def bind(self, address: object) -> None:
        """Take a port; raises OSError if somebody has it."""
        assert isinstance(address, tuple)
        if address[1] in self.taken:
            raise OSError(errno.EADDRINUSE, "taken")
        self.port = address[1]


def bound(ports: agent.Ports, destination: str, taken: AbstractSet[int] = frozenset()) -> int:
    """The port of one more sample to a destination."""
    sock = Sock(taken)
    ports.bind(sock, destination)
    return sock.port


@pytest.fixture
def ports() -> Iterator[agent.Ports]:
    """A short walk."""
    found = agent.Ports(FIRST, LAST, block=6)
    yield found
    found.walk.close()


@pytest.fixture
def other() -> Iterator[agent.Ports]:
    """A walk of another agent that lives in the same network namespace."""
    found = agent.Ports(FIRST, LAST, block=6)
    yield found
    found.walk.close()


def test_no_port_comes_twice_towards_one_destination(ports: agent.Ports) -> None:
    """Every port of the range is given once, and the next sample is refused, as often as it is tried."""
    assert {bound(ports, "a") for _ in PORTS} == PORTS
    for _ in range(3):
        with pytest.raises(OSError, match="every source port has been used: 20 towards"):
            bound(ports, "a")


def test_the_walk_is_over_all_destinations(ports: agent.Ports) -> None:
    """A port comes back, for another destination, only when all others have been given."""
    assert {bound(ports, name) for name in itertools.islice(itertools.cycle("ab"), len(PORTS))} == PORTS
    assert {bound(ports, name) for name in itertools.islice(itertools.cycle("ba"), len(PORTS))} == PORTS
    with pytest.raises(OSError, match="every source port has been used"):
        bound(ports, "a")


def test_ports_that_others_have_are_passed_over(ports: agent.Ports) -> None:
    """A port that is taken is left out and may be given later, when it is free."""
    taken = {12, 13, 30}
    assert {bound(ports, "a", taken) for _ in PORTS - taken} == PORTS - taken
    with pytest.raises(OSError, match="every source port has been used: 17"):
        bound(ports, "a", taken)
    assert {bound(ports, "a") for _ in taken} == taken


def test_agents_side_by_side_share_no_port(ports: agent.Ports, other: agent.Ports) -> None:
    """Two walks through the same range in one network namespace divide it between them."""
    given = [bound(whose, "a") for _ in range(6) for whose in (ports, other)]
    assert len(set(given)) == len(given)


def test_another_failure_to_bind_is_not_passed_over(ports: agent.Ports) -> None:
    """Only a port that is taken is a reason to try the next."""

    class Denied(Sock):
        def bind(self, address: object) -> None:
            raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        ports.bind(Denied(), "a")


ACCOUNTS = st.fixed_dictionaries(
    {"token": st.text(), "seen": st.text(), "seen_port": st.integers(), "server": st.text()},
    optional={"padding": st.text()},
)


def page(body: bytes, head: bytes = b"Server: x") -> bytes:
    """A whole page with a length."""
    return b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


@given(found=ACCOUNTS, protocol=PROTOCOLS)
def test_an_account_is_understood_over_every_protocol(found: dict[str, object], protocol: str) -> None:
    """Whatever an echo says comes back word for word, its token apart from the question's."""
    line = json.dumps(found).encode() + b"\n"
    answer = page(line) if protocol == "http" else line
    said = agent.understood(answer, protocol)
    assert agent.complete(answer, protocol)
    assert said.pop("bytes") == len(answer)
    assert said.pop("status", None) == (200 if protocol == "http" else None)
    assert said.pop("seen_token") == found["token"]
    assert said == {key: found[key] for key in ("seen", "seen_port", "server")}


@given(found=ACCOUNTS, protocol=st.sampled_from(["http", "tcp"]), data=st.data())
def test_a_part_of_an_answer_is_neither_complete_nor_understood(
    found: dict[str, object], protocol: str, data: st.DataObject
) -> None:
    """No beginning of an answer on a stream passes for the whole."""
    line = json.dumps(found).encode() + b"\n"
    answer = page(line) if protocol == "http" else line
    part = answer[: data.draw(st.integers(0, len(answer) - 1))]
    assert not agent.complete(part, protocol)
    with pytest.raises(ValueError, match=r"half an answer|no HTTP answer|octets after an HTTP head"):
        agent.understood(part, protocol)


@given(answer=st.binary() | st.binary().map(page), protocol=PROTOCOLS)
def test_any_bytes_are_understood_or_refused(answer: bytes, protocol: str) -> None:
    """Nothing that a server can send is more than a ValueError, and what is understood says something."""
    assert agent.complete(answer, protocol) in (True, False)
    try:
        said = agent.understood(answer, protocol)
    except ValueError:
        return
    assert "status" in said or "seen_token" in said


@given(body=st.binary().filter(lambda body: not body.startswith(b"{")))
def test_what_other_applications_answer_is_their_own_affair(body: bytes) -> None:
    """A page that does not say that it is JSON needs no account."""
    said = agent.understood(page(body, b"Content-Type: text/html; charset=utf-8"), "http")
    assert said == {"status": 200, "bytes": len(page(body, b"Content-Type: text/html; charset=utf-8"))}


@given(
    found=ACCOUNTS, key=st.sampled_from(sorted(agent.ACCOUNT)), wrong=st.none() | st.booleans() | st.lists(st.none())
)
def test_an_account_of_other_types_is_refused(found: dict[str, object], key: str, wrong: object) -> None:
    """A field that is missing or of another type makes the whole answer an error."""
    for changed in ({**found, key: wrong}, {name: value for name, value in found.items() if name != key}):
        line = json.dumps(changed).encode() + b"\n"
        for protocol, answer in (("tcp", line), ("udp", line), ("http", page(line))):
            with pytest.raises(ValueError, match="no account of an echo"):
                agent.understood(answer, protocol)


def test_shares_have_no_port_in_common_until_they_are_used_up() -> None:
    """Agents that a masquerade makes one differ in their ports; each can still have all of them."""
    walks = [agent.Ports(1000, 1599, block=10, share=(number, 3)) for number in range(3)]
    shares = [{port for block in each.blocks[:20] for port in block} for each in walks]
    assert sum(map(len, shares)) == len(set().union(*shares)) == 600
    assert {port for block in walks[0].blocks for port in block} == set(range(1000, 1600))
