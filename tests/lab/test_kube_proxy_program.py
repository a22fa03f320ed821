"""kube-proxy as a program: it follows an API server of the test's own and writes rules into a real kernel."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import signal
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from harness.core import process, waiting
from harness.lab.proxy import agent, kernel
from tests.lab.network_namespaces import Namespace
from tests.unit.lab.proxy import objects

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")

ENDS_S = 10.0


class Cluster(http.server.ThreadingHTTPServer):
    """As much of an API server as the program asks for: lists, and watches that say what the test hands them."""

    daemon_threads = True

    def __init__(self, *slices: objects.Object) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.lists = {
            agent.SERVICES: [objects.node_port()],
            agent.SLICES: list(slices),
            agent.NODES: [{"kind": "Node", "metadata": {"name": "here"}}],
        }
        self._events: dict[str, queue.SimpleQueue[objects.Object | None]] = {
            path: queue.SimpleQueue() for path in self.lists
        }

    def kubeconfig(self) -> str:
        """How the program finds it."""
        server = f"http://127.0.0.1:{self.server_address[1]}"
        cluster = {"cluster": {"server": server, "certificate-authority": ""}}
        return json.dumps({"clusters": [cluster], "users": [{"user": {"token": "t"}}]})

    def say(self, path: str, changed: objects.Object) -> None:
        """Tell the watch of a collection that an object was changed."""
        changed["metadata"]["resourceVersion"] = "2"
        self._events[path].put({"type": "MODIFIED", "object": changed})

    def events(self, path: str) -> Iterator[bytes]:
        """What a watch of that collection hears, until the end."""
        while (event := self._events[path].get()) is not None:
            yield json.dumps(event).encode() + b"\n"

    def end(self) -> None:
        """End all watches and close."""
        for events in self._events.values():
            events.put(None)
        self.shutdown()
        self.server_close()


class _Requests(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        cluster = cast("Cluster", self.server)
        path, _, query = self.path.partition("?")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        # A client sees an event at once only in a chunk of its own.
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if "watch=true" in query:
            for event in cluster.events(path):
                self._write(event)
        else:
            listed = {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": cluster.lists[path]}
            self._write(json.dumps(listed).encode())
        self._write(b"")

    def _write(self, chunk: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Be silent."""


@pytest.fixture
def node() -> Iterator[Namespace]:
    """A network namespace with nothing in it."""
    found = Namespace()
    yield found
    found.release()


@contextlib.contextmanager
def _running(node: Namespace, cluster: Cluster, folder: Path) -> Iterator[Callable[[], int]]:
    """The program on the node; what is handed out asks it to end and returns its exit code."""
    (folder / "kubeconfig").write_text(cluster.kubeconfig())
    root = str(Path(__file__).resolve().parents[2])
    with node.inside():
        program = process.start(
            [sys.executable, "-P", "-m", "harness.lab.proxy"],
            env={**os.environ, "PYTHONPATH": root, "NODE_NAME": "here", "KUBECONFIG": str(folder / "kubeconfig")},
        )

    def end() -> int:
        program.send_signal(signal.SIGTERM)
        return program.wait(ENDS_S)

    try:
        yield end
    finally:
        program.kill()
        program.wait()


@pytest.fixture
def cluster(node: Namespace) -> Iterator[Cluster]:
    """A cluster with one endpoint behind one node port."""
    with node.inside():
        found = Cluster(objects.endpoint_slice(objects.endpoint("10.244.0.1", "here")))
    threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
    yield found
    found.end()


def test_it_follows_the_cluster_and_leaves_its_rules(node: Namespace, cluster: Cluster, tmp_path: Path) -> None:
    """It applies what it lists, then what it is told, says that it is healthy, and on SIGTERM ends and leaves all."""
    with _running(node, cluster, tmp_path) as end:
        _wait_for(lambda: "10.244.0.1:8080" in _rules(node), "the listed endpoint")
        cluster.say(agent.SLICES, objects.endpoint_slice(objects.endpoint("10.244.0.2", "here")))
        _wait_for(lambda: "10.244.0.2:8080" in _rules(node), "the endpoint that came")
        assert "10.244.0.1:8080" not in _rules(node)
        with node.inside():
            assert _get("http://127.0.0.1:10249/proxyMode") == "iptables"
            assert "lastUpdated" in _get("http://127.0.0.1:10256/healthz")
        assert end() == 0
    assert "10.244.0.2:8080" in _rules(node)


def test_without_its_environment_it_says_what_is_missing(tmp_path: Path) -> None:
    """One line and exit code 2."""
    root = str(Path(__file__).resolve().parents[2])
    done = process.run(
        [sys.executable, "-P", "-m", "harness.lab.proxy"], env={"PYTHONPATH": root, "NODE_NAME": "x"}, check=False
    )
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert "KUBECONFIG" in done.stderr.decode()


def _rules(node: Namespace) -> str:
    with node.inside():
        return "\n".join(
            rule for table in kernel.in_force().values() for found in table.chains.values() for rule in found
        )


def _wait_for(ready: Callable[[], bool], what: str) -> None:
    waiting.wait_until(ready, bool, what=what, timeout_s=20, delay_s=0.02)


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=ENDS_S) as answer:
        return str(answer.read().decode())
