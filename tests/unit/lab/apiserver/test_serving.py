"""The HTTP side: who asks, what for, in which form."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core import errors
from harness.lab.apiserver import statuses
from harness.lab.apiserver.serving import authentication, negotiation, targets
from tests.unit.lab.apiserver import http

Object = dict[str, Any]
Steps = Callable[[http.Client], Awaitable[None]]

_MAPS = "/api/v1/namespaces/demo/configmaps"


def run(folder: Path, steps: Steps, *, history: int = 1000) -> None:
    """Run a test's steps against a server."""

    async def whole() -> None:
        async with http.serving(folder, history=history) as client:
            await steps(client)

    asyncio.run(whole())


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic YTpi", "Bearer", "a-token"])
def test_nobody_reads_without_a_token(tmp_path: Path, header: str) -> None:
    """A request without a token that was given out is answered with a Status of 401."""

    async def steps(client: http.Client) -> None:
        answer = await client.call("GET", "/api/v1/nodes", Authorization=header)
        assert (answer.status, answer.body["reason"], answer.body["kind"]) == (401, "Unauthorized", "Status")

    run(tmp_path, steps)


def test_health_and_version_are_for_everybody(tmp_path: Path) -> None:
    """Whoever looks whether the server lives has no token yet."""

    async def steps(client: http.Client) -> None:
        for path in ("/healthz", "/readyz", "/livez", "/readyz/ping"):
            assert (await client.call("GET", path, Authorization="")).body == "ok"
        assert (await client.call("GET", "/version", Authorization="")).body["gitVersion"] == "v1.36.2"

    run(tmp_path, steps)


def test_a_token_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """The program ends with one line that names the file."""
    with pytest.raises(errors.ParseError, match="not a token file"):
        authentication.Tokens.read(tmp_path / "tokens.csv")
    (tmp_path / "tokens.csv").write_text("only-a-token\n")
    with pytest.raises(errors.ParseError, match="not a token file"):
        authentication.Tokens.read(tmp_path / "tokens.csv")


def test_a_token_stands_for_a_user_and_groups(tmp_path: Path) -> None:
    """The form of kube-apiserver's static token file."""
    (tmp_path / "tokens.csv").write_text('# lab\nt1,kubelet,7,"system:nodes,others"\nt2,proxy,8\n')
    tokens = authentication.Tokens.read(tmp_path / "tokens.csv")
    assert tokens.user("Bearer t1").groups == ("system:nodes", "others")
    assert tokens.user("bearer t2") == authentication.User(name="proxy", uid="8", groups=())


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nope", 404), ("GET", "/apis/batch/v1/jobs", 404), ("GET", "/api/v1/nopes", 404),
        ("GET", "/api/v1/namespaces/demo/nodes", 404), ("GET", "/api/v1/pods/p", 404),
        ("GET", "/api/v1/namespaces/demo/pods/p/portforward", 404), ("POST", "/api/v1/configmaps", 405),
        ("DELETE", "/api/v1/namespaces", 405), ("PUT", _MAPS, 405), ("POST", f"{_MAPS}/c", 405),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
        ("POST", "/api/v1/namespaces/demo/pods/p/log", 405), ("OPTIONS", _MAPS, 405),
    ],
)  # fmt: skip
def test_what_the_server_has_not_is_refused(tmp_path: Path, method: str, path: str, code: int) -> None:
    """Unknown paths and kinds are not found, verbs that a kind has not are not allowed."""

    async def steps(client: http.Client) -> None:
        body: Object | None = {} if method in ("POST", "PUT") else None
        assert (await client.call(method, path, body)).status == code

    run(tmp_path, steps)


def test_the_answers_form_is_what_the_client_takes(tmp_path: Path) -> None:
    """JSON, YAML, Tables, metadata alone; and nothing else."""

    async def steps(client: http.Client) -> None:
        await client.call("POST", _MAPS, {"metadata": {"name": "c"}, "data": {"a": "b"}})
        table = await client.call("GET", _MAPS, Accept=http.TABLE)
        assert [row["cells"][:2] for row in table.body["rows"]] == [["c", 1]]
        yaml = await client.call("GET", f"{_MAPS}/c", Accept="application/yaml")
        assert "\nkind: ConfigMap\n" in yaml.body
        partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        items = (await client.call("GET", _MAPS, Accept=partial)).body["items"]
        assert [list(item) for item in items] == [["metadata"]]
        assert (await client.call("GET", _MAPS, Accept="text/html")).status == 406

    run(tmp_path, steps)


def test_accept_headers_are_read_in_their_order() -> None:
    """The first form that the server writes is taken."""
    assert negotiation.chosen("").shape == ""
    assert negotiation.chosen(http.TABLE).shape == "Table"
    assert negotiation.chosen("application/vnd.kubernetes.protobuf,application/json").media == "application/json"
    assert negotiation.chosen("application/json;as=Table;v=v9;g=meta.k8s.io,*/*").shape == ""
    with pytest.raises(statuses.Refusal):
        negotiation.chosen("application/vnd.kubernetes.protobuf")


def test_paths_name_resources() -> None:
    """Groups, namespaces, names and subresources."""
    found = targets.parsed("/apis/apps/v1/namespaces/n/deployments/d/status")
    assert found is not None
    assert (found.resource.kind, found.namespace, found.name, found.subresource) == ("Deployment", "n", "d", "status")
    found = targets.parsed("/api/v1/namespaces/n/finalize")
    assert found is not None
    assert (found.resource.kind, found.namespace, found.name, found.subresource) == ("Namespace", "", "n", "finalize")
    assert targets.parsed("/apis/none/v1/x") is None


def test_warnings_are_headers(tmp_path: Path) -> None:
    """A field that nobody knows is warned of, in quotes that survive."""

    async def steps(client: http.Client) -> None:
        answer = await client.call("POST", _MAPS, {"metadata": {"name": "c"}, "x": 1})
        assert answer.headers["Warning"] == '299 - "unknown field \\"x\\""'

    run(tmp_path, steps)


def test_a_deletion_takes_its_options_from_the_body(tmp_path: Path) -> None:
    """A Status for what is gone, the object for what its kind gives back."""

    async def steps(client: http.Client) -> None:
        await client.call("POST", _MAPS, {"metadata": {"name": "c"}})
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
        marked = await client.call("DELETE", f"{_MAPS}/c", options)
        assert marked.body["metadata"]["finalizers"] == ["foregroundDeletion"]
        await client.call("POST", _MAPS, {"metadata": {"name": "d"}})
        assert (await client.call("DELETE", f"{_MAPS}/d")).body["status"] == "Success"
        odd = await client.call("DELETE", f"{_MAPS}/c", {"propagationPolicy": "Odd"})
        assert odd.status == 422

    run(tmp_path, steps)


def test_a_collection_is_deleted_by_selector(tmp_path: Path) -> None:
    """Only what matches goes."""

    async def steps(client: http.Client) -> None:
        for name in ("a", "b"):
            await client.call("POST", _MAPS, {"metadata": {"name": name, "labels": {"n": name}}})
        await client.call("DELETE", f"{_MAPS}?labelSelector=n%3Da")
        left = (await client.call("GET", _MAPS)).body["items"]
        assert [item["metadata"]["name"] for item in left] == ["b"]

    run(tmp_path, steps)


def test_a_pod_is_bound_once(tmp_path: Path) -> None:
    """The scheduler's binding puts it on its node and says so; a second one is a conflict."""

    async def steps(client: http.Client) -> None:
        path = "/api/v1/namespaces/demo/pods"
        spec = {"containers": [{"name": "c", "image": "x"}]}
        await client.call("POST", path, {"metadata": {"name": "p"}, "spec": spec})
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n"}}
        assert (await client.call("POST", f"{path}/p/binding", binding)).status == 201
        pod = (await client.call("GET", f"{path}/p")).body
        assert pod["spec"]["nodeName"] == "n"
        assert [(item["type"], item["status"]) for item in pod["status"]["conditions"]] == [("PodScheduled", "True")]
        assert (await client.call("POST", f"{path}/p/binding", binding)).status == 409

    run(tmp_path, steps)


def test_events_are_seen_in_both_groups(tmp_path: Path) -> None:
    """One store, two forms."""

    async def steps(client: http.Client) -> None:
        event = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"}, "message": "hello"}
        await client.call("POST", "/api/v1/namespaces/demo/events", event)
        new = (await client.call("GET", "/apis/events.k8s.io/v1/namespaces/demo/events/e")).body
        assert (new["apiVersion"], new["note"], new["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "p")
        other = {"metadata": {"name": "f"}, "regarding": {"kind": "Pod", "name": "q"}, "note": "there"}
        await client.call("POST", "/apis/events.k8s.io/v1/namespaces/demo/events", other)
        old = (await client.call("GET", "/api/v1/namespaces/demo/events/f")).body
        assert (old["apiVersion"], old["message"], old["involvedObject"]["name"]) == ("v1", "there", "q")

    run(tmp_path, steps)


def test_schemas_tell_kubectl_that_the_server_validates(tmp_path: Path) -> None:
    """Each document that the index names is there, and its patches have the parameter that kubectl looks for."""

    async def steps(client: http.Client) -> None:
        paths = (await client.call("GET", "/openapi/v3")).body["paths"]
        for entry in paths.values():
            document = (await client.call("GET", entry["serverRelativeURL"])).body
            patches = [path["patch"] for path in document["paths"].values() if "patch" in path]
            for patch in patches:
                assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
                assert patch["x-kubernetes-group-version-kind"]["kind"]
        assert (await client.call("GET", "/openapi/v3/apis/none/v1")).status == 404

    run(tmp_path, steps)


def test_both_forms_of_discovery_name_the_same(tmp_path: Path) -> None:
    """Old clients and new ones see the same resources."""

    async def steps(client: http.Client) -> None:
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        groups = (await client.call("GET", "/apis", Accept=accept)).body["items"]
        for group in groups:
            name = group["metadata"]["name"]
            assert (await client.call("GET", f"/apis/{name}")).body["name"] == name
            plain = (await client.call("GET", f"/apis/{name}/v1")).body["resources"]
            wanted = [row["name"] for row in plain if "/" not in row["name"]]
            assert [row["resource"] for row in group["versions"][0]["resources"]] == wanted

    run(tmp_path, steps)
