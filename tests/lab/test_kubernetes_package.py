"""The ``kubernetes`` package obeys as kubectl does, its watch and its stream included."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import kubernetes
import kubernetes.dynamic
import kubernetes.stream
import kubernetes.utils
import kubernetes.watch
import pytest
import requests

from harness.core import waiting
from harness.lab import state

Object = dict[str, Any]
Json = Any

# The package's type information is wrong in places: it knows no plain mappings as bodies, for one.
K8S: Json = kubernetes

NAMESPACE = "kubernetes-package"
TOOLS = "sourceip/tools:dev"


@pytest.fixture(scope="module")
def api(lab: state.LabState) -> Iterator[Json]:
    """A client of the package, as its users make one."""
    config = K8S.client.Configuration()
    K8S.config.load_kube_config(str(lab.kubeconfig), client_configuration=config)
    with K8S.client.ApiClient(config) as made:
        yield made


@pytest.fixture(scope="module")
def core(api: Json) -> Iterator[Json]:
    """The core API, with a namespace to work in."""
    made = K8S.client.CoreV1Api(api)
    made.create_namespace({"metadata": {"name": NAMESPACE}})
    yield made
    made.delete_namespace(NAMESPACE)


@pytest.fixture(scope="module")
def pod(core: Json) -> str:
    """A pod that runs until the end."""
    container = {"name": "main", "image": TOOLS, "command": ["sleep", "3600"]}
    body = {"metadata": {"name": "runs"}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    core.create_namespaced_pod(NAMESPACE, body)
    waiting.wait_until(
        lambda: core.read_namespaced_pod("runs", NAMESPACE).status.phase,
        lambda phase: bool(phase == "Running"),
        what="the pod",
        timeout_s=30,
    )
    return "runs"


def _map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_lists_typed_objects(core: Json, lab: state.LabState) -> None:
    """Nodes come as the package's own types, with addresses and conditions."""
    nodes = core.list_node().items
    assert [node.metadata.name for node in nodes] == list(lab.nodes)
    addresses = [item.address for node in nodes for item in node.status.addresses if item.type == "InternalIP"]
    assert addresses == list(lab.addresses)


def test_reads_every_kind_as_its_types(api: Json, core: Json) -> None:
    """Every list of every namespace fits the package's models, which insist on what Kubernetes always sends."""
    apps, slices = K8S.client.AppsV1Api(api), K8S.client.DiscoveryV1Api(api)
    found = [core.list_pod_for_all_namespaces(), core.list_service_for_all_namespaces(), core.list_namespace()]
    found += [core.list_config_map_for_all_namespaces(), core.list_event_for_all_namespaces()]
    found += [apps.list_deployment_for_all_namespaces(), apps.list_replica_set_for_all_namespaces()]
    found += [apps.list_daemon_set_for_all_namespaces(), slices.list_endpoint_slice_for_all_namespaces()]
    assert all(items.items for items in found)


def test_creates_replaces_and_deletes(core: Json) -> None:
    """An object is created, replaced and deleted; replacing an old version conflicts."""
    made = core.create_namespaced_config_map(NAMESPACE, _map("c", K="1"))
    made.data["K"] = "2"
    assert core.replace_namespaced_config_map("c", NAMESPACE, made).data == {"K": "2"}
    with pytest.raises(K8S.client.ApiException) as conflict:
        core.replace_namespaced_config_map("c", NAMESPACE, made)
    assert (conflict.value.status, json.loads(conflict.value.body)["reason"]) == (409, "Conflict")
    core.delete_namespaced_config_map("c", NAMESPACE)
    with pytest.raises(K8S.client.ApiException) as missing:
        core.read_namespaced_config_map("c", NAMESPACE)
    assert json.loads(missing.value.body)["message"] == 'configmaps "c" not found'


def test_patches_by_its_default_type_and_by_operations(core: Json) -> None:
    """A mapping is sent as a merge and a list as operations, as the package chooses."""
    core.create_namespaced_config_map(NAMESPACE, _map("p", K="1"))
    assert core.patch_namespaced_config_map("p", NAMESPACE, {"data": {"L": "2"}}).data == {"K": "1", "L": "2"}
    operations = [{"op": "remove", "path": "/data/K"}]
    assert core.patch_namespaced_config_map("p", NAMESPACE, operations).data == {"L": "2"}


def test_watches_from_a_resource_version(core: Json) -> None:
    """A watch from a list's version yields what happens after it, and ends when asked to."""
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    core.create_namespaced_config_map(NAMESPACE, _map("w", K="1"))
    core.patch_namespaced_config_map("w", NAMESPACE, {"data": {"K": "2"}})
    core.delete_namespaced_config_map("w", NAMESPACE)
    seen = [
        (event["type"], event["object"].data)
        for event in K8S.watch.Watch().stream(
            core.list_namespaced_config_map, NAMESPACE, resource_version=version, timeout_seconds=2
        )
        if event["object"].metadata.name == "w"
    ]
    assert seen == [("ADDED", {"K": "1"}), ("MODIFIED", {"K": "2"}), ("DELETED", {"K": "2"})]


@contextlib.contextmanager
def _session(core: Json, pod: str, script: str, *, stdin: bool) -> Iterator[Json]:
    """A shell script in the pod, over the package's WebSocket."""
    made = K8S.stream.stream(
        core.connect_get_namespaced_pod_exec,
        pod,
        NAMESPACE,
        command=["sh", "-c", script],
        stderr=True,
        stdin=stdin,
        stdout=True,
        tty=False,
        _preload_content=False,
    )
    try:
        yield made
    finally:
        # The package's own close does nothing once the server has closed, and leaves the socket open.
        made.sock.shutdown()


def test_executes_through_its_stream(core: Json, pod: str) -> None:
    """A command's two outputs come back apart over the package's WebSocket."""
    with _session(core, pod, "echo out; echo err >&2", stdin=False) as session:
        session.run_forever(timeout=30)
        assert (session.read_stdout(), session.read_stderr(), session.returncode) == ("out\n", "err\n", 0)


def test_executes_with_standard_input(core: Json, pod: str) -> None:
    """What is written to the stream reaches the command, and its exit code comes back."""
    with _session(core, pod, "read line; echo got $line; exit 7", stdin=True) as session:
        session.write_stdin("hello\n")
        session.run_forever(timeout=30)
        assert (session.read_stdout(), session.returncode) == ("got hello\n", 7)


def test_follows_a_log(core: Json) -> None:
    """A followed log comes as bytes, line by line, and ends with the pod."""
    container = {"name": "main", "image": TOOLS, "command": ["sh", "-c", "echo one; echo two"]}
    body = {"metadata": {"name": "talks"}, "spec": {"containers": [container], "restartPolicy": "Never"}}
    core.create_namespaced_pod(NAMESPACE, body)
    waiting.wait_until(
        lambda: core.read_namespaced_pod("talks", NAMESPACE).status.phase,
        lambda phase: phase != "Pending",
        what="the pod",
        timeout_s=30,
    )
    answer = core.read_namespaced_pod_log("talks", NAMESPACE, follow=True, _preload_content=False, _request_timeout=30)
    assert b"".join(answer.stream()) == b"one\ntwo\n"


def test_reads_custom_resources(api: Json) -> None:
    """The Installation is there for the package's custom API."""
    found = K8S.client.CustomObjectsApi(api).get_cluster_custom_object(
        "operator.tigera.io", "v1", "installations", "default"
    )
    assert found["spec"]["calicoNetwork"]["linuxDataplane"] in ("Iptables", "BPF")


def test_applies_through_its_dynamic_client(core: Json, api: Json) -> None:
    """The dynamic client discovers the resource and applies on the server."""
    maps = K8S.dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
    applied = maps.server_side_apply(body=_map("d", K="1"), namespace=NAMESPACE, field_manager="one")
    assert applied.data.to_dict() == {"K": "1"}
    with pytest.raises(K8S.dynamic.exceptions.ConflictError):
        maps.server_side_apply(body=_map("d", K="2"), namespace=NAMESPACE, field_manager="two")


def test_creates_from_manifests(core: Json, api: Json) -> None:
    """A manifest's objects are created by their kinds."""
    K8S.utils.create_from_dict(api, _map("y", K="1"), namespace=NAMESPACE)
    assert core.read_namespaced_config_map("y", NAMESPACE).data == {"K": "1"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_a_request_without_a_good_token_gets_a_status(lab: state.LabState, headers: dict[str, str]) -> None:
    """Without a token that the server knows the answer is 401 in Kubernetes' form."""
    answer = requests.get(
        f"https://127.0.0.1:{lab.api_port}/api/v1/nodes",
        headers=headers,
        verify=str(lab.directory / "pki" / "ca.pem"),
        timeout=10,
    )
    assert answer.status_code == 401
    assert answer.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }


def test_an_unknown_kind_is_not_found(api: Json) -> None:
    """A kind that the server does not have is not found in its discovery."""
    with pytest.raises(K8S.dynamic.exceptions.ResourceNotFoundError):
        K8S.dynamic.DynamicClient(api).resources.get(api_version="v1", kind="Nope")
