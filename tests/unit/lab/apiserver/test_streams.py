"""Answers that go on: watches, logs, exec."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness.lab.apiserver.serving import execution
from tests.unit.lab.apiserver import http

Object = dict[str, Any]

_MAPS = "/api/v1/namespaces/demo/configmaps"
_PODS = "/api/v1/namespaces/demo/pods"


async def _pod(client: http.Client, *, node: str = "n") -> None:
    spec: Object = {"containers": [{"name": "c", "image": "x"}, {"name": "d", "image": "x"}]}
    await client.call("POST", _PODS, {"metadata": {"name": "p"}, "spec": spec | ({"nodeName": node} if node else {})})


def test_a_watch_begins_with_what_is_there_and_goes_on(tmp_path: Path) -> None:
    """Without a version: what there is, then what happens."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client:
            await client.call("POST", _MAPS, {"metadata": {"name": "a"}})
            events = await client.watch(
                f"{_MAPS}?watch=true", 2, client.call("POST", _MAPS, {"metadata": {"name": "b"}})
            )
            assert [(item["type"], item["object"]["metadata"]["name"]) for item in events] == [
                ("ADDED", "a"), ("ADDED", "b"),
            ]  # fmt: skip

    asyncio.run(steps())


def test_a_watch_hears_of_its_own_kind_and_namespace_only(tmp_path: Path) -> None:
    """Other kinds and other namespaces are other watches' business."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client:

            async def meanwhile() -> None:
                await client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
                for path in ("/api/v1/namespaces/demo/secrets", "/api/v1/namespaces/other/configmaps", _MAPS):
                    await client.call("POST", path, {"metadata": {"name": path[-10:].replace("/", "-")}})

            events = await client.watch(f"{_MAPS}?watch=true", 1, meanwhile())
            meta = events[0]["object"]["metadata"]
            assert (events[0]["object"]["kind"], meta["namespace"]) == ("ConfigMap", "demo")

    asyncio.run(steps())


def test_what_stops_matching_a_selector_is_deleted_for_its_watcher(tmp_path: Path) -> None:
    """And what begins to match is added."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client:
            patch = {"Content_Type": "application/merge-patch+json"}
            await client.call("POST", _MAPS, {"metadata": {"name": "a"}})
            version = client.objects.version
            for value in ("y", "z", "y"):
                await client.call("PATCH", f"{_MAPS}/a", {"metadata": {"labels": {"x": value}}}, **patch)
            path = f"{_MAPS}?watch=true&resourceVersion={version}&labelSelector=x%3Dy"
            events = await client.watch(path, 3)
            assert [(item["type"], item["object"]["metadata"]["labels"]["x"]) for item in events] == [
                ("ADDED", "y"), ("DELETED", "z"), ("ADDED", "y"),
            ]  # fmt: skip

    asyncio.run(steps())


def test_a_watch_from_too_long_ago_is_told_to_list_anew(tmp_path: Path) -> None:
    """One event, a Status of 410, and the end."""

    async def steps() -> None:
        async with http.serving(tmp_path, history=2) as client:
            for name in "abcd":
                await client.call("POST", _MAPS, {"metadata": {"name": name}})
            events = await client.watch(f"{_MAPS}?watch=true&resourceVersion=2", 1)
            assert (events[0]["type"], events[0]["object"]["code"]) == ("ERROR", 410)
            assert events[0]["object"]["reason"] == "Expired"

    asyncio.run(steps())


def test_initial_events_end_with_a_bookmark(tmp_path: Path) -> None:
    """A streaming list: the bookmark says that all has been sent."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client:
            await client.call("POST", _MAPS, {"metadata": {"name": "a"}})
            path = (
                f"{_MAPS}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
            )
            events = await client.watch(path, 2)
            assert [item["type"] for item in events] == ["ADDED", "BOOKMARK"]
            assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}

    asyncio.run(steps())


def test_a_watch_of_tables_describes_its_columns_once(tmp_path: Path) -> None:
    """As ``kubectl get -w`` reads it."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client:
            for name in "ab":
                await client.call("POST", _MAPS, {"metadata": {"name": name}})
            events = await client.watch(f"{_MAPS}?watch=true", 2, Accept=http.TABLE)
            assert [bool(item["object"]["columnDefinitions"]) for item in events] == [True, False]
            assert [item["object"]["rows"][0]["cells"][0] for item in events] == ["a", "b"]

    asyncio.run(steps())


async def _two_lines(request: Object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'{"ok": true}\none\ntwo\n')


def test_a_log_is_what_the_kubelet_gives(tmp_path: Path) -> None:
    """The query's options reach the kubelet, its bytes reach the client."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client, http.kubelet(tmp_path, "n", _two_lines) as asked:
            await _pod(client)
            path = f"{_PODS}/p/log?container=d&tailLines=5&follow=true&timestamps=true&sinceTime=2026-01-01T00:00:00Z"
            answer = await client.call("GET", path)
            assert (answer.body, answer.headers["Content-Type"]) == ("one\ntwo\n", "text/plain")
            assert asked == [{
                "op": "logs", "namespace": "demo", "pod": "p", "container": "d", "follow": True, "timestamps": True,
                "previous": False, "tailLines": 5, "sinceTime": "2026-01-01T00:00:00Z",
            }]  # fmt: skip

    asyncio.run(steps())


async def _refusal(request: Object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    problem = {"code": 400, "reason": "BadRequest", "message": "not running"}
    writer.write(json.dumps({"error": problem}).encode() + b"\n")


def test_a_log_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """Several containers and no choice, contradicting options, a kubelet that refuses, one that is not there."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client:
            await _pod(client)
            choose = await client.call("GET", f"{_PODS}/p/log")
            text = "a container name must be specified for pod p, choose one of: [c d]"
            assert (choose.status, choose.body["message"]) == (400, text)
            both = await client.call("GET", f"{_PODS}/p/log?container=c&sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z")
            assert both.status == 422
            assert (await client.call("GET", f"{_PODS}/p/log?container=c&tailLines=x")).status == 400
            assert (await client.call("GET", f"{_PODS}/p/log?container=c")).status == 500
            async with http.kubelet(tmp_path, "n", _refusal):
                refused = await client.call("GET", f"{_PODS}/p/log?container=c")
                assert (refused.status, refused.body["message"]) == (400, "not running")

    asyncio.run(steps())


async def _echo(request: Object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Repeats what comes on standard input until it is closed, then succeeds."""
    writer.write(b'{"ok": true}\n' + http.frame(2, b"ready"))
    while True:
        head = await reader.readexactly(5)
        data = await reader.readexactly(int.from_bytes(head[1:], "big"))
        if not data:
            break
        writer.write(http.frame(1, data))
    writer.write(http.frame(3, b'{"status":"Success"}'))
    await writer.drain()


def test_exec_carries_the_channels_both_ways(tmp_path: Path) -> None:
    """Input goes in until the client closes it; output, errors and the result come out."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client, http.kubelet(tmp_path, "n", _echo) as asked:
            await _pod(client)
            path = f"{_PODS}/p/exec?container=c&command=cat&command=-n&stdin=true&stdout=true&stderr=true"
            async with client.session.ws_connect(client.base + path, protocols=["v5.channel.k8s.io"]) as socket:
                assert socket.protocol == "v5.channel.k8s.io"
                assert await socket.receive_bytes() == b"\x02ready"
                await socket.send_bytes(b"\x00hello")
                assert await socket.receive_bytes() == b"\x01hello"
                await socket.send_bytes(b"\xff\x00")
                assert await socket.receive_bytes() == b'\x03{"status":"Success"}'
                assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert asked[0]["command"] == ["cat", "-n"]
            assert asked[0]["tty"] is False

    asyncio.run(steps())


def test_exec_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """An older protocol, no upgrade at all, no command, a pod on no node."""

    async def steps() -> None:
        async with http.serving(tmp_path) as client:
            await _pod(client, node="")
            path = f"{_PODS}/p/exec?container=c&stdout=true"
            spdy = await client.call("POST", f"{path}&command=x", Connection="Upgrade", Upgrade="SPDY/3.1")
            assert (spdy.status, "WebSocket" in spdy.body["message"]) == (400, True)
            plain = await client.call("GET", f"{path}&command=x")
            assert (plain.status, plain.body["message"]) == (400, "Upgrade request required")
            upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
            assert (await client.call("GET", path, **upgrade)).status == 422
            nowhere = await client.call("GET", f"{path}&command=x", **upgrade)
            assert nowhere.body["message"] == "pod p does not have a host assigned"

    asyncio.run(steps())


@pytest.mark.parametrize(
    ("user_agent", "waits"), [("kubectl/v1.32.4 (linux/amd64) kubernetes/abc", True), ("", False), ("curl/8", False)]
)
def test_kubectl_gets_time_to_make_its_streams(user_agent: str, waits: bool) -> None:
    """Nobody else has to wait for an answer that is there at once."""
    assert (execution.head_start_s(user_agent) > 0) is waits
