"""The API client: what goes out, what comes in, and that nothing but ApiError gets out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from harness.core import errors
from harness.kube import client, shaping


class Pool:
    """A connection pool that answers from a script and keeps what it was asked."""

    def __init__(self, *answers: tuple[int, bytes] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []

    def request(self, method: str, url: str, **options: Any) -> Any:  # noqa: ANN401
        """The next answer of the script."""
        self.asked.append((method, url, options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(status=answer[0], data=answer[1])


class Configuration:
    """The part of the package's configuration that the client reads."""

    host = "https://127.0.0.1:6443"

    def auth_settings(self) -> dict[str, dict[str, str]]:
        """A bearer token."""
        return {"BearerToken": {"in": "header", "key": "authorization", "value": "Bearer t"}}


def over(pool: Pool) -> client.Client:
    """A client over a scripted pool."""
    return client.Client(SimpleNamespace(configuration=Configuration(), rest_client=SimpleNamespace(pool_manager=pool)))


def body(found: Mapping[str, Any]) -> bytes:
    """An answer's body."""
    return json.dumps(found).encode()


def test_a_request_carries_token_and_parameters() -> None:
    """Authorization and query are those of the configuration and the call."""
    pool = Pool((200, body({"items": [{"a": 1}]})))
    assert over(pool).items("/api/v1/pods", {"labelSelector": "a=b,c", "watch": False}) == [{"a": 1}]
    [(method, url, options)] = pool.asked
    assert (method, url) == ("GET", "https://127.0.0.1:6443/api/v1/pods?labelSelector=a%3Db%2Cc&watch=false")
    assert options["headers"]["authorization"] == "Bearer t"


def test_server_side_apply_finds_the_path_by_discovery() -> None:
    """Plural and scope come from the API itself, once for each group."""
    discovery = body({"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]})
    pool = Pool((200, discovery), (200, body({})), (200, body({})))
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    api = over(pool)
    api.apply(item)
    api.apply(item)
    methods = [(method, url.removeprefix(Configuration.host)) for method, url, _ in pool.asked]
    path = "/api/v1/namespaces/b/configmaps/a?fieldManager=sourceip&force=true"
    assert methods == [("GET", "/api/v1"), ("PATCH", path), ("PATCH", path)]
    assert pool.asked[1][2]["headers"]["Content-Type"] == client.APPLY


def test_an_unknown_kind_is_an_api_error() -> None:
    """Discovery that lacks the kind says which one."""
    pool = Pool((200, body({"resources": []})))
    with pytest.raises(errors.ApiError, match="no kind Widget in x/v1"):
        over(pool).path_of({"apiVersion": "x/v1", "kind": "Widget", "metadata": {"name": "a"}})
    assert pool.asked[0][1].endswith("/apis/x/v1")


def test_a_failure_speaks_kubernetes_own_words() -> None:
    """Code, reason and message are those of the Status object."""
    status = body({"kind": "Status", "reason": "Forbidden", "message": 'pods is forbidden: User "x"'})
    with pytest.raises(errors.ApiError) as caught:
        over(Pool((403, status))).get("/api/v1/pods")
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    assert "pods is forbidden" in caught.value.message


@pytest.mark.parametrize("data", [b"<html>", b"", b"[]", b'"no"', b"{}", b"\xff"])
def test_a_failure_without_a_status_is_still_an_api_error(data: bytes) -> None:
    """A proxy in the way answers in words of its own."""
    with pytest.raises(errors.ApiError, match="502"):
        over(Pool((502, data))).get("/api/v1/pods")


@pytest.mark.parametrize(
    "failure",
    [
        urllib3.exceptions.ProtocolError("gone"),
        urllib3.exceptions.LocationParseError("?"),
        urllib3.exceptions.SSLError("no"),
    ],
)
def test_no_error_of_the_library_gets_out(failure: Exception) -> None:
    """A connection that breaks is an ApiError with code 0."""
    with pytest.raises(errors.ApiError, match="0 Unreachable"):
        over(Pool(failure)).get("/api/v1/pods")


@pytest.mark.parametrize("data", [b"", b"[]", b"not json"])
def test_an_answer_that_is_no_object_is_an_api_error(data: bytes) -> None:
    """What can't be read is not read as empty."""
    with pytest.raises(errors.ApiError, match="Unreadable"):
        over(Pool((200, data))).get("/api/v1/pods")


def test_a_missing_object_is_none_and_other_failures_are_not() -> None:
    """Only NotFound means that there is no such object."""
    api = over(Pool((404, body({"reason": "NotFound", "message": "?"})), (500, b"")))
    assert api.find("/api/v1/pods/a") is None
    with pytest.raises(errors.ApiError):
        api.find("/api/v1/pods/a")


def test_deleting_what_is_gone_is_no_failure() -> None:
    """The wanted state is there."""
    over(Pool((404, body({"reason": "NotFound", "message": "?"})))).delete("/api/v1/pods/a")


def test_raw_bytes_are_left_alone() -> None:
    """A log that looks like JSON or is no UTF-8 comes as it is."""
    assert over(Pool((200, b'{"a": 1}\xff'))).raw("/log") == b'{"a": 1}\xff'


OURS = ("sip-1-echo", "sip-1-yaobank-customer")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/apis/operator.tigera.io/v1/installations/default"),
        ("POST", client.REVIEWS),
        ("PATCH", "/api/v1/namespaces/sip-1-echo"),
        ("DELETE", "/api/v1/namespaces/sip-1-echo"),
        ("PATCH", "/apis/apps/v1/namespaces/sip-1-yaobank-customer/deployments/customer"),
    ],
)
def test_a_confined_client_reads_and_changes_its_own(method: str, path: str) -> None:
    """What a run makes is in these namespaces, and asking for rights changes nothing."""
    assert client.may_confined(method, path, OURS)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/apis/operator.tigera.io/v1/installations/default"),
        ("PATCH", "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"),
        ("DELETE", "/api/v1/namespaces/sip-1-ech"),
        ("DELETE", "/api/v1/namespaces/sip-1-echoes"),
        ("POST", "/api/v1/namespaces"),
        ("DELETE", "/api/v1/nodes/sip-1-echo"),
    ],
)
def test_a_confined_client_sends_nothing_else(method: str, path: str) -> None:
    """Whatever the user's rights allow, the request does not leave."""
    pool = Pool()
    confined = over(pool)
    confined.confined = True
    confined.shape = shaping.Shape(prefix="sip-1-")
    assert not client.may_confined(method, path, confined.shape.namespaces())
    with pytest.raises(errors.ApiError, match="Confined"):
        confined._request(method, path, ())
    assert pool.asked == []
