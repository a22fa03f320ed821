"""The one client of the Kubernetes API that the harness has, over the ``kubernetes`` package.

Objects go in and out as the plain JSON that the API speaks, because the package's typed models drop fields that they
do not know and differ between its versions. Every failure is an ``ApiError``; nothing of the package or of the HTTP
library below it gets out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from harness.core import errors, timeouts
from harness.kube import shaping

log = logging.getLogger("harness.kube")

Object = shaping.Object
Params = Mapping[str, str | int | bool] | Sequence[tuple[str, str]]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
MANAGER = "sourceip"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
"""Where a user asks what the user may do; asking changes nothing."""


class Client:
    """One cluster's API. Safe to use from several threads.

    Attributes:
        shape: How our workloads look on this cluster, and what their namespaces are called.
        confined: Whether nothing outside these namespaces may be changed, whatever the user's rights allow.
    """

    shape = shaping.AS_WRITTEN
    confined = False

    def __init__(
        self,
        api_client: Any,  # noqa: ANN401 - the package has no types
        *,
        timeout_s: float = timeouts.DEFAULT.api_s,
        shape: shaping.Shape = shaping.AS_WRITTEN,
        confined: bool = False,
    ) -> None:
        """Use a ``kubernetes.client.ApiClient``; ``timeout_s`` bounds one request."""
        self.shape = shape
        self.confined = confined
        self._configuration = api_client.configuration
        self._pool = api_client.rest_client.pool_manager
        self._timeout_s = timeout_s
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def close(self) -> None:
        """Close the connections that are kept for further requests."""
        self._pool.clear()

    @property
    def configuration(self) -> Any:  # noqa: ANN401
        """The package's own configuration, for the WebSocket of ``exec``."""
        return self._configuration

    def url(self, path: str, params: Params = ()) -> str:
        """The whole address of an API path."""
        pairs = list(params.items()) if isinstance(params, Mapping) else list(params)
        query = urlencode([(name, _param(value)) for name, value in pairs])
        return f"{self._configuration.host}{path}" + (f"?{query}" if query else "")

    def authorization(self) -> dict[str, str]:
        """The headers that say who asks."""
        settings = self._configuration.auth_settings().values()
        return {setting["key"]: setting["value"] for setting in settings if setting["in"] == "header"}

    def get(self, path: str, params: Params = ()) -> Object:
        """One object, or a list; raises ApiError."""
        return self._json("GET", path, params)

    def find(self, path: str) -> Object | None:
        """One object, or None if there is none; raises ApiError for every other failure."""
        try:
            return self.get(path)
        except errors.ApiError as error:
            if error.code == 404:
                return None
            raise

    def items(self, path: str, params: Params = ()) -> list[Object]:
        """The objects of a collection; raises ApiError."""
        return list(self.get(path, params).get("items") or ())

    def patch(self, path: str, body: Mapping[str, Any], kind: str = MERGE) -> Object:
        """Change an object by a patch of that media type; raises ApiError."""
        return self._json("PATCH", path, {"fieldManager": MANAGER}, body=body, content_type=kind)

    def create(self, path: str, body: Mapping[str, Any]) -> Object:
        """Post an object to a collection and get the answer, as of a review; raises ApiError."""
        return self._json("POST", path, {"fieldManager": MANAGER}, body=body, content_type="application/json")

    def delete(self, path: str) -> None:
        """Delete an object; one that is already gone is no failure. Raises ApiError."""
        try:
            self._json("DELETE", path, {})
        except errors.ApiError as error:
            if error.code != 404:
                raise

    def apply(self, obj: Mapping[str, Any]) -> Object:
        """Server-side apply of one object, as this harness's own field manager; raises ApiError."""
        return self._json(
            "PATCH",
            self.path_of(obj),
            {"fieldManager": MANAGER, "force": True},
            body=obj,
            content_type=APPLY,
        )

    def path_of(self, obj: Mapping[str, Any]) -> str:
        """The API path of an object, found by discovery.

        Raises:
            ApiError: The API has no such kind (reason ``NotFound``).
        """
        version, kind = str(obj["apiVersion"]), str(obj["kind"])
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        plural, namespaced = self._resource(root, version, kind)
        meta = obj["metadata"]
        place = f"/namespaces/{quote(meta.get('namespace') or 'default')}" if namespaced else ""
        return f"{root}{place}/{plural}/{quote(meta['name'])}"

    def raw(self, path: str, params: Params = ()) -> bytes:
        """An answer as the bytes that came, such as a log; raises ApiError."""
        return self._request("GET", path, params)

    def _resource(self, root: str, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._resources:
            for item in self.get(root)["resources"]:
                if "/" not in item["name"]:
                    self._resources[version, item["kind"]] = (item["name"], bool(item["namespaced"]))
        try:
            return self._resources[version, kind]
        except KeyError as error:
            raise errors.ApiError(404, "NotFound", f"the API has no kind {kind} in {version}") from error

    def _json(
        self,
        method: str,
        path: str,
        params: Params,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "",
    ) -> Object:
        data = self._request(method, path, params, body=body, content_type=content_type)
        try:
            found = json.loads(data)
        except ValueError as error:
            raise errors.ApiError(0, "Unreadable", f"{method} {path}: no JSON: {data[:200]!r}") from error
        if not isinstance(found, dict):
            raise errors.ApiError(0, "Unreadable", f"{method} {path}: no object: {data[:200]!r}")
        return found

    def _request(
        self,
        method: str,
        path: str,
        params: Params,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "",
    ) -> bytes:
        import urllib3

        if self.confined and not may_confined(method, path, self.shape.namespaces()):
            raise errors.ApiError(0, "Confined", f"{method} {path}: this run may change nothing but its own namespaces")
        headers = {"Accept": "application/json, */*", **self.authorization()}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            answer = self._pool.request(
                method,
                self.url(path, params),
                body=json.dumps(body).encode() if body is not None else None,
                headers=headers,
                timeout=self._timeout_s,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise errors.ApiError(0, "Unreachable", f"{method} {path}: {error}") from error
        log.debug("%s %s: %s", method, path, answer.status)
        if answer.status >= 400:
            raise failure(answer.status, answer.data)
        return bytes(answer.data)


def may_confined(method: str, path: str, own: Sequence[str]) -> bool:
    """Whether a request reads, asks for a review, or changes one of these namespaces or something in it. Pure."""
    if method == "GET" or path == REVIEWS:
        return True
    _, found, rest = path.partition("/namespaces/")
    return bool(found) and unquote(rest.partition("/")[0]) in own


def connect(
    kubeconfig: Path,
    context: str | None = None,
    shape: shaping.Shape = shaping.AS_WRITTEN,
    *,
    confined: bool = False,
) -> Client:
    """A client for a kubeconfig's cluster, on which our workloads have that shape.

    ``confined`` lets it change nothing but the namespaces of that shape.

    Raises:
        UsageError: There is no such file or context, or it can't be read.
    """
    import kubernetes.config
    import yaml

    try:
        # The package's functions carry no types.
        load: Any = kubernetes.config.new_client_from_config
        api_client = load(config_file=str(kubeconfig), context=context, persist_config=False)
    except (kubernetes.config.ConfigException, OSError, yaml.YAMLError) as error:
        raise errors.UsageError(f"{kubeconfig}: {error}") from error
    return Client(api_client, shape=shape, confined=confined)


def failure(code: int, data: bytes) -> errors.ApiError:
    """The error that an answer of failure stands for, in Kubernetes' own words where it has any."""
    try:
        status = json.loads(data)
        return errors.ApiError(code, str(status.get("reason") or "Unknown"), str(status["message"]))
    except (ValueError, KeyError, AttributeError, TypeError):
        return errors.ApiError(code, "Unknown", data[:500].decode(errors="backslashreplace"))


def _param(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
