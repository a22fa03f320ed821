"""The three applications answer, and the chain from customer to database breaks loudly."""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from flask import Flask
from werkzeug.serving import make_server

from harness.kube import manifests


def load(name: str) -> ModuleType:
    """One application's module, from its file as the lab and the image start it."""
    path = manifests.YAOBANK.parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"yaobank_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def served(app: Flask) -> Iterator[int]:
    """An application under Flask's own server on loopback; its port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def closed_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_request_goes_through_the_whole_chain() -> None:
    """customer shows the name and the balance that only database knows."""
    with (
        served(load("database").create_app()) as database,
        served(load("summary").create_app("127.0.0.1", database)) as summary,
    ):
        reply = load("customer").create_app(f"127.0.0.1:{summary}").test_client().get("/?probe=x")
    assert reply.status_code == 200
    assert "Ada Quill" in reply.text
    assert "2389.45" in reply.text


def test_customer_says_500_when_summary_is_gone() -> None:
    """A broken chain is never a page."""
    reply = load("customer").create_app(f"127.0.0.1:{closed_port()}").test_client().get("/")
    assert reply.status_code == 500


def test_customer_says_500_when_database_is_gone() -> None:
    """The failure of the last link reaches the first."""
    with served(load("summary").create_app("127.0.0.1", closed_port())) as summary:
        reply = load("customer").create_app(f"127.0.0.1:{summary}").test_client().get("/")
    assert reply.status_code == 500


def test_other_paths_are_not_found() -> None:
    """customer has one route, as the original does."""
    assert load("customer").create_app("127.0.0.1:1").test_client().get("/logout").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/v2/keys/accounts/519940?recursive=true", 200, "2389.45"),
        ("/v2/keys/accounts/519940/name", 200, "Ada Quill"),
        ("/v2/keys/accounts", 200, "407221"),
        ("/v2/keys/accounts/1", 404, "Key not found"),
        ("/version", 200, "etcdserver"),
        ("/health", 200, "true"),
    ],
)
def test_database_speaks_enough_of_etcd(path: str, status: int, word: str) -> None:
    """Keys, directories, the missing key's error and the two paths that health checks use."""
    reply = load("database").create_app().test_client().get(path)
    assert reply.status_code == status
    assert word in reply.text


def test_a_missing_account_is_not_found() -> None:
    """An account that database lacks is no failure of database."""
    with served(load("database").create_app()) as database:
        reply = load("summary").create_app("127.0.0.1", database).test_client().get("/1")
    assert reply.status_code == 404


def test_one_dockerfile_makes_all_three() -> None:
    """Each application's file is one that the Dockerfile's argument can name, and the base is pinned."""
    folder: Path = manifests.YAOBANK.parent
    text = (folder / "Dockerfile").read_text()
    assert "COPY ${APP}.py" in text
    assert "FROM python:3.13.5-" in text
    images = {item["spec"]["template"]["spec"]["containers"][0]["image"] for item in deployments()}
    assert images == {f"sourceip/yaobank-{path.stem}:1" for path in folder.glob("*.py")}


def deployments() -> list[dict[str, dict[str, dict[str, dict[str, list[dict[str, str]]]]]]]:
    """yaobank's Deployments."""
    return [item for item in manifests.load(manifests.YAOBANK) if item["kind"] == "Deployment"]
