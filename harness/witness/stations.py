"""The witness's pods: one watcher on every node, put there for a run, asked by exec and removed with the run.

A watcher keeps what it has seen and is asked for it, so nothing is lost with a connection. A cluster that does not
let such a pod in has no witness on the wire: that is said, and no error.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from harness.core import errors, timeouts, waiting
from harness.kube import client, conditions, execution, manifests

log = logging.getLogger("harness.witness")

NAMESPACE = "sourceip-witness"
MANIFEST = manifests.MANIFESTS / "witness" / "witness.yaml"
SOURCE = Path(__file__).with_name("watcher.py")
"""What the namespace is called in the manifest; a cluster's shape may call it otherwise."""
_EXEC_S = timeouts.DEFAULT.exec_s
_ASK = """
import socket, sys
door = socket.socket(socket.AF_UNIX)
door.settimeout(25)
door.connect("\\0sourceip-witness")
door.sendall(sys.argv[1].encode() + b"\\n")
while True:
    data = door.recv(65536)
    if not data:
        break
    sys.stdout.buffer.write(data)
"""

Stations = Mapping[str, str]
"""The name of the witness's pod, by node."""

Item = TypeVar("Item")
Value = TypeVar("Value")


class WitnessError(errors.HarnessError):
    """A watcher did not do what it was asked for, in its own words."""


@contextlib.contextmanager
def deployed(api: client.Client, *, timeout_s: float, say: Callable[[str], None], keep: bool = False) -> Iterator[None]:
    """Watchers on every node until the block ends; where the cluster refuses them, that is said and nothing more.

    Args:
        api: The cluster's API.
        timeout_s: How long to wait for all of them.
        say: Hears of what was refused.
        keep: Whether they may stay, because the cluster goes away.
    """
    try:
        _deploy(api, timeout_s=timeout_s)
    except (errors.ApiError, errors.WaitTimeout) as error:
        say(f"no witness on the wire: {error}")
    try:
        yield
    finally:
        if not keep:
            _remove(api, say)


def _deploy(api: client.Client, *, timeout_s: float) -> None:
    manifests.apply(api, objects())
    waiting.wait_until(
        lambda: api.get(daemon_set(api)),
        conditions.daemon_set_is_available,
        what="every witness ready",
        timeout_s=timeout_s,
    )


def _remove(api: client.Client, say: Callable[[str], None]) -> None:
    namespace = api.shape.namespace(NAMESPACE)
    try:
        api.delete(f"/api/v1/namespaces/{namespace}")
    except errors.ApiError as error:
        say(f"namespace {namespace} stays: {error}")


def daemon_set(api: client.Client) -> str:
    """The API path of the watchers' DaemonSet."""
    return f"/apis/apps/v1/namespaces/{api.shape.namespace(NAMESPACE)}/daemonsets/witness"


def objects() -> tuple[client.Object, ...]:
    """The manifest, with the watcher's own text in the place of its name."""
    found = manifests.load(MANIFEST)
    source = SOURCE.read_text()
    for item in found:
        if item["kind"] == "DaemonSet":
            container = item["spec"]["template"]["spec"]["containers"][0]
            container["command"] = [source if word == SOURCE.name else word for word in container["command"]]
    return found


def stations(api: client.Client) -> Stations:
    """Where a watcher stands; nowhere, if it is not deployed or the API does not say."""
    try:
        namespace = api.shape.namespace(NAMESPACE)
        pods = api.items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": "app=witness"})
    except errors.ApiError as error:
        log.warning("the witness's pods can't be listed: %s", error)
        return {}
    return {item["spec"]["nodeName"]: item["metadata"]["name"] for item in pods if conditions.pod_is_ready(item)}


def ask(api: client.Client, pod: str, request: Mapping[str, object]) -> tuple[Any, ...]:
    """What the watcher in that pod answers, line by line.

    Raises:
        ApiError: The API refused, or the connection broke.
        CommandError: The watcher could not be asked.
        WitnessError: It refused, or said something else than lines of JSON.
    """
    argv = ("python3", "-I", "-S", "-c", _ASK, json.dumps(request, separators=(",", ":")))
    namespace = api.shape.namespace(NAMESPACE)
    done = execution.run(api, namespace=namespace, pod=pod, container="witness", argv=argv, timeout_s=_EXEC_S)
    return lines(done.stdout)


def lines(answer: bytes) -> tuple[Any, ...]:
    """An answer's lines; raises WitnessError. Pure."""
    try:
        found = tuple(json.loads(line) for line in answer.splitlines())
    except ValueError as error:
        raise WitnessError(f"no answer of a watcher: {answer[-200:]!r}") from error
    if not found or not isinstance(found[-1], dict):
        raise WitnessError("the answer has no end")
    if "error" in found[-1]:
        raise WitnessError(str(found[-1]["error"]))
    return found


def everywhere(work: Callable[[str, Item], Value], items: Mapping[str, Item]) -> dict[str, Value]:
    """Work for every node side by side; a node where it fails is left out, and the log says why."""

    def one(entry: tuple[str, Item]) -> tuple[str, Value] | None:
        try:
            return entry[0], work(*entry)
        except (errors.ApiError, errors.CommandError, errors.ParseError, WitnessError) as error:
            log.warning("the witness on %s: %s", entry[0], error)
            return None

    with concurrent.futures.ThreadPoolExecutor(max(1, min(len(items), 8))) as pool:
        return dict(found for found in pool.map(one, items.items()) if found is not None)
