"""A program that answers in the backend's place, as long as its standard input is open.

``python -m harness.selftest.lab_relay --port N --mode MODE [--backend ADDRESS:PORT] [--claim ADDRESS]``

``proxy``     asks the backend anew, forwards the request with ``X-Forwarded-For``, and puts the claimed address into
              the body that comes back, where an echo says whom it saw.
``stranger``  answers 200 by itself, and no backend ever hears of it.
``garbage``   answers something that is no HTTP.
``empty``     closes the connection without a word.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import sys
import threading

_TIMEOUT_S = 5.0
_STRANGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def main() -> int:
    """Answer until standard input ends; 0."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mode", choices=("proxy", "stranger", "garbage", "empty"), required=True)
    parser.add_argument("--backend", default="")
    parser.add_argument("--claim", default="")
    args = parser.parse_args()
    listener = socket.create_server(("0.0.0.0", args.port), backlog=128)
    threading.Thread(target=_serve, args=(listener, args), daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    return 0


def _serve(listener: socket.socket, args: argparse.Namespace) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_answer, args=(sock, args), daemon=True).start()


def _answer(sock: socket.socket, args: argparse.Namespace) -> None:
    # A client that goes away, or a backend that is not there, ends this one connection.
    with sock, contextlib.suppress(OSError):
        sock.settimeout(_TIMEOUT_S)
        request = _question(sock)
        if args.mode == "proxy":
            sock.sendall(forged(_relayed(forwarding(request, args.claim), args.backend), args.claim))
        elif args.mode != "empty":
            sock.sendall(_STRANGE if args.mode == "stranger" else b"?\r\n")


def _question(sock: socket.socket) -> bytes:
    """All of a request: an HTTP head, or one line."""
    data = b""
    while not (data.endswith(b"\r\n\r\n") or (data.endswith(b"\n") and not is_http(data))):
        chunk = sock.recv(65536)
        if not chunk:
            break
        data += chunk
    return data


def _relayed(request: bytes, backend: str) -> bytes:
    host, _, port = backend.partition(":")
    with socket.create_connection((host, int(port)), timeout=_TIMEOUT_S) as upstream:
        upstream.sendall(request)
        if not is_http(request):
            return upstream.makefile("rb").readline()
        return b"".join(iter(lambda: upstream.recv(65536), b""))


def is_http(request: bytes) -> bool:
    """Whether a request is one of HTTP. Pure."""
    return request.startswith(b"GET ")


def forwarding(request: bytes, claim: str) -> bytes:
    """The request as a proxy forwards it: with the header by which it says for whom. Pure."""
    if not is_http(request):
        return request
    line, end, rest = request.partition(b"\r\n")
    return line + end + f"X-Forwarded-For: {claim}\r\n".encode() + rest


def forged(answer: bytes, claim: str) -> bytes:
    """The answer with the claimed address where an echo says whom it saw. Pure."""
    try:
        said = json.loads(answer)
    except ValueError:
        return answer
    return json.dumps({**said, "seen": claim}).encode() + b"\n"


if __name__ == "__main__":
    sys.exit(main())
