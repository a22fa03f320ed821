"""The probe: one file, standard library only, Python 3.8 or newer, sent as source to any Python that can start.

It reads one JSON object a line on stdin and writes one a line on stdout; it ends when stdin does. Operations run side
by side, each answered under the ``id`` it came with:

``dial``     connections to ``host``:``port``, one fresh one for each of ``tokens``, at most ``concurrency`` at a time.
             ``protocol`` is ``http`` (GET of ``path``, ``{token}`` filled in), ``tcp`` (the token as one line, the
             answer is one line), ``udp`` (one datagram on a connected socket) or ``udp-unconnected`` (one that is
             sent to the address without connecting, so an answer may come from another one: ``reply_from``).
             ``padding`` is how many octets question and answer carry besides. ``timeout_s`` bounds one sample.
             ``source_port`` binds the sockets (one token only). ``keep_open`` holds them until ``release``.
             One ``sample`` event a token, then ``done``.
``release``  closes what the ``dial`` named by ``of`` kept open; then ``done``.
``serve``    answers TCP and UDP on ``port`` with one JSON line: the token, the peer it saw and its own ``identity``.
             ``serving`` with the port (0 asks the system for one) when it listens.

There are no retries: a sample that got no answer says how it stayed silent.

Requests may be arguments instead, each one JSON object: then nothing is read from stdin, and the program ends when all
are answered, which with ``serve`` is never. That is how it is an echo server in a pod, and how an exec uses it.
"""

from __future__ import annotations

import concurrent.futures
import errno
import json
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    # Python 3.8 can't evaluate this and never has to.
    from collections.abc import Callable

    Request = dict[str, Any]

MAX_REPLY = 1 << 22
SILENCES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ETIMEDOUT: "timeout",
    # What a datagram's sender hears when a rule of its own host drops it on its way out.
    errno.EPERM: "dropped",
}


class Deadline:
    """What is left of one sample's time; a slow server must not stretch it read by read."""

    def __init__(self, seconds: float) -> None:
        """Start the clock."""
        self.end = time.monotonic() + seconds

    def arm(self, sock: socket.socket) -> None:
        """Give a socket what is left; raises socket.timeout when nothing is."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")  # noqa: UP041 - not the same before Python 3.10
        sock.settimeout(left)


class Writer:
    """One line of JSON at a time, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        """Write to a binary stream."""
        self.stream = stream
        self.lock = threading.Lock()

    def __call__(self, **event: object) -> None:
        """Write one event; a reader that went away ends the program."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            try:
                self.stream.write(line)
                self.stream.flush()
            except (BrokenPipeError, ValueError):
                os._exit(0)


def silence_of(error: OSError) -> str | None:
    """How an exception of the socket layer is called, or None if it is no silence."""
    if isinstance(error, socket.timeout):
        return "timeout"
    return SILENCES.get(error.errno or 0)


def open_socket(request: Request, deadline: Deadline) -> socket.socket:
    """A fresh socket, bound if a source port is asked for, and connected."""
    udp = request["protocol"].startswith("udp")
    family = socket.AF_INET6 if ":" in request["host"] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    try:
        if request.get("source_port"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", request["source_port"]))
        deadline.arm(sock)
        if request["protocol"] != "udp-unconnected":
            sock.connect((request["host"], request["port"]))
    except BaseException:
        sock.close()
        raise
    return sock


def question(request: Request, token: str) -> bytes:
    """The bytes that carry the token."""
    if request["protocol"] != "http":
        padding = int(request.get("padding", 0))
        return token.encode() + (b" " + b"x" * padding if padding else b"") + b"\n"
    target = request.get("path", "/?probe={token}").replace("{token}", token)
    connection = "keep-alive" if request.get("keep_open") else "close"
    host = f"{request['host']}:{request['port']}"
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\r\n".encode()


def ask_unconnected(sock: socket.socket, request: Request, token: str, result: Request) -> bytes:
    """The answer to one datagram on a socket that takes one from anybody; who sent it goes into the result."""
    sock.sendto(question(request, token), (request["host"], request["port"]))
    result["local"] = list(sock.getsockname()[:2])
    answer, sender = sock.recvfrom(65536)
    result["reply_from"] = list(sender[:2])
    return answer


def ask_connected(sock: socket.socket, request: Request, token: str, result: Request, deadline: Deadline) -> bytes:
    """The answer on a socket that is connected; both its ends go into the result."""
    result["local"] = list(sock.getsockname()[:2])
    result["peer"] = list(sock.getpeername()[:2])
    deadline.arm(sock)
    sock.sendall(question(request, token))
    return read_reply(sock, request, deadline)


def read_reply(sock: socket.socket, request: Request, deadline: Deadline) -> bytes:
    """The whole answer: to the end of a line, of a datagram, or of the body."""
    data = b""
    while len(data) < MAX_REPLY:
        deadline.arm(sock)
        chunk = sock.recv(65536)
        data += chunk
        if not chunk or request["protocol"] == "udp" or complete(data, request["protocol"]):
            break
    return data


def complete(data: bytes, protocol: str) -> bool:
    """Whether an answer needs no more bytes; an HTTP answer without a length ends with its connection."""
    if protocol == "tcp":
        return data.endswith(b"\n")
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False


def understood(data: bytes, protocol: str) -> Request:
    """What the answer says: an HTTP status, or what an echo saw; raises ValueError for anything else."""
    if protocol == "http":
        words = data.split(b"\r\n", 1)[0].split()
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise ValueError(f"no HTTP answer: {data[:80]!r}")
        return {"status": int(words[1]), "bytes": len(data)}
    found = json.loads(data.decode())
    # The answer's own token is told apart from the question's: an answer to something else must show.
    return {
        "bytes": len(data),
        "seen_token": found["token"],
        **{key: found[key] for key in ("seen", "seen_port", "server")},
    }


class Kept:
    """Sockets that one dial keeps open."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.sockets: list[socket.socket] = []
        self.lock = threading.Lock()

    def add(self, sock: socket.socket) -> bool:
        """Keep a socket; always True, so that the caller leaves it open."""
        with self.lock:
            self.sockets.append(sock)
        return True

    def release(self) -> None:
        """Close all."""
        with self.lock:
            for sock in self.sockets:
                sock.close()
            self.sockets.clear()


def sample(request: Request, token: str, kept: Kept) -> Request:
    """One sample as a mapping: what the client knows of it."""
    result: Request = {"token": token}
    deadline = Deadline(request["timeout_s"])
    started = time.monotonic()
    sock = None
    try:
        sock = open_socket(request, deadline)
        if request["protocol"] == "udp-unconnected":
            answer = ask_unconnected(sock, request, token, result)
        else:
            answer = ask_connected(sock, request, token, result, deadline)
        if not answer:
            result.update(silence="reset", error="closed without an answer")
        else:
            result.update(understood(answer, request["protocol"]))
    except OSError as error:
        result.update(silence=silence_of(error), error=f"{type(error).__name__}: {error}")
    except (ValueError, KeyError) as error:
        result["error"] = f"{type(error).__name__}: {error}"
    finally:
        result["latency_ms"] = round((time.monotonic() - started) * 1000, 3)
        if sock is not None and not (request.get("keep_open") and kept.add(sock)):
            sock.close()
    return result


class Agent:
    """Operations side by side, each in a thread of its own."""

    def __init__(self, write: Callable[..., None]) -> None:
        """Answer through a Writer."""
        self.write = write
        self.kept: dict[str, Kept] = {}

    def handle(self, request: Request) -> None:
        """Carry out one request to its end; a request that cannot be understood is answered with an error."""
        name = str(request.get("id"))
        try:
            {"dial": self.dial, "release": self.release, "serve": self.serve}[request["op"]](name, request)
        except (KeyError, TypeError, ValueError, OSError) as error:
            self.write(id=name, event="error", error=f"{type(error).__name__}: {error}")

    def dial(self, name: str, request: Request) -> None:
        """All samples of one request."""
        kept = self.kept.setdefault(name, Kept())
        tokens = request["tokens"]
        workers = max(1, min(int(request.get("concurrency", 1)), len(tokens)))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(sample, request, token, kept) for token in tokens]
            for future in concurrent.futures.as_completed(futures):
                self.write(id=name, event="sample", **future.result())
        self.write(id=name, event="done")

    def release(self, name: str, request: Request) -> None:
        """Close what a dial kept open."""
        self.kept.pop(request["of"], Kept()).release()
        self.write(id=name, event="done")

    def serve(self, name: str, request: Request) -> None:
        """Listen on one port for TCP and UDP until the program ends."""
        host, identity = request.get("host", "0.0.0.0"), request.get("identity", socket.gethostname())
        tcp = socket.create_server((host, request["port"]), backlog=512)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(tcp.getsockname()[:2])
        threading.Thread(target=echo_tcp, args=(tcp, identity), daemon=True).start()
        threading.Thread(target=echo_udp, args=(udp, identity), daemon=True).start()
        self.write(id=name, event="serving", port=tcp.getsockname()[1])


def account(token: bytes, peer: tuple[Any, ...], identity: str) -> bytes:
    """What an echo server answers."""
    word, _, padding = token.strip().partition(b" ")
    fields = {
        "token": word.decode(errors="replace"),
        "seen": peer[0],
        "seen_port": peer[1],
        "server": identity,
    }
    if padding:
        fields["padding"] = padding.decode(errors="replace")
    return json.dumps(fields).encode() + b"\n"


def echo_tcp(listener: socket.socket, identity: str) -> None:
    """Answer every connection in a thread of its own."""
    while True:
        sock, peer = listener.accept()
        threading.Thread(target=echo_connection, args=(sock, peer, identity), daemon=True).start()


def echo_connection(sock: socket.socket, peer: tuple[Any, ...], identity: str) -> None:
    """Answer each line of one connection."""
    with sock, sock.makefile("rb") as lines:
        try:
            for line in lines:
                sock.sendall(account(line, peer, identity))
        except OSError:
            # The peer went away; there is nobody left to tell.
            return


def echo_udp(sock: socket.socket, identity: str) -> None:
    """Answer every datagram; an ICMP error from an earlier peer is no reason to stop."""
    while True:
        try:
            data, peer = sock.recvfrom(65536)
            sock.sendto(account(data, peer, identity), peer)
        except OSError as error:
            if error.errno == errno.EBADF:
                return


def handle_all(agent: Agent, requests: list[Request]) -> None:
    """Carry out requests side by side to their end; what is served is served until the program is ended."""
    threads = [threading.Thread(target=agent.handle, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if any(request["op"] == "serve" for request in requests):
        threading.Event().wait()


def main() -> None:
    """Serve requests until stdin ends, or those that are arguments."""
    write = Writer(sys.stdout.buffer)
    agent = Agent(write)
    if len(sys.argv) > 1:
        handle_all(agent, [json.loads(argument) for argument in sys.argv[1:]])
        return
    write(id=None, event="ready", pid=os.getpid())
    for line in sys.stdin.buffer:
        try:
            request = json.loads(line.decode())
        except ValueError as error:
            write(id=None, event="error", error=str(error))
            continue
        threading.Thread(target=agent.handle, args=(request,), daemon=True).start()


if __name__ == "__main__":
    main()
