"""The API server as the program that the lab's owner starts: sockets handed down, TLS, tokens, an orderly end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import trustme

from harness.core import process, waiting
from harness.lab import api

ROOT = Path(__file__).resolve().parents[2]
_TOKEN = "a-token"
_END_S = 10.0


def _state(folder: Path) -> Path:
    """A lab's state directory, as far as the server reads it; returns the certificate authority's file."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    (folder / "pki").mkdir()
    authority.cert_pem.write_to_path(folder / "pki" / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "pki" / "server.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "pki" / "server.pem", append=True)
    (folder / "tokens.csv").write_text(f'{_TOKEN},admin,1,"system:masters"\n')
    return folder / "pki" / "ca.pem"


def _started(folder: Path, listening: socket.socket) -> process.Child:
    argv = [sys.executable, "-P", "-m", "harness.lab.apiserver", "--dir", str(folder)]
    return process.start(
        [*argv, "--listen-fd", str(listening.fileno())],
        pass_fds=[listening.fileno()],
        env={"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket on a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


@pytest.fixture
def program(tmp_path: Path, listening: socket.socket) -> Iterator[process.Child]:
    """The server, with the state directory that it needs."""
    _state(tmp_path)
    child = _started(tmp_path, listening)
    try:
        yield child
    finally:
        child.kill()
        child.communicate(timeout=_END_S)


def _client(tmp_path: Path, listening: socket.socket) -> api.Api:
    server = f"https://127.0.0.1:{listening.getsockname()[1]}"
    return api.Api(server, token=_TOKEN, ca_file=str(tmp_path / "pki" / "ca.pem"), agent="test/1")


def test_the_program_serves_the_labs_own_client(
    tmp_path: Path, listening: socket.socket, program: process.Child
) -> None:
    """A request that comes before the server listens is answered all the same: the socket is there already."""
    client = _client(tmp_path, listening)
    client.create("/api/v1/namespaces", {"metadata": {"name": "demo"}})
    items, version = client.list("/api/v1/namespaces")
    assert [item["metadata"]["name"] for item in items] == ["demo"]
    client.create("/api/v1/namespaces/demo/configmaps", {"metadata": {"name": "c"}, "data": {"a": "b"}})
    event = next(client.watch("/api/v1/configmaps", resource_version=version))
    assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "c")
    assert event.object["metadata"]["managedFields"][0]["manager"] == "test"


def test_a_long_command_fits_into_a_request(tmp_path: Path, listening: socket.socket, program: process.Child) -> None:
    """Exec carries whole programs in the request's line."""
    url = f"https://127.0.0.1:{listening.getsockname()[1]}/api/v1/namespaces/demo/pods/p/exec"
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(
            url,
            params={"command": "x" * 200_000, "stdout": "true"},
            headers={"Authorization": f"Bearer {_TOKEN}"},
            verify=str(tmp_path / "pki" / "ca.pem"),
            timeout=_END_S,
        )
    assert (answer.status_code, json.loads(answer.text)["message"]) == (404, 'pods "p" not found')


def test_the_program_ends_when_asked_even_with_a_watch(
    tmp_path: Path, listening: socket.socket, program: process.Child
) -> None:
    """SIGTERM ends it with 0 and ends the watches of its clients."""
    client = _client(tmp_path, listening)
    version = client.create("/api/v1/namespaces", {"metadata": {"name": "demo"}})["metadata"]["resourceVersion"]
    events = client.watch("/api/v1/namespaces", resource_version=str(int(version) - 1))
    assert next(events).type == "ADDED"
    program.send_signal(signal.SIGTERM)
    assert list(events) == []
    ended = waiting.wait_until(program.poll, lambda code: code is not None, what="the server's end", timeout_s=_END_S)
    assert ended == 0


def test_a_state_directory_that_is_none_is_one_clear_line(tmp_path: Path, listening: socket.socket) -> None:
    """Exit code 2, the file's name, no traceback."""
    child = _started(tmp_path, listening)
    _, said = child.communicate(timeout=_END_S)
    lines = said.decode().splitlines()
    assert child.returncode == 2
    assert len(lines) == 1
    assert "tokens.csv: not a token file" in lines[0]
