"""The server behind a loopback port, with a kubelet that is none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from harness.lab.apiserver import store
from harness.lab.apiserver.serving import application

Object = dict[str, Any]
Json = Any
Door = Callable[[Object, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TOKEN = "a-token"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer.

    Attributes:
        status: The HTTP status.
        headers: The headers.
        body: Parsed JSON, or text.
    """

    status: int
    headers: dict[str, str]
    body: Json


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client with a token.

    Attributes:
        session: The session.
        base: The server's address.
        objects: The server's store.
    """

    session: aiohttp.ClientSession
    base: str
    objects: store.Store = field(repr=False)

    async def call(self, method: str, path: str, body: Json = None, **headers: str) -> Reply:
        """One request; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            named = {"Content-Type": "application/json"} | named
        async with self.session.request(method, self.base + path, data=data, headers=named) as answer:
            text = await answer.text()
            with contextlib.suppress(ValueError):
                return Reply(status=answer.status, headers=dict(answer.headers), body=json.loads(text))
            return Reply(status=answer.status, headers=dict(answer.headers), body=text)

    async def watch(
        self, path: str, count: int, meanwhile: Awaitable[Json] | None = None, **headers: str
    ) -> list[Json]:
        """So many events of a watch; ``meanwhile`` happens when it has begun."""
        async with self.session.get(self.base + path, headers=headers) as answer:
            if meanwhile is not None:
                await meanwhile
            return [json.loads(await answer.content.readline()) for _ in range(count)]


@contextlib.asynccontextmanager
async def serving(folder: Path, *, history: int = store.HISTORY) -> AsyncIterator[Client]:
    """A server with the namespace ``demo``, and a client of it."""
    restricted = "restricted,system:serviceaccount:demo:reader,2\n"
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,1,"system:masters"\n{restricted}')
    objects = store.Store(history=history)
    async with (
        TestServer(application.server(folder, objects=objects).application()) as server,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
    ):
        client = Client(session=session, base=str(server.make_url("")).rstrip("/"), objects=objects)
        await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "demo"}})
        yield client


@contextlib.asynccontextmanager
async def kubelet(folder: Path, node: str, door: Door) -> AsyncIterator[list[Object]]:
    """A kubelet's socket that a function answers at; what it was asked is in the list."""
    asked: list[Object] = []

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        asked.append(request)
        try:
            await door(request, reader, writer)
        finally:
            writer.close()

    path = folder / "nodes" / node / "kubelet.sock"
    path.parent.mkdir(parents=True)
    server = await asyncio.start_unix_server(answered, str(path))
    async with server:
        yield asked


def frame(channel: int, data: bytes) -> bytes:
    """A frame of the kubelet's protocol."""
    return struct.pack("!BI", channel, len(data)) + data
