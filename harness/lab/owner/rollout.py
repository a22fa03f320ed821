"""Bring a new lab to readiness: ``python -m harness.lab.owner.rollout LABDIR [--with FOLDER]``.

Applies the objects that exist before any controller, then the workloads, through the API as everyone would, and
waits until the cluster answers. Each thing that it waits for is a JSON line ``{"say": …}`` on standard output. It is
a program of its own, so that the owner carries neither an HTTP nor a YAML library.
"""

from __future__ import annotations

import argparse
import functools
import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.core import errors, timeouts, waiting
from harness.lab import api, plan, state
from harness.lab.topology import namespaces

BOOTSTRAP = Path(__file__).resolve().parents[1] / "bootstrap"
NODE_PORT = 30180
_DELAY_S = 0.05


def main() -> int:
    """Roll out; 0 when everything is ready."""
    parser = argparse.ArgumentParser(prog="rollout")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--with", dest="workloads", type=Path)
    options = parser.parse_args()
    try:
        roll_out(state.read(options.directory), options.workloads)
    except errors.HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def roll_out(lab: state.LabState, workloads: Path | None) -> None:
    """Apply everything and wait until it is ready.

    Raises:
        ApiError: The API server refused a manifest.
        WaitTimeout: Something did not become ready in time; the text names it.
    """
    client = api.Api.from_kubeconfig(lab.directory / "agents" / "admin.kubeconfig", agent="sourceip-lab")
    started = time.monotonic()

    def wait(what: str, unready: Callable[[], list[str]]) -> None:
        _say(f"waiting for {what}")
        left = timeouts.DEFAULT.lab_up_s - (time.monotonic() - started)
        waiting.wait_until(unready, lambda names: not names, what=what, timeout_s=max(0.0, left), delay_s=_DELAY_S)

    wait("the API server", lambda: _unreachable(client))
    create_all(client, BOOTSTRAP)
    if workloads is not None:
        create_all(client, workloads)
    wait("nodes", functools.partial(unready_nodes, client, lab.nodes))
    wait("kube-proxy and calico-node", functools.partial(unready_daemonsets, client))
    if workloads is not None:
        wait("yaobank", functools.partial(unready_deployments, client))
        namespaces.enter(namespaces.path(plan.CLIENT))
        wait(f"an answer through every node's port {NODE_PORT}", lambda: unanswered(lab.addresses))


def _say(text: str) -> None:
    os.write(1, json.dumps({"say": text}).encode() + b"\n")


# Manifests


def create_all(client: api.Api, folder: Path) -> None:
    """Create every object of the manifests in a folder, in the order of file names; one that exists stays as it is."""
    for item in _documents(folder):
        try:
            client.create(collection_of(client, item), item)
        except errors.ApiError as error:
            if error.reason != "AlreadyExists":
                name = item["metadata"].get("name", "")
                raise errors.ApiError(error.code, error.reason, f"{item['kind']} {name}: {error.message}") from error


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(entry for entry in folder.iterdir() if entry.suffix in {".json", ".yaml"}):
        text = file.read_text()
        documents = [json.loads(text)] if file.suffix == ".json" else yaml.load_all(text, Loader=_yaml_loader())
        for document in documents:
            if document:
                yield from document["items"] if document["kind"] == "List" else [document]


def _yaml_loader() -> type[yaml.SafeLoader]:
    # The loader in C is ten times as fast, and not everywhere.
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return loader


def collection_of(client: api.Api, item: dict[str, Any]) -> str:
    """The path of the collection that an object belongs to, as the server's discovery says.

    Raises:
        ApiError: The server does not have that kind.
    """
    version = item["apiVersion"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    for resource in _resources(client, base):
        if resource["kind"] == item["kind"] and "/" not in resource["name"]:
            namespace = item["metadata"].get("namespace", "default")
            return (
                f"{base}/namespaces/{namespace}/{resource['name']}"
                if resource["namespaced"]
                else f"{base}/{resource['name']}"
            )
    raise errors.ApiError(404, "NotFound", f'no matches for kind "{item["kind"]}" in version "{version}"')


@functools.cache
def _resources(client: api.Api, base: str) -> Sequence[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(base)["resources"]
    return found


# What is not ready yet: names for the message, and none at the end


def _unreachable(client: api.Api) -> list[str]:
    try:
        client.get("/api/v1")
    except errors.ApiError as error:
        return [str(error)]
    return []


def unready_nodes(client: api.Api, names: Sequence[str]) -> list[str]:
    """The nodes that are not there or not Ready."""
    found = {item["metadata"]["name"]: item for item in client.list("/api/v1/nodes")[0]}
    return [name for name in names if name not in found or not _condition(found[name], "Ready")]


def unready_daemonsets(client: api.Api) -> list[str]:
    """The DaemonSets that lack a ready pod, or whose controller has not seen them yet."""
    return [_name(item) for item in client.list("/apis/apps/v1/daemonsets")[0] if not _daemonset_ready(item)]


def _daemonset_ready(item: dict[str, Any]) -> bool:
    status = item.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    seen: bool = status.get("observedGeneration") == item["metadata"].get("generation")
    return seen and wanted > 0 and status.get("numberReady", 0) == wanted


def unready_deployments(client: api.Api) -> list[str]:
    """The Deployments that lack an available replica."""
    items = client.list("/apis/apps/v1/deployments")[0]
    return [
        _name(item)
        for item in items
        if item.get("status", {}).get("availableReplicas", 0) != item["spec"].get("replicas", 1)
    ]


def _name(item: dict[str, Any]) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _condition(item: dict[str, Any], kind: str) -> bool:
    conditions = item.get("status", {}).get("conditions") or []
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)


def unanswered(addresses: Sequence[str]) -> list[str]:
    """The nodes through which yaobank does not answer with 200; called on the external client."""
    return [address for address in addresses if not _answers(address)]


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, NODE_PORT, timeout=timeouts.DEFAULT.unanswered_s)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
