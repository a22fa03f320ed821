"""The server's one handler: who asks, what for, and the answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from harness.lab.apiserver import decoding, operations, options, registry, statuses, store
from harness.lab.apiserver.serving import (
    authentication,
    authorization,
    discovery,
    execution,
    logs,
    negotiation,
    openapi,
    rendering,
    targets,
    verbs,
    watching,
)

log = logging.getLogger("harness.lab.apiserver")

Object = dict[str, Any]
Json = Any

_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})
MOST_BODY = 3 << 20
"""kube-apiserver takes three mebibytes a request."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the server is started with.

    Attributes:
        folder: The lab's state directory: where the kubelets' sockets are.
        tokens: Who may ask.
        rules: What some of them may ask for; the others may do everything.
    """

    folder: Path
    tokens: authentication.Tokens
    rules: authorization.Rules


class Server:
    """The HTTP side of one store."""

    def __init__(self, settings: Settings, api: operations.Operations) -> None:
        self._settings = settings
        self._api = api
        self._verbs = verbs.Verbs(api, settings.rules)
        self._stopping = asyncio.Event()

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=MOST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_shutdown.append(self._stop)
        return app

    async def _stop(self, _app: web.Application) -> None:
        self._stopping.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except web.HTTPRequestEntityTooLarge:
            return _refused(statuses.too_large(MOST_BODY))
        except statuses.Refusal as refusal:
            return _refused(refusal)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        if path not in authentication.OPEN_PATHS and path.rpartition("/")[0] not in _HEALTH:
            user = self._settings.tokens.user(request.headers.get("Authorization", ""))
            request[authorization.USER] = user
            log.debug("%s %s by %s", request.method, request.rel_url, user.name)
        fixed = self._fixed(request, path)
        if fixed is not None:
            return fixed
        target = targets.parsed(path)
        if target is None:
            return web.Response(status=404, text="404 page not found\n")
        self._settings.rules.check(request[authorization.USER], request, target, lambda: self._is_there(target))
        return await self._resource(request, target)

    def _is_there(self, target: targets.Target) -> bool:
        key = (target.namespace, target.name)
        return self._api.store.get(target.resource.storage, key) is not None

    def _fixed(self, request: web.Request, path: str) -> web.Response | None:
        """Paths that name no objects: health, version, discovery, schemas."""
        if path in _HEALTH or path.rpartition("/")[0] in _HEALTH:
            return web.Response(text="ok")
        if path == "/version":
            return _json(discovery.VERSION)
        if path.startswith("/openapi/"):
            return _openapi(path, request.headers.get("Accept", ""))
        return _discovered(request, path)

    async def _resource(self, request: web.Request, target: targets.Target) -> web.StreamResponse:
        if target.subresource in ("log", "exec"):
            return await self._stream(request, target)
        wants_watch = options.truth(request.query.get("watch", ""))
        if request.method == "GET" and wants_watch and not target.subresource:
            return await self._watch(request, target)
        return await self._verbs.answer(request, target)

    async def _stream(self, request: web.Request, target: targets.Target) -> web.StreamResponse:
        methods = ("GET",) if target.subresource == "log" else ("GET", "POST")
        if request.method not in methods:
            raise statuses.method_not_allowed()
        pod = self._api.get(target.resource, target.namespace, target.name)
        answer: Callable[[web.Request, Path, Object], Awaitable[web.StreamResponse]] = (
            logs.answer if target.subresource == "log" else execution.answer
        )
        return await answer(request, self._settings.folder, pod)

    async def _watch(self, request: web.Request, target: targets.Target) -> web.StreamResponse:
        if "watch" not in target.resource.verbs:
            raise statuses.method_not_allowed(target.resource)
        form = negotiation.chosen(request.headers.get("Accept", ""))
        wanted = options.listing(request.query)
        watch = watching.Watch(
            self._api.store,
            target.resource,
            (target.namespace, target.name),
            wanted,
            form,
            request.query,
            self._stopping,
        )
        response = web.StreamResponse(headers={"Content-Type": decoding.JSON})
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            async for line in watch.lines():
                await response.write(line)
            await response.write_eof()
        except ConnectionError:
            log.debug("the watcher of %s has gone", request.path)
        return response


def _refused(refusal: statuses.Refusal) -> web.Response:
    body = rendering.encoded(refusal.status(), negotiation.Form())
    return web.Response(status=refusal.code, body=body, headers={"Content-Type": decoding.JSON, **refusal.headers})


def _json(value: Json, content_type: str = decoding.JSON) -> web.Response:
    return web.Response(body=rendering.encoded(value, negotiation.Form()), headers={"Content-Type": content_type})


def _openapi(path: str, accept: str) -> web.Response:
    if path == "/openapi/v2":
        if "protobuf" in accept:
            return web.Response(body=openapi.OLD_BINARY, headers={"Content-Type": openapi.OLD_BINARY_TYPE})
        return _json(openapi.old())
    if path == "/openapi/v3":
        # The recorded server says text/plain of this one document.
        return _json(openapi.index(), "text/plain; charset=utf-8")
    try:
        return web.Response(
            body=json.dumps(openapi.document(path.removeprefix("/openapi/v3/"))).encode(),
            headers={"Content-Type": decoding.JSON},
        )
    except LookupError:
        return web.Response(status=404, text="404 page not found\n")


def _discovered(request: web.Request, path: str) -> web.Response | None:
    accept = request.headers.get("Accept", "")
    parts = path.strip("/").split("/")
    if path in ("/api", "/apis"):
        version = discovery.aggregated_version(accept)
        if version:
            names = ("",) if path == "/api" else registry.GROUPS
            return _json(discovery.aggregated(names, version), discovery.AGGREGATED.format(version=version))
        return _json(discovery.versions(request.host) if path == "/api" else discovery.groups())
    if path == "/api/v1":
        return _json(discovery.resources(""))
    if parts[0] == "apis" and parts[1] in registry.GROUPS and len(parts) == 2:
        return _json(discovery.group(parts[1]))
    if parts[0] == "apis" and parts[1] in registry.GROUPS and len(parts) == 3 and parts[2] == "v1":
        return _json(discovery.resources(parts[1]))
    return None


def server(folder: Path, *, objects: store.Store | None = None) -> Server:
    """A server for a lab's state directory.

    Raises:
        ParseError: There is no token file, or what restricts users can't be read.
    """
    rules = authorization.Rules.read(folder / "rbac.json")
    settings = Settings(folder=folder, tokens=authentication.Tokens.read(folder / "tokens.csv"), rules=rules)
    return Server(settings, operations.Operations(objects or store.Store()))
