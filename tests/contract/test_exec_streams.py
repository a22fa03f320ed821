"""An exec that is held open, over a real WebSocket: lines both ways, pings, an end in order and one by force."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from harness.core import errors, process
from harness.kube import streaming
from harness.probing import opening, runners
from tests.contract import test_exec_failures as execs

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]
SUCCESS = b'\x03{"status":"Success"}'


@contextmanager
def server(talk: Talk, *, protocols: tuple[str, ...] = ("v5.channel.k8s.io",)) -> Iterator[int]:
    """A WebSocket server that talks so on every connection; its port."""
    loop = asyncio.new_event_loop()
    ready, port = threading.Event(), list[int]()

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        await talk(socket)
        await socket.close()
        return socket

    async def start() -> web.AppRunner:
        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.append(runner.addresses[0][1])
        ready.set()
        return runner

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield port[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def opened(port: int) -> streaming.Stream:
    """An exec of ``cat`` behind that port."""
    return streaming.opened(execs.api_at(port), namespace="n", pod="p", container="c", argv=("cat",), timeout_s=5.0)


async def echo(socket: web.WebSocketResponse) -> None:
    """Give back what comes in, with a ping before it; end with exit code 0 when standard input is closed."""
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            continue
        if message.data[:1] == b"\xff":
            await socket.send_bytes(b"\x02a last word")
            await socket.send_bytes(SUCCESS)
            return
        await socket.ping()
        await socket.send_bytes(b"\x01" + message.data[1:])


def test_lines_go_both_ways_and_the_end_is_in_order() -> None:
    """A line may come in pieces; after the end of its input the program's own end is awaited."""
    with server(echo) as port:
        stream = opened(port)
        lines = stream.output()
        stream.write(b"one\ntw")
        assert next(lines) == b"one"
        stream.write(b"o\n")
        assert next(lines) == b"two"
        stream.close()
        assert (list(lines), list(stream.complaints()), stream.end) == ([], [b"a last word"], "exit code 0")
        with pytest.raises(OSError, match="exit code 0"):
            stream.write(b"more\n")


async def deaf(socket: web.WebSocketResponse) -> None:
    """Say one thing and then nothing more, whatever comes in."""
    await socket.send_bytes(b"\x01hello\n")
    async for _ in socket:
        pass


def test_a_program_that_does_not_end_is_left_by_force() -> None:
    """Before version 5 of the protocol there is no other way; nobody waits for ever."""
    with server(deaf, protocols=("v4.channel.k8s.io",)) as port:
        stream = opened(port)
        lines = stream.output()
        assert next(lines) == b"hello"
        stream.close()
        assert list(lines) == []


async def cut(socket: web.WebSocketResponse) -> None:
    """Break off in the middle of a line."""
    await socket.send_bytes(b"\x01half")
    assert socket._req is not None
    transport: Any = socket._req.transport
    transport.abort()


def test_a_connection_that_breaks_ends_the_output() -> None:
    """What was said is kept, writing fails, and closing is no trouble."""
    with server(cut) as port:
        stream = opened(port)
        assert list(stream.output()) == [b"half"]
        with pytest.raises(OSError, match="exec in n/p"):
            stream.write(b"x\n")
        stream.close()


def test_a_server_that_says_nothing_is_given_up() -> None:
    """The handshake is bounded."""
    with execs.answering(None) as (port, _), pytest.raises(errors.ApiError, match="no answer within"):
        streaming.opened(execs.api_at(port), namespace="n", pod="p", container="c", argv=("cat",), timeout_s=0.2)


def test_the_agent_travels_on_its_standard_input() -> None:
    """A short command loads it; what follows the source are its requests."""
    source = runners.AGENT.read_bytes()
    request = json.dumps({"id": "7", "op": "dial", "dials": []}).encode() + b"\n"
    argv = opening.argv_for(source)
    assert len(" ".join(argv)) < 450
    done = process.run(argv, stdin=source + request)
    assert [json.loads(line)["event"] for line in done.text.splitlines()] == ["ready", "done"]


def test_a_source_that_is_cut_off_is_said() -> None:
    """Half an agent never runs."""
    source = runners.AGENT.read_bytes()
    done = process.run(opening.argv_for(source), stdin=source[:-1], check=False)
    assert (done.returncode, done.text) == (1, "")
    assert "cut off" in done.stderr.decode()
