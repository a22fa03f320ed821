"""The probe agent as it runs in the field: started as source by a Python, dialling and serving on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from harness.core import errors
from harness.model import cells, words
from harness.probing import client, runners

LOOPBACK = ip_address("127.0.0.1")


@pytest.fixture
def session() -> Iterator[client.Session]:
    """An agent on this machine, under the Python that the machine itself would pick."""
    with client.running(runners.Runner(prefix=())) as found:
        yield found


def dial(port: int, protocol: words.Protocol, *, count: int = 3, timeout_s: float = 5.0) -> client.Dial:
    """Samples to a port on loopback."""
    return client.Dial(
        address=LOOPBACK,
        port=port,
        protocol=protocol,
        tokens=tuple(f"token-{index}" for index in range(count)),
        timeout_s=timeout_s,
    )


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that reads a request's head, gives that answer and closes; its port and the heads that it got."""
    heads: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                head = b""
                while b"\r\n\r\n" not in head and (chunk := sock.recv(4096)):
                    head += chunk
                heads.append(head)
                sock.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heads
    finally:
        # A thread that is blocked in accept is not woken by close alone.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_http_samples_are_answered(session: client.Session) -> None:
    """Each token travels on a connection of its own, and status and both ends of the socket come back."""
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as (port, heads):
        found = session.dial(dial(port, words.Protocol.HTTP))
    assert {token: reply.status for token, reply in found.items()} == dict.fromkeys(found, 200)
    assert {reply.peer for reply in found.values()} == {(LOOPBACK, port)}
    assert len({reply.local for reply in found.values()}) == len(found) == 3
    assert sorted(head.split()[1] for head in heads) == [f"/?probe=token-{index}".encode() for index in range(3)]


def test_an_http_error_is_an_answer(session: client.Session) -> None:
    """Status 500 comes back as such, with no silence."""
    with answering(b"HTTP/1.0 500 Oh\r\n\r\n") as (port, _):
        [reply] = session.dial(dial(port, words.Protocol.HTTP, count=1)).values()
    assert (reply.status, reply.silence, reply.answered) == (500, None, True)


@pytest.mark.parametrize("answer", [b"220 mail ready\r\n", b"HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_is_no_answer(session: client.Session, answer: bytes) -> None:
    """Another service on the port is neither an answer nor a silence."""
    with answering(answer) as (port, _):
        [reply] = session.dial(dial(port, words.Protocol.HTTP, count=1)).values()
    assert not reply.answered
    assert reply.status is None
    assert reply.silence is None


def test_a_connection_that_closes_without_a_word_is_reset(session: client.Session) -> None:
    """An empty answer is a silence."""
    with answering(b"") as (port, _):
        [reply] = session.dial(dial(port, words.Protocol.HTTP, count=1)).values()
    assert reply.silence is words.Silence.RESET


def test_a_closed_port_is_refused(session: client.Session) -> None:
    """The kernel's own refusal is told from a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    [reply] = session.dial(dial(port, words.Protocol.TCP, count=1)).values()
    assert reply.silence is words.Silence.REFUSED


def test_a_server_that_says_nothing_times_out(session: client.Session) -> None:
    """All unanswered samples wait side by side, each for its own time limit."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        wanted = dial(listener.getsockname()[1], words.Protocol.HTTP, count=20, timeout_s=0.2)
        found = session.dial(wanted)
    assert {reply.silence for reply in found.values()} == {words.Silence.TIMEOUT}
    assert len(found) == 20


@pytest.mark.parametrize("protocol", [words.Protocol.TCP, words.Protocol.UDP])
def test_the_echo_answers_both_protocols(session: client.Session, protocol: words.Protocol) -> None:
    """One agent serves what another agent, or the same one, dials."""
    port = session.serve(0, host="127.0.0.1", identity="here")
    found = session.dial(dial(port, protocol))
    assert all(reply.answered for reply in found.values()), found


def test_a_source_port_can_be_chosen(session: client.Session) -> None:
    """The socket is bound to the port that was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, _):
        wanted = client.Dial(
            address=LOOPBACK, port=port, protocol=words.Protocol.HTTP, tokens=("t",), timeout_s=5.0, source_port=free
        )
        [reply] = session.dial(wanted).values()
    assert reply.local is not None
    assert reply.local[1] == free


def test_several_dials_run_at_once(session: client.Session) -> None:
    """Answers find the dial that they belong to."""
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, _), socket.create_server(("127.0.0.1", 0)) as mute:
        quick, slow = client.dial_all(
            session,
            [
                dial(port, words.Protocol.HTTP),
                dial(mute.getsockname()[1], words.Protocol.HTTP, timeout_s=0.2),
            ],
        )
    assert all(reply.answered for reply in quick.values())
    assert not any(reply.answered for reply in slow.values())


def test_a_prefix_that_ends_says_what_it_said() -> None:
    """A runner whose program ends at once is an error with that program's words."""
    runner = runners.Runner(prefix=("sh", "-c", "echo no such place >&2; exit 3"))
    with pytest.raises(client.ProbeError, match="no such place"), client.running(runner):
        pass


def test_a_prefix_without_a_program_is_a_command_error() -> None:
    """A runner that names no program fails like any other program."""
    with (
        pytest.raises(errors.CommandError, match="no such program"),
        client.running(runners.Runner(prefix=("sourceip-no-such-program",))),
    ):
        pass


def test_words_without_a_meaning_are_an_error() -> None:
    """A reply that the model has no word for is the probe's failure, never a verdict."""
    with pytest.raises(client.ProbeError, match="no meaning"):
        client.reply_from({"token": "t", "silence": "bored", "latency_ms": 1})
    assert client.reply_from({"token": "t", "latency_ms": 1}) == cells.Reply(status=None, silence=None, latency_ms=1.0)
