"""Running a program in a pod, through the API's exec."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from harness.core import errors, process
from harness.kube import client

_STDOUT, _STDERR, _ERROR = 1, 2, 3


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
    # The WebSocket library is the kubernetes package's own dependency and raises nothing better than its base class.
    import websocket
    from kubernetes.stream import ws_client

    path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/exec"
    params = [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in argv)]
    where = f"exec in {namespace}/{pod}"
    # The package's class carries no types.
    connect: Any = ws_client.WSClient
    try:
        socket = connect(
            api.configuration, _websocket_url(api.url(path, params)), api.authorization(), False, binary=True
        )
    except (websocket.WebSocketException, OSError) as error:
        raise _refusal(where, error) from error
    # The package's close() leaves the TCP connection to the garbage collector where the other side closed first.
    with contextlib.ExitStack() as stack, contextlib.closing(socket):
        stack.callback(socket.sock.shutdown)
        try:
            socket.run_forever(timeout=timeout_s)
        except (websocket.WebSocketException, OSError) as error:
            raise errors.ApiError(0, "Unreachable", f"{where}: {error}") from error
        out, err = bytes(socket.read_channel(_STDOUT)), bytes(socket.read_channel(_STDERR))
        if socket.is_open():
            raise errors.CommandTimeout(argv, timeout_s, _text(out), _text(err))
        code = exit_code(bytes(socket.read_channel(_ERROR)))
    if check and code != 0:
        raise errors.CommandError([*_place(namespace, pod), *argv], code, _text(out), _text(err))
    return process.Completed(argv=tuple(argv), returncode=code, stdout=out, stderr=err)


def exit_code(status: bytes) -> int:
    """The exit code in the ``Status`` object that ends an exec.

    Raises:
        ApiError: The program was never started, in the API's own words.
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


def _websocket_url(url: str) -> str:
    return "ws" + url.removeprefix("http")


def _refusal(where: str, error: Exception) -> errors.ApiError:
    code = getattr(error, "status_code", None)
    body = getattr(error, "resp_body", None)
    if code is not None and body:
        return client.failure(code, bytes(body))
    return errors.ApiError(code or 0, "Unreachable", f"{where}: {error}")


def _place(namespace: str, pod: str) -> tuple[str, ...]:
    return tuple(shlex.split(f"exec -n {namespace} {pod} --"))


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
