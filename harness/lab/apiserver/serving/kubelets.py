"""The kubelets' doors: logs and exec, forwarded by the protocol that ``docs/lab.md`` describes."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.lab.apiserver import statuses

Object = dict[str, Any]

_HEAD = struct.Struct("!BI")
_ANSWER_S = 10.0
_LINE_LIMIT = 1 << 20
MOST_FRAME = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Connection:
    """An open connection to a kubelet that has accepted a request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def frame(self) -> tuple[int, bytes] | None:
        """The next frame: channel and data; None at the end."""
        try:
            channel, length = _HEAD.unpack(await self.reader.readexactly(_HEAD.size))
            if length > MOST_FRAME:
                return None
            return channel, await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def send(self, channel: int, data: bytes) -> None:
        """Send one frame."""
        self.writer.write(_HEAD.pack(channel, len(data)) + data)
        await self.writer.drain()

    def close(self) -> None:
        """End the connection, and with it what runs on its behalf."""
        self.writer.close()


async def opened(folder: Path, node: str, request: Object) -> Connection:
    """Send a request to a node's kubelet, and return the connection when it has been accepted.

    Raises:
        Refusal: The kubelet refuses it, or is not there (500).
    """
    path = folder / "nodes" / node / "kubelet.sock"
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=_LINE_LIMIT)
            writer.write(json.dumps(request).encode() + b"\n")
            await writer.drain()
            answer = json.loads(await reader.readline() or b"{}")
    except (OSError, TimeoutError, ValueError) as error:
        what = "no answer" if isinstance(error, TimeoutError) else str(error)
        raise statuses.internal(f"error sending request to the kubelet of {node}: {what}") from error
    if answer.get("ok"):
        return Connection(reader=reader, writer=writer)
    writer.close()
    problem = answer.get("error") or {"code": 500, "reason": "InternalError", "message": "the kubelet said nothing"}
    raise statuses.Refusal(int(problem["code"]), str(problem["reason"]), str(problem["message"]))


def container_of(pod: Object, wanted: str) -> str:
    """The container that a log or exec request means.

    Raises:
        Refusal: There is no such container, or there are several and none is named (400).
    """
    name = pod["metadata"]["name"]
    spec = pod["spec"]
    main = [container["name"] for container in spec.get("containers") or []]
    first = [container["name"] for container in spec.get("initContainers") or []]
    if wanted:
        if wanted not in main + first:
            raise statuses.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    chosen = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if len(main) == 1 or chosen in main:
        return str(main[0] if len(main) == 1 else chosen)
    raise statuses.bad_request(_choose(name, main, first))


def _choose(name: str, main: Sequence[str], first: Sequence[str]) -> str:
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(main)}]"
    return text + (f" or one of the init containers: [{' '.join(first)}]" if first else "")
