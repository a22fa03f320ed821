"""An exec over a real socket: whatever goes wrong below it comes out as one of the harness's own errors."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from harness.core import errors, process
from harness.kube import client, execution


class Configuration(SimpleNamespace):
    """The part of the package's configuration that an exec reads."""

    def auth_settings(self) -> dict[str, dict[str, str]]:
        """A bearer token."""
        return {"BearerToken": {"in": "header", "key": "authorization", "value": "Bearer t"}}


def api_at(port: int) -> client.Client:
    """A client of whatever listens on that port of loopback."""
    configuration = Configuration(host=f"http://127.0.0.1:{port}", verify_ssl=False, proxy=None)
    return client.Client(SimpleNamespace(configuration=configuration, rest_client=SimpleNamespace(pool_manager=None)))


def run(port: int, timeout_s: float = 5.0) -> process.Completed:
    """Run ``true`` in a pod behind that port."""
    return execution.run(api_at(port), namespace="a", pod="b", container="c", argv=("true",), timeout_s=timeout_s)


@contextmanager
def answering(answer: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that reads one request and gives that answer, or with None says nothing; its port and the request."""
    heads: list[bytes] = []
    done = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            heads.append(sock.recv(65536))
            if answer is None:
                done.wait(10)
            else:
                sock.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heads
    finally:
        done.set()
        thread.join(10)
        listener.close()


def test_a_refusal_speaks_kubernetes_own_words() -> None:
    """Code, reason and message of the Status object; the request carried token, command and protocols."""
    body = json.dumps({"reason": "Forbidden", "message": "pods/exec is forbidden"}).encode()
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with answering(answer) as (port, heads), pytest.raises(errors.ApiError, match="pods/exec is forbidden") as caught:
        run(port)
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    for part in (b"/api/v1/namespaces/a/pods/b/exec?container=c", b"command=true", b"Bearer t", b"v5.channel.k8s.io"):
        assert part in heads[0]


def test_a_closed_port_is_an_api_error() -> None:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(errors.ApiError, match="Unreachable"):
        run(port)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_of_another_kind_is_an_api_error(answer: bytes) -> None:
    """It speaks no WebSocket."""
    with answering(answer) as (port, _), pytest.raises(errors.ApiError):
        run(port)


def test_a_server_that_says_nothing_does_not_hold_the_run() -> None:
    """The time limit covers the handshake too."""
    with answering(None) as (port, _), pytest.raises(errors.CommandTimeout):
        run(port, timeout_s=0.2)
