"""The agents' client of the API: requests, failures, watches and mirrors, against a scripted server on loopback."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.core import errors
from harness.lab import api

PATH = "/api/v1/configmaps"


def config_map(name: str, version: int, **data: str) -> dict[str, Any]:
    """A ConfigMap as the API server writes it in an event."""
    return {
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)},
        "data": data,
    }


@dataclass
class Script:
    """What the server answers, in order, and what it was asked. It refuses what it was not told to expect."""

    answers: list[tuple[int, list[dict[str, Any]]]] = field(default_factory=list)
    asked: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    exhausted: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def script() -> Script:
    """An empty script."""
    return Script()


@pytest.fixture
def client(script: Script) -> Iterator[api.Api]:
    """A client of a scripted server on loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.asked.append((self.command, self.path, self.headers.get("Content-Type", ""), body))
            if not script.answers:
                script.exhausted.set()
                script.release.wait(20)
                self.close_connection = True
                return
            code, lines = script.answers.pop(0)
            data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the base class names them so

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield api.Api(f"http://127.0.0.1:{server.server_port}", token="secret", ca_file="", agent="test")
    script.release.set()
    server.shutdown()
    server.server_close()


def test_a_kubeconfig_in_json_is_read(tmp_path: Path) -> None:
    """Server, authority and token come from the file."""
    path = tmp_path / "kubeconfig"
    cluster = {"server": "https://172.18.0.2:6443", "certificate-authority": "/ca.pem"}
    path.write_text(json.dumps({"clusters": [{"cluster": cluster}], "users": [{"user": {"token": "t"}}]}))
    assert isinstance(api.Api.from_kubeconfig(path, agent="kubelet"), api.Api)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"clusters": []}', "apiVersion: v1"])
def test_anything_else_is_a_parse_error(tmp_path: Path, text: str) -> None:
    """A file of another form is named in one line."""
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(errors.ParseError, match="not a kubeconfig of the lab"):
        api.Api.from_kubeconfig(path, agent="kubelet")


def test_a_list_fills_in_kind_and_version(client: api.Api, script: Script) -> None:
    """Items of a list do not say their kind on the wire; the client fills it in."""
    items = [{"metadata": {"name": "a"}}]
    script.answers = [
        (200, [{"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items}])
    ]
    found, version = client.list(PATH, labelSelector="app=x")
    assert (found[0]["kind"], found[0]["apiVersion"], version) == ("ConfigMap", "v1", "7")
    assert script.asked[0][:2] == ("GET", f"{PATH}?labelSelector=app%3Dx")


@pytest.mark.parametrize(
    ("kind", "content"),
    [("merge", "merge-patch+json"), ("strategic", "strategic-merge-patch+json"), ("json", "json-patch+json")],
)
def test_a_patch_says_its_type(client: api.Api, script: Script, kind: api.PatchType, content: str) -> None:
    """Each type of patch has its content type."""
    script.answers = [(200, [{}])]
    client.patch(f"{PATH}/a", {"data": {"k": "v"}}, kind=kind)
    assert script.asked == [("PATCH", f"{PATH}/a", f"application/{content}", b'{"data": {"k": "v"}}')]


def test_a_status_of_failure_is_an_api_error(client: api.Api, script: Script) -> None:
    """Code, reason and message are Kubernetes' own."""
    script.answers = [(404, [{"kind": "Status", "reason": "NotFound", "message": 'configmaps "x" not found'}])]
    with pytest.raises(errors.ApiError, match='404 NotFound: configmaps "x" not found') as caught:
        client.get(f"{PATH}/x")
    assert (caught.value.code, caught.value.reason) == (404, "NotFound")


def test_a_server_that_is_not_there_is_an_api_error() -> None:
    """No third-party exception leaves the client."""
    nowhere = api.Api("http://127.0.0.1:1", token="", ca_file="", agent="test")
    with pytest.raises(errors.ApiError, match="Unreachable") as caught:
        nowhere.get(PATH)
    assert caught.value.code == 0


def test_a_mirror_follows_what_happens(client: api.Api, script: Script) -> None:
    """Additions, changes and deletions arrive; bookmarks only move the place in the stream."""
    script.answers = [
        (
            200,
            [
                {
                    "kind": "ConfigMapList",
                    "apiVersion": "v1",
                    "metadata": {"resourceVersion": "5"},
                    "items": [config_map("a", 3)],
                }
            ],
        ),
        (
            200,
            [
                {"type": "ADDED", "object": config_map("b", 6)},
                {"type": "MODIFIED", "object": config_map("b", 7, k="v")},
                {"type": "DELETED", "object": config_map("a", 8)},
                {"type": "BOOKMARK", "object": {"kind": "ConfigMap", "metadata": {"resourceVersion": "9"}}},
            ],
        ),
    ]
    mirror = api.Mirror(client, [PATH])
    mirror.start()
    assert script.exhausted.wait(20)
    mirror.stop()
    assert mirror.synced
    assert [item["metadata"]["name"] for item in mirror.items(PATH)] == ["b"]
    assert mirror.get(PATH, "b", "n") == config_map("b", 7, k="v")
    assert mirror.wait(0)
    assert "resourceVersion=9" in script.asked[2][1]


def test_a_mirror_lists_anew_when_its_place_is_too_old(client: api.Api, script: Script) -> None:
    """After 410 nothing that was deleted meanwhile stays in the copy."""
    first = {"kind": "ConfigMapList", "metadata": {"resourceVersion": "5"}, "items": [config_map("old", 3)]}
    second = {"kind": "ConfigMapList", "metadata": {"resourceVersion": "9"}, "items": [config_map("new", 8)]}
    expired = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
    script.answers = [(200, [first]), (200, [expired]), (200, [second])]
    mirror = api.Mirror(client, [PATH])
    mirror.start()
    assert script.exhausted.wait(20)
    mirror.stop()
    assert [item["metadata"]["name"] for item in mirror.items(PATH)] == ["new"]
