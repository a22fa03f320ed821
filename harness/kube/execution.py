"""Running a program in a pod, through the API's exec: Kubernetes' remote command protocol over a WebSocket.

A message's first byte is its channel. The package's own WebSocket client can't bound its handshake, so a node that
has stopped answering would hold a run for ever; this one keeps one deadline from the handshake to the end.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from harness.core import errors, process
from harness.kube import client

STDIN, STDOUT, STDERR, ERROR = 0, 1, 2, 3
_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]


def run(
    api: client.Client,
    *,
    namespace: str,
    pod: str,
    container: str,
    argv: Sequence[str],
    timeout_s: float = 30.0,
    check: bool = True,
) -> process.Completed:
    """Run a program in a pod's container to its end.

    Raises:
        ApiError: The API refused, or the connection broke.
        CommandError: The program failed (with ``check``).
        CommandTimeout: It did not end in time.
    """
    url = url_of(api, namespace=namespace, pod=pod, container=container, argv=argv)
    place = ("exec", "-n", namespace, pod, "--", *argv)
    channels: dict[int, bytes] = {STDOUT: b"", STDERR: b"", ERROR: b""}
    with _collected(place, channels, timeout_s):
        for channel, data in _messages(api, url, time.monotonic() + timeout_s):
            channels[channel] = channels.get(channel, b"") + data
    code = exit_code(channels[ERROR])
    if check and code != 0:
        raise errors.CommandError(place, code, _text(channels[STDOUT]), _text(channels[STDERR]))
    return process.Completed(argv=tuple(argv), returncode=code, stdout=channels[STDOUT], stderr=channels[STDERR])


def url_of(
    api: client.Client, *, namespace: str, pod: str, container: str, argv: Sequence[str], stdin: bool = False
) -> str:
    """The address of an exec, which carries the whole command."""
    streams = [("stdin", "true")] if stdin else []
    streams += [("stdout", "true"), ("stderr", "true")]
    words = [("command", word) for word in argv]
    path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/exec"
    return api.url(path, [("container", container), *streams, *words])


def _messages(api: client.Client, url: str, deadline: float) -> Iterator[tuple[int, bytes]]:
    """Every message of the exec, with its channel, until the server closes."""
    import websocket

    socket = connected(api, url, _left(deadline))
    # The polite close waits for an answer; the server has said its last word, or never will.
    with contextlib.ExitStack() as stack:
        stack.callback(socket.shutdown)
        while True:
            socket.settimeout(_left(deadline))
            opcode, data = socket.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return
            if data:
                yield data[0], data[1:]


def connected(api: client.Client, url: str, timeout_s: float) -> Any:  # noqa: ANN401 - the library has no types
    """A WebSocket on which an exec has begun; raises what the library and the sockets below it raise."""
    # The WebSocket library is the kubernetes package's own dependency; it is loaded when it is needed.
    import websocket

    return websocket.create_connection(
        "ws" + url.removeprefix("http"),
        timeout=timeout_s,
        header=[f"{name}: {value}" for name, value in api.authorization().items()],
        subprotocols=_PROTOCOLS,
        sslopt=tls_options(api.configuration),
        **_proxy(api.configuration),
    )


def tls_options(configuration: Any) -> dict[str, Any]:  # noqa: ANN401 - the package has no types
    """How a WebSocket trusts the API and shows who it is, from the package's configuration. Pure."""
    if not configuration.verify_ssl:
        return {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    options: dict[str, Any] = {
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": configuration.ssl_ca_cert,
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "check_hostname": configuration.assert_hostname,
        "server_hostname": getattr(configuration, "tls_server_name", None),
    }
    return {name: value for name, value in options.items() if value is not None}


def _proxy(configuration: Any) -> dict[str, Any]:  # noqa: ANN401 - the package has no types
    if not configuration.proxy:
        # An empty host keeps the library from reading the environment, which the API client does not do either.
        return {"http_no_proxy": ["*"]}
    proxy = urlsplit(configuration.proxy)
    return {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port, "proxy_type": proxy.scheme or "http"}


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time left")
    return left


@contextlib.contextmanager
def _collected(argv: Sequence[str], channels: dict[int, bytes], timeout_s: float) -> Iterator[None]:
    """Turn a time limit into an error that has all that was said until then, and everything else as ``translated``."""
    try:
        with translated(" ".join(argv)):
            yield
    except TimeoutError as error:
        raise errors.CommandTimeout(argv, timeout_s, _text(channels[STDOUT]), _text(channels[STDERR])) from error


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what the WebSocket library and its sockets raise into ApiError, and a time limit into TimeoutError."""
    import websocket

    try:
        yield
    except (websocket.WebSocketTimeoutException, TimeoutError) as error:
        raise TimeoutError(what) from error
    except websocket.WebSocketBadStatusException as error:
        raise client.failure(error.status_code, bytes(error.resp_body or b"")) from error
    except (websocket.WebSocketException, OSError) as error:
        raise errors.ApiError(0, "Unreachable", f"{what}: {error}") from error


def exit_code(status: bytes) -> int:
    """The exit code in the ``Status`` object that ends an exec.

    Raises:
        ApiError: The program was never started, in the API's own words, or the connection broke before its end.
    """
    try:
        found = json.loads(status)
        if found["status"] == "Success":
            return 0
        causes = (found.get("details") or {}).get("causes") or ()
        codes = [int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"]
    except (ValueError, KeyError, TypeError) as error:
        raise errors.ApiError(0, "Unreadable", f"exec ended with {status[:200]!r}") from error
    if not codes:
        raise errors.ApiError(
            int(found.get("code") or 500), str(found.get("reason") or "Unknown"), str(found.get("message"))
        )
    return codes[0]


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
