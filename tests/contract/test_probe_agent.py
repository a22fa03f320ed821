"""The probe agent as it runs in the field: started as source by a Python, dialling and serving on loopback."""

from __future__ import annotations

import dataclasses
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from harness.core import errors, process
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

    def serve(sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (chunk := sock.recv(4096)):
            head += chunk
        heads.append(head)
        sock.sendall(answer)

    with serving(serve) as port:
        yield port, heads


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does that with one connection after the other; its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def run() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                serve(sock)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
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


def test_a_slow_server_does_not_stretch_the_time_limit(session: client.Session) -> None:
    """An answer that comes octet by octet is a timeout when its sample's time is up."""

    def drip(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.settimeout(0.02)
        for _ in range(500):
            try:
                sock.sendall(b" ")
                if not sock.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    with serving(drip) as port:
        [reply] = session.dial(dial(port, words.Protocol.TCP, count=1, timeout_s=0.2)).values()
    assert reply.silence is words.Silence.TIMEOUT


@pytest.mark.parametrize("protocol", [words.Protocol.TCP, words.Protocol.HTTP])
def test_a_reset_is_told_from_a_refusal(session: client.Session, protocol: words.Protocol) -> None:
    """A server that takes the question and breaks the connection off is neither an answer nor a closed port."""

    def break_off(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(break_off) as port:
        [reply] = session.dial(dial(port, protocol, count=1)).values()
    assert reply.silence is words.Silence.RESET
    assert reply.peer == (LOOPBACK, port)


@pytest.mark.parametrize("protocol", list(words.Protocol))
def test_the_echo_answers_every_protocol(session: client.Session, protocol: words.Protocol) -> None:
    """One agent serves what another agent, or the same one, dials; each answer names its own question and client."""
    port = session.serve(0, host="127.0.0.1", identity="here")
    connected = protocol is not words.Protocol.UDP_UNCONNECTED
    for token, reply in session.dial(dial(port, protocol)).items():
        assert (reply.answered, reply.token, reply.server) == (True, token, "here"), reply
        assert reply.status == (200 if protocol is words.Protocol.HTTP else None)
        assert reply.peer == ((LOOPBACK, port) if connected else None)
        assert reply.sender == (None if connected else (LOOPBACK, port))
        assert reply.local is not None
        assert reply.saw == (LOOPBACK, reply.local[1])
        assert reply.local[0] == (LOOPBACK if connected else ip_address("0.0.0.0"))


def account(**changed: object) -> bytes:
    """A line that an echo answers with, changed at will."""
    return (
        json.dumps({"token": "token-0", "seen": "127.0.0.1", "seen_port": 7, "server": "s", **changed}).encode() + b"\n"
    )


def page(body: bytes, *, kind: str = "application/json") -> bytes:
    """The same over HTTP."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("protocol", [words.Protocol.TCP, words.Protocol.HTTP])
def test_an_answer_to_something_else_keeps_its_own_token(session: client.Session, protocol: words.Protocol) -> None:
    """What the answer repeats is told apart from what was asked."""
    line = account(token="another")
    with answered(protocol, line) as port:
        [reply] = session.dial(dial(port, protocol, count=1)).values()
    assert (reply.answered, reply.token) == (True, "another")


@pytest.mark.parametrize(
    ("protocol", "answer", "said"),
    [
        pytest.param(words.Protocol.TCP, account() * 2, "no account", id="two lines"),
        pytest.param(words.Protocol.TCP, account()[:-1], "half an answer", id="a line without an end"),
        pytest.param(words.Protocol.TCP, account()[:20] + b"\n", "no account", id="half a line"),
        pytest.param(words.Protocol.TCP, b"\n", "no account", id="an empty line"),
        pytest.param(words.Protocol.TCP, b"[" * 100_000 + b"\n", "no account", id="a deep line"),
        pytest.param(words.Protocol.TCP, account(seen_port="7"), "of another type", id="a port that is text"),
        pytest.param(words.Protocol.TCP, account(seen="nowhere"), "says that it saw 'nowhere'", id="no address"),
        pytest.param(words.Protocol.TCP, account(seen_port=70000), "says that it saw", id="no port"),
        pytest.param(words.Protocol.HTTP, page(b""), "no account", id="an empty page"),
        pytest.param(words.Protocol.HTTP, page(b"{}", kind="text/html"), "no account", id="an empty account"),
        pytest.param(words.Protocol.HTTP, page(account())[:-5], "octets after an HTTP head", id="half a page"),
        pytest.param(words.Protocol.HTTP, page(account()) * 2, "octets after an HTTP head", id="two pages"),
        pytest.param(words.Protocol.HTTP, b"HTTP/1.1 200 OK\r\nServer: x\r\n", "no HTTP answer", id="half a head"),
    ],
)
def test_an_answer_without_a_meaning_is_an_error(
    session: client.Session, protocol: words.Protocol, answer: bytes, said: str
) -> None:
    """Whatever a server answers that is not whole and clear is an error of that sample: no answer, and no silence."""
    with answered(protocol, answer, as_it_is=True) as port:
        [reply] = session.dial(dial(port, protocol, count=1)).values()
    assert (reply.answered, reply.silence) == (False, None)
    assert said in reply.error


@contextmanager
def answered(protocol: words.Protocol, answer: bytes, *, as_it_is: bool = False) -> Iterator[int]:
    """A server with one answer to the first octets that it gets, over HTTP as a page; its port."""
    whole = page(answer) if protocol is words.Protocol.HTTP and not as_it_is else answer

    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(whole)

    with serving(serve) as port:
        yield port


def test_an_empty_datagram_is_no_account(session: client.Session) -> None:
    """A datagram came, so it is no silence; it says nothing, so it is no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=lambda: server.sendto(b"", server.recvfrom(100)[1]), daemon=True)
        thread.start()
        [reply] = session.dial(dial(server.getsockname()[1], words.Protocol.UDP, count=1)).values()
        thread.join(5)
    assert (reply.answered, reply.silence) == (False, None)


def test_two_thousand_samples_travel_in_one_request(session: client.Session) -> None:
    """All come back, each with its own token, from a port that no other sample to that destination had."""
    port = session.serve(0, host="127.0.0.1", identity="here")
    dials = [dial(port, protocol, count=500) for protocol in words.Protocol]
    found = session.dial_many(dials)
    assert [len(replies) for replies in found] == [500] * 4
    assert all(reply.answered and reply.token == token for replies in found for token, reply in replies.items())
    http, tcp, *udp = ([reply.local and reply.local[1] for reply in replies.values()] for replies in found)
    assert len({*http, *tcp}) == 1000
    assert len({port for ports in udp for port in ports}) == 1000


def test_silent_samples_make_room(session: client.Session) -> None:
    """Even where only one may be under way, samples of a destination that answers end before those of a silent one."""
    port = session.serve(0, host="127.0.0.1", identity="here")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        silent = dial(mute.getsockname()[1], words.Protocol.UDP, timeout_s=1.0)
        dials = [silent.request(), dial(port, words.Protocol.TCP).request()]
        argv = runners.Runner(prefix=()).argv()
        done = process.run([*argv, json.dumps({"op": "dial", "concurrency": 1, "dials": dials})])
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["event"], event.get("dial")) for event in events] == [
        *[("sample", 1)] * 3,
        *[("sample", 0)] * 3,
        ("done", None),
    ]


GOOD = {"id": "good", "op": "dial", "tokens": [], "timeout_s": 1, "host": "127.0.0.1", "port": 1, "protocol": "tcp"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (b"dance", "JSONDecodeError"),
        (b"[]", "AttributeError"),
        (json.dumps({**GOOD, "op": "dance"}).encode(), "dance"),
        (json.dumps({**GOOD, "protocol": "sctp"}).encode(), "sctp"),
        (json.dumps({**GOOD, "tokens": None}).encode(), "TypeError"),
        (json.dumps({**GOOD, "dials": [{}]}).encode(), "KeyError"),
    ],
)
def test_a_request_without_a_meaning_is_an_error(asked: bytes, said: str) -> None:
    """The agent says what it did not understand, and carries out the others."""
    lines = [asked, json.dumps(GOOD).encode(), b""]
    done = process.run([sys.executable, str(runners.AGENT)], stdin=b"\n".join(lines))
    ready, bad, good = map(json.loads, done.stdout.splitlines())
    assert (ready["event"], bad["event"], good) == ("ready", "error", {"id": "good", "event": "done"})
    assert said in bad["error"]


def test_the_echo_takes_lines_and_pages(session: client.Session) -> None:
    """One connection carries any number of lines, in whatever pieces, or one page; another page is a bad request."""
    port = session.serve(0, host="127.0.0.1", identity="here")
    with socket.create_connection(("127.0.0.1", port), 5) as sock, sock.makefile("rb") as answers:
        for piece in (b"GE", b"M one\nGEM ", b"two and more\n"):
            sock.sendall(piece)
        told = [json.loads(answers.readline()) for _ in range(2)]
    assert [(item["token"], item["padding"]) for item in told] == [("GEM", "one"), ("GEM", "two and more")]
    for target, status in (("/?probe=t", b"200"), ("/", b"400")):
        with socket.create_connection(("127.0.0.1", port), 5) as sock, sock.makefile("rb") as answers:
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head, _, body = answers.read().partition(b"\r\n\r\n")
        assert head.split()[1] == status
        assert f"Content-Length: {len(body)}".encode() in head


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


def test_a_connection_can_be_kept_open() -> None:
    """The server sees the end of the connection only when the session ends, although the answer came long before."""
    with socket.create_server(("127.0.0.1", 0)) as listener, client.running(runners.Runner(prefix=())) as holder:
        wanted = dial(listener.getsockname()[1], words.Protocol.HTTP, count=1, timeout_s=0.2)
        [reply] = holder.dial(dataclasses.replace(wanted, keep_open=True)).values()
        [other] = holder.dial(wanted).values()
        assert reply.silence is other.silence is words.Silence.TIMEOUT
        kept, closed = (listener.accept()[0] for _ in range(2))
        with kept, closed:
            assert b"Connection: keep-alive" in kept.recv(4096)
            assert b"Connection: close" in closed.recv(4096)
            assert closed.recv(1) == b""
            kept.setblocking(False)
            with pytest.raises(BlockingIOError):
                kept.recv(1)


def test_several_dials_run_at_once(session: client.Session) -> None:
    """Answers find the dial that they belong to."""
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, _), socket.create_server(("127.0.0.1", 0)) as mute:
        quick, slow = session.dial_many(
            [
                dial(port, words.Protocol.HTTP),
                dial(mute.getsockname()[1], words.Protocol.HTTP, timeout_s=0.2),
            ]
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
