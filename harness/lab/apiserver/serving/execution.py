"""``pods/exec``: Kubernetes' remote command protocol over a WebSocket, forwarded to the kubelet.

A binary message is one channel byte and data. ``v5`` adds channel 255, which closes the channel that it names; ``v4``
has no way to say that standard input has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from harness.lab.apiserver import options, statuses
from harness.lab.apiserver.serving import kubelets

Object = dict[str, Any]

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _ERROR, _CLOSE = 0, 3, 255
# kubectl makes its streams after the handshake and throws away what comes before they are there ("Unknown stream id",
# client-go's tools/remotecommand/websocket.go). Starting a command takes a container runtime longer than that; here it
# takes a millisecond.
_KUBECTL_S = 0.1


def request_of(pod: Object, request: web.Request) -> Object:
    """The kubelet's request for what the query asks for.

    Raises:
        Refusal: It asks for nothing that could be run (400).
    """
    query = request.query
    found: Object = {
        "op": "exec",
        "namespace": pod["metadata"]["namespace"],
        "pod": pod["metadata"]["name"],
        "container": kubelets.container_of(pod, query.get("container", "")),
        "command": query.getall("command", []),
        **{name: options.truth(query.get(name, "")) for name in ("stdin", "stdout", "stderr", "tty")},
    }
    if not found["command"]:
        raise _invalid(statuses.required("command"))
    if not (found["stdin"] or found["stdout"] or found["stderr"]):
        raise _invalid(statuses.required("", "at least one of stdin, stdout, stderr must be specified"))
    return found


def _invalid(cause: statuses.Cause) -> statuses.Refusal:
    return statuses.invalid_kind("", "PodExecOptions", "", [cause])


async def answer(request: web.Request, folder: Path, pod: Object) -> web.StreamResponse:
    """Run a command and carry its channels until it ends.

    Raises:
        Refusal: The client speaks another protocol, the query is wrong, or the kubelet refuses.
    """
    # In this order: a client that is refused asks again in its other protocol, and shows that answer.
    asked = request_of(pod, request)
    _check_protocol(request)
    node = pod["spec"].get("nodeName")
    if not node:
        raise statuses.bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    connection = await kubelets.opened(folder, node, asked)
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=kubelets.MOST_FRAME)
    try:
        await socket.prepare(request)
        await asyncio.sleep(head_start_s(request.headers.get("User-Agent", "")))
        await _carry(socket, connection)
    finally:
        connection.close()
    return socket


def head_start_s(user_agent: str) -> float:
    """Seconds that a client gets after the handshake before anything is sent. Pure."""
    return _KUBECTL_S if user_agent.startswith("kubectl") else 0.0


def _check_protocol(request: web.Request) -> None:
    upgrade = request.headers.get("Upgrade", "").lower()
    if upgrade.startswith("spdy"):
        raise statuses.bad_request(
            "SPDY is not supported by this server: exec needs a client that speaks WebSocket (kubectl 1.30 or newer)"
        )
    if upgrade != "websocket":
        raise statuses.bad_request("Upgrade request required")


async def _carry(socket: web.WebSocketResponse, connection: kubelets.Connection) -> None:
    """Carry both ways; the command's end ends both."""
    inward = asyncio.ensure_future(_inward(socket, connection))
    outward = asyncio.ensure_future(_outward(socket, connection))
    try:
        # The reading of the socket ends early only when the client has gone.
        await asyncio.wait({inward, outward}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (inward, outward):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await task
        with contextlib.suppress(ConnectionError):
            await socket.close()


async def _outward(socket: web.WebSocketResponse, connection: kubelets.Connection) -> None:
    while (frame := await connection.frame()) is not None:
        channel, data = frame
        await socket.send_bytes(bytes([channel]) + data)


async def _inward(socket: web.WebSocketResponse, connection: kubelets.Connection) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            data = message.data.encode()
        elif message.type is WSMsgType.BINARY:
            data = message.data
        else:
            continue
        if data[:1] == bytes([_CLOSE]):
            await connection.send(data[1] if len(data) > 1 else _STDIN, b"")
        elif len(data) > 1:
            await connection.send(data[0], data[1:])
