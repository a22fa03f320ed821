"""The probe: one file, standard library only, Python 3.8 or newer, sent as source to any Python on Linux.

It takes one JSON object a line on stdin, answers with JSON lines on stdout and ends when stdin does; or its requests
are arguments, and it ends when all are answered. Operations run side by side, each answered under its ``id``:

``dial``   ``tokens``, a fresh socket each, to ``host``:``port`` within ``timeout_s``. ``protocol`` is ``http`` (GET),
           ``tcp`` (a line each way), ``udp``, or ``udp-unconnected``, which takes an answer from anybody. ``padding``
           is octets to carry besides, ``source_port`` binds, ``keep_open`` holds sockets. ``dials`` is a list of such
           objects, ``concurrency`` that of all. One ``sample`` a token, its ``dial`` a place in it, then ``done``.
``serve``  Answers TCP and UDP on ``port`` with the account of what it saw, in a JSON line or, to a GET, a page.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import functools
import heapq
import itertools
import json
import os
import random
import re
import selectors
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Python 3.8 can't evaluate this and never has to. Steps yield what they wait for: a descriptor and READ or WRITE.
    from collections.abc import Callable, Generator

    Request = dict[str, Any]
    Steps = Generator[tuple[int, int], None, Any]

READ, WRITE, TCP, UDP = selectors.EVENT_READ, selectors.EVENT_WRITE, socket.SOCK_STREAM, socket.SOCK_DGRAM
# Octets of one answer, seconds until a silent sample makes room, and samples that are open at once.
MAX_OCTETS, QUIET_S, MAX_OPEN = 1 << 22, 0.1, 900
KINDS = {"http": TCP, "tcp": TCP, "udp": UDP, "udp-unconnected": UDP}
ACCOUNT = {"token": str, "seen": str, "seen_port": int, "server": str}
SILENCES = {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EPIPE: "reset", errno.ETIMEDOUT: "timeout"}
SILENCES.update({errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable", errno.EPERM: "dropped"})
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?:\r|$)", re.IGNORECASE)
JSON_TYPE = re.compile(rb"\r\ncontent-type:[ \t]*application/json\b", re.IGNORECASE)
STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})[ \r]")
TARGET = re.compile(rb"GET /\?probe=([^ &]*)\S* HTTP/1\.[01]\r\n")


class Loop:
    """Tasks in one thread, each a generator that yields what it waits for."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.waits: dict[Steps, tuple[int, int]] = {}
        self.timers: list[tuple[float, int, Callable[[], object]]] = []

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Call something later."""
        heapq.heappush(self.timers, (time.monotonic() + seconds, id(call), call))

    def advance(self, steps: Steps, late: bool = False) -> None:
        """Take the next step of a task, the first of a new one; or let it fail where it waits, if it still does."""
        before, after = self.waits.pop(steps, None), None
        if late and before is None:
            return
        with contextlib.suppress(StopIteration):
            after = steps.throw(TimeoutError(errno.ETIMEDOUT, "timed out")) if late else next(steps)
            self.waits[steps] = after
        if before and after and before != after:
            self.selector.modify(*after, steps)
        elif before and not after:
            self.selector.unregister(before[0])  # Closed by now, but nobody has got its number yet.
        elif after and not before:
            self.selector.register(*after, steps)

    def turn(self) -> None:
        """Wait until something can be done, and do it; the time is read first, so that no answer in hand is late."""
        now = time.monotonic()
        for key, _ in self.selector.select(max(0.0, self.timers[0][0] - now) if self.timers else None):
            self.advance(key.data)
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()


class Ports:
    """Source ports, none of them twice towards the same destination.

    So what a sample left in some node's connection table decides no later one: keep the agent for all phases. The walk
    is over all destinations, in any order, lest clients walk in step and meet where a node rewrites them; agents that a
    masquerade makes one begin with their own ``share``. A Unix socket claims a block within a network namespace.
    """

    def __init__(self, first: int, last: int, *, block: int = 512, share: tuple[int, int] = (0, 1)) -> None:
        blocks = [range(start, min(start + block, last + 1)) for start in range(first, last + 1, block)]
        self.blocks = sorted(blocks, key=lambda b: ((b.start - first) // block % share[1] != share[0], random.random()))
        self.used: dict[object, set[int]] = collections.defaultdict(set)
        self.walk = self.walked()

    def walked(self) -> Generator[int, None, None]:
        """Port after port, round and round; 0 after each round."""
        owned: list[int] = []
        with contextlib.ExitStack() as claims:
            for block in self.blocks:
                claim = claims.enter_context(socket.socket(socket.AF_UNIX, UDP))
                with contextlib.suppress(OSError):
                    claim.bind(f"\0sourceip-source-ports-{block.start}")
                    owned += random.sample(block, len(block))
                    yield from owned[-len(block) :]
            while True:
                yield 0
                yield from owned

    def bind(self, sock: socket.socket, *destination: object) -> None:
        """Bind to a port that is new towards this destination; raises OSError if there is none."""
        used = self.used[destination]
        rounds = (itertools.takewhile(bool, self.walk) for _ in range(2))
        for port in itertools.chain.from_iterable(rounds):
            try:
                if port not in used:
                    sock.bind(("", port))
                    used.add(port)
                    return
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRNOTAVAIL, f"every source port has been used: {len(used)} towards {destination}")


def when(sock: socket.socket, mask: int, call: Callable[..., Any], *args: object) -> Steps:
    """What a call on a socket returns when it no longer has to wait."""
    while True:
        try:
            return call(*args)
        except BlockingIOError:
            yield sock.fileno(), mask


def sent(sock: socket.socket, data: bytes) -> Steps:
    """Send all of it."""
    while data:
        data = data[(yield from when(sock, WRITE, sock.send, data)) :]


def asked(sock: socket.socket, dial: Request, question: bytes, result: Request) -> Steps:
    """Ask, and return the whole answer; both ends of a connected socket go into the result."""
    protocol, target = dial["protocol"], (dial["host"], dial["port"])
    code = sock.connect_ex(target) if protocol != "udp-unconnected" else 0
    if code == errno.EINPROGRESS:
        yield sock.fileno(), WRITE
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    result["local"] = sock.getsockname()[:2]
    if protocol == "udp-unconnected":
        yield from when(sock, WRITE, sock.sendto, question, target)
        answer, sender = yield from when(sock, READ, sock.recvfrom, 65536)
        result["reply_from"] = sender[:2]
        return answer
    result["peer"] = sock.getpeername()[:2]
    yield from sent(sock, question)
    answer, chunk = b"", b"?"
    while chunk and not complete(answer, protocol) and len(answer) < MAX_OCTETS:
        chunk = yield from when(sock, READ, sock.recv, 65536)
        answer += chunk
    if not answer and protocol != "udp":
        raise ConnectionResetError(errno.ECONNRESET, "closed without an answer")
    return answer


def question(dial: Request, token: str) -> bytes:
    """The bytes that carry the token."""
    if dial["protocol"] != "http":
        return f"{token} {'x' * dial.get('padding', 0)}".rstrip().encode() + b"\n"
    host, end = f"{dial['host']}:{dial['port']}", "keep-alive" if dial.get("keep_open") else "close"
    return f"GET /?probe={token} HTTP/1.1\r\nHost: {host}\r\nConnection: {end}\r\n\r\n".encode()


def complete(data: bytes, protocol: str) -> bool:
    """Whether an answer needs no more bytes; an HTTP answer without a length ends with its connection."""
    if protocol != "http":
        return data.endswith(b"\n") if protocol == "tcp" else bool(data)
    head, found, body = data.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    return bool(found and length and len(body) >= int(length[1]))


def understood(data: bytes, protocol: str) -> Request:
    """What a whole answer says: an HTTP status, what an echo saw, or both; raises ValueError if it is none."""
    head, found, body = data.partition(b"\r\n\r\n")
    status, length = STATUS.match(data), LENGTH.search(head)
    if protocol == "tcp" and not data.endswith(b"\n"):
        raise ValueError(f"half an answer: {data[:80]!r}")
    if protocol != "http":
        return {"bytes": len(data), **account_in(data)}
    if not found or not status:
        raise ValueError(f"no HTTP answer: {data[:80]!r}")
    if length and len(body) != int(length[1]):
        raise ValueError(f"{len(body)} octets after an HTTP head that says {int(length[1])}: {body[:80]!r}")
    # Only an echo answers with JSON; what other applications answer with is their own affair.
    echo = body.startswith(b"{") or JSON_TYPE.search(head)
    return {"status": int(status[1]), "bytes": len(data), **(account_in(body) if echo else {})}


def account_in(body: bytes) -> Request:
    """What an echo saw. Its token is told apart from the question's: an answer to something else must show."""
    try:
        found = json.loads(body.decode())
        if [type(found[key]) for key in ACCOUNT] != list(ACCOUNT.values()):
            raise TypeError(f"{', '.join(ACCOUNT)} are of another type")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"no account of an echo: {body[:80]!r}: {type(error).__name__}: {error}") from error
    return {"seen_token": found["token"], **{key: found[key] for key in ("seen", "seen_port", "server")}}


class Echo:
    """Tells everybody who asks over TCP or UDP what it saw."""

    def __init__(self, agent: Agent, name: str, request: Request) -> None:
        self.loop, self.identity = agent.loop, str(request.get("identity", socket.gethostname()))
        tcp = socket.create_server((request.get("host", "0.0.0.0"), request["port"]), backlog=1024)
        udp = socket.socket(socket.AF_INET, UDP)
        udp.bind(tcp.getsockname()[:2])
        with contextlib.suppress(PermissionError):
            udp.setsockopt(socket.SOL_SOCKET, 33, MAX_OCTETS)  # SO_RCVBUFFORCE: without it, some 200 datagrams fit.
        for sock, steps in ((tcp, self.accept(tcp)), (udp, self.datagrams(udp))):
            sock.setblocking(False)
            self.loop.advance(steps)
        agent.write(id=name, event="serving", port=tcp.getsockname()[1])

    def account(self, line: bytes, peer: tuple[Any, ...]) -> bytes:
        """The answer to one line: a token, and padding that comes back."""
        token, _, padding = line.decode(errors="replace").strip().partition(" ")
        found = {"token": token, "seen": peer[0], "seen_port": peer[1], "server": self.identity}
        return json.dumps({**found, "padding": padding} if padding else found).encode() + b"\n"

    def page(self, head: bytes, peer: tuple[Any, ...]) -> bytes:
        """The same over HTTP; any other page is a bad request."""
        found = TARGET.match(head)
        body = self.account(found[1], peer) if found else b"GET /?probe=TOKEN\n"
        kind = "200 OK\r\nContent-Type: application/json" if found else "400 Bad Request\r\nContent-Type: text/plain"
        return f"HTTP/1.1 {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body

    def answer(self, sock: socket.socket, peer: tuple[Any, ...]) -> Steps:
        """Answer each line of one connection, or one request for a page; a peer that went away needs no answer."""
        rest, chunk = b"", b"?"
        with sock, contextlib.suppress(OSError):
            sock.setblocking(False)
            while chunk and len(rest) < MAX_OCTETS:
                chunk = yield from when(sock, READ, sock.recv, 65536)
                rest += chunk
                if not rest.startswith(b"GET "):
                    *lines, rest = rest.split(b"\n")
                    yield from sent(sock, b"".join(self.account(line, peer) for line in lines))
                elif b"\r\n\r\n" in rest:
                    yield from sent(sock, self.page(rest, peer))
                    return

    def accept(self, listener: socket.socket) -> Steps:
        """Take every connection; one that has gone again is no reason to stop."""
        while True:
            yield listener.fileno(), READ
            with contextlib.suppress(OSError):
                self.loop.advance(self.answer(*listener.accept()))

    def datagrams(self, sock: socket.socket) -> Steps:
        """Answer every datagram; an ICMP error from an earlier peer is no reason to stop."""
        while True:
            yield sock.fileno(), READ
            with contextlib.suppress(OSError):
                data, peer = sock.recvfrom(65536)
                yield from when(sock, WRITE, sock.sendto, self.account(data, peer), peer)


class Dialling:
    """The samples of one request, of which a bounded number is under way at once.

    One that is not connected after ``QUIET_S`` does not count, so silent destinations do not hold up the others.
    """

    def __init__(self, agent: Agent, name: str, request: Request) -> None:
        self.agent, self.loop, self.name = agent, agent.loop, name
        dials = [{**dial, "kind": KINDS[dial["protocol"]]} for dial in request.get("dials", [request])]
        turns = itertools.zip_longest(*([(n, dial, token) for token in dial["tokens"]] for n, dial in enumerate(dials)))
        self.waiting = collections.deque(item for turn in turns for item in turn if item)
        self.left, self.bound = len(self.waiting), max(1, int(request.get("concurrency", 1)))
        self.counted: set[tuple[int, str]] = set()
        agent.dialling.append(self)

    def fill(self) -> bool:
        """Begin as many samples as there is room for; whether any is still to end."""
        while self.waiting and len(self.counted) < self.bound and len(self.loop.waits) < MAX_OPEN:
            place, dial, token = self.waiting.popleft()
            self.counted.add((place, token))
            result: Request = {"dial": place, "token": token}
            steps = self.sample(dial, result)
            self.loop.advance(steps)
            self.loop.after(dial["timeout_s"], functools.partial(self.loop.advance, steps, late=True))
            self.loop.after(QUIET_S, functools.partial(self.make_room, dial, result))
        if not self.left:
            self.agent.write(id=self.name, event="done")
        return self.left > 0

    def make_room(self, dial: Request, result: Request) -> None:
        """Count a sample no longer if it has heard nothing."""
        if dial["kind"] is UDP or "peer" not in result:
            self.counted.discard((result["dial"], result["token"]))

    def sample(self, dial: Request, result: Request) -> Steps:
        """Take one sample and tell of it."""
        started, family = time.monotonic(), socket.AF_INET6 if ":" in dial["host"] else socket.AF_INET
        try:
            with contextlib.ExitStack() as stack:
                sock = stack.enter_context(socket.socket(family, dial["kind"]))
                if dial.get("keep_open"):
                    self.agent.kept.append(stack.pop_all())
                sock.setblocking(False)
                if dial.get("source_port"):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind(("", dial["source_port"]))
                else:
                    self.agent.ports.bind(sock, dial["kind"].name, dial["host"], dial["port"])
                answer = yield from asked(sock, dial, question(dial, result["token"]), result)
            result.update(understood(answer, dial["protocol"]))
        except OSError as error:
            result.update(silence=SILENCES.get(error.errno or 0), error=f"{type(error).__name__}: {error}")
        except (ValueError, TypeError, OverflowError) as error:
            result["error"] = str(error)
        result["latency_ms"] = round((time.monotonic() - started) * 1000, 3)
        self.agent.write(id=self.name, event="sample", **result)
        self.counted.discard((result["dial"], result["token"]))
        self.left -= 1


class Agent:
    """Carries out requests side by side."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.said: list[bytes] = []
        self.kept: list[contextlib.ExitStack] = []
        self.dialling: list[Dialling] = []
        with open("/proc/sys/net/ipv4/ip_local_port_range") as text:  # noqa: PTH123 - pathlib takes time to import
            share = json.loads(os.environ.get("SOURCEIP_SHARE", "[0,1]"))
            self.ports = Ports(*map(int, text.read().split()), share=share)

    def write(self, **event: object) -> None:
        """Say one thing, at the end of this turn."""
        self.said.append(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def run(self) -> None:
        """Carry out all that is asked, to its end."""
        while True:
            self.dialling = [item for item in self.dialling if item.fill()]
            try:
                sys.stdout.buffer.write(b"".join(self.said))
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                os._exit(0)  # Nobody listens any more.
            self.said.clear()
            if not self.loop.waits:
                return
            self.loop.turn()

    def handle(self, line: str | bytes) -> None:
        """Begin what a line asks for; a request that cannot be understood is answered with an error."""
        name = None
        try:
            request = json.loads(line)
            name = str(request.get("id"))
            {"dial": Dialling, "serve": Echo}[request["op"]](self, name, request)
        except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
            self.write(id=name, event="error", error=f"{type(error).__name__}: {error}")

    def listen(self) -> Steps:
        """Take requests from stdin; the program ends with it."""
        rest = b""
        while True:
            yield 0, READ
            chunk = os.read(0, 65536) or sys.exit()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self.handle(line)


def main() -> None:
    """Carry out the requests that are arguments, or else those on stdin."""
    agent = Agent()
    for argument in sys.argv[1:]:
        agent.handle(argument)
    if len(sys.argv) == 1:
        agent.write(id=None, event="ready", pid=os.getpid())
        agent.loop.advance(agent.listen())
    agent.run()


if __name__ == "__main__":
    main()
