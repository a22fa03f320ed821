"""GET, POST, PUT, PATCH and DELETE on objects and collections."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from harness.lab.apiserver import decoding, events, metadata, operations, options, patching, registry, scaling, statuses
from harness.lab.apiserver.serving import authorization, negotiation, rendering, targets

Object = dict[str, Any]

_OLD_ENDPOINTS = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


class Verbs:
    """The verbs on one API."""

    def __init__(self, api: operations.Operations, rules: authorization.Rules) -> None:
        self._api = api
        self._rules = rules

    async def answer(self, request: web.Request, target: targets.Target) -> web.Response:
        """Answer a request that has one answer.

        Raises:
            Refusal: It is not answered with what it asks for.
        """
        answer = await self._answered(request, target)
        if target.resource.kind == "Endpoints":
            answer.headers.add("Warning", _OLD_ENDPOINTS)
        return answer

    async def _answered(self, request: web.Request, target: targets.Target) -> web.Response:
        _check_verb(request.method, target)
        form = negotiation.chosen(request.headers.get("Accept", ""))
        if request.method == "GET":
            return self._read(request, target, form)
        if request.method == "DELETE":
            return await self._delete(request, target, form)
        return await self._write(request, target, form)

    def _read(self, request: web.Request, target: targets.Target, form: negotiation.Form) -> web.Response:
        if not target.name:
            page = self._api.list(target.resource, target.namespace, options.listing(request.query))
            return _answer(request, rendering.many(page, target.resource, form, request.query), form)
        found = self._api.get(target.resource, target.namespace, target.name)
        if target.subresource == "scale":
            return _answer(request, scaling.scale_of(found), form)
        return _answer(request, rendering.one(found, target.resource, form, request.query), form)

    async def _write(self, request: web.Request, target: targets.Target, form: negotiation.Form) -> web.Response:
        body = await request.read()
        wanted = options.write(
            request.query,
            request.query.getall("dryRun", []),
            kind=_OPTIONS[request.method],
            agent=request.headers.get("User-Agent", ""),
        )
        warnings = options.Warnings()
        if target.resource.kind == "SelfSubjectAccessReview":
            return _answer(request, self._review(body, request, target, wanted, warnings), form, 201, warnings)
        if target.subresource == "binding":
            return _answer(request, self._bind(body, request, target, wanted, warnings), form, 201, warnings)
        if target.subresource == "scale":
            return _answer(request, self._scale(body, request, target, wanted, warnings), form, 200, warnings)
        item, made = self._change(body, request, target, wanted, warnings)
        shown = rendering.one(item, target.resource, form, request.query)
        if wanted.dry_run and made:
            shown = _unversioned(shown)
        return _answer(request, shown, form, 201 if made else 200, warnings)

    def _change(
        self,
        body: bytes,
        request: web.Request,
        target: targets.Target,
        wanted: options.Write,
        warnings: options.Warnings,
    ) -> tuple[Object, bool]:
        resource, content = target.resource, request.headers.get("Content-Type", "")
        if request.method == "PATCH":
            patch = patching.parsed(body, content, resource)
            if patch.kind == "apply":
                patching.check_manager(request.query.get("fieldManager", ""))
            if resource.stored_as is not None:
                return self._patch_in_another_form(patch, target, wanted, warnings), False
            return self._api.patch(resource, target.namespace, target.name, patch, wanted, warnings, target.subresource)
        given = events.stored(decoding.body_object(body, content, resource), resource)
        resource = _stored_resource(resource)
        if request.method == "POST":
            return self._api.create(resource, target.namespace, given, wanted, warnings), True
        return self._api.update(resource, target.namespace, target.name, given, wanted, warnings, target.subresource)

    def _patch_in_another_form(
        self, patch: patching.Patch, target: targets.Target, wanted: options.Write, warnings: options.Warnings
    ) -> Object:
        """Change an object that another group's resource stores."""
        resource = target.resource

        def changed(old: Object) -> Object:
            raw = patch.applied_to(events.shown(old, resource), resource)
            return events.stored(patching.decoded(raw, patch, resource, wanted, warnings), resource)

        stored = _stored_resource(resource)
        return self._api.change(stored, target.namespace, target.name, changed, wanted, warnings)

    def _review(
        self,
        body: bytes,
        request: web.Request,
        target: targets.Target,
        wanted: options.Write,
        warnings: options.Warnings,
    ) -> Object:
        """What the asker may do, whatever there is of it."""
        given = decoding.body_object(body, request.headers.get("Content-Type", ""), target.resource)
        item = operations.decoded(given, target.resource, wanted, warnings)
        item.setdefault("metadata", {})
        item["status"] = {"allowed": self._rules.allow(request[authorization.USER], authorization.reviewed(item))}
        return rendering.ordered(item, target.resource)

    def _bind(
        self,
        body: bytes,
        request: web.Request,
        target: targets.Target,
        wanted: options.Write,
        warnings: options.Warnings,
    ) -> Object:
        """Put a pod on a node, as a scheduler does."""
        given = decoding.struct(body, request.headers.get("Content-Type", ""), "V1Binding", "Binding")
        node = (given.get("target") or {}).get("name", "")
        if not node:
            raise statuses.invalid_kind("", "Binding", target.name, [statuses.required("target.name")])

        def bound(pod: Object) -> Object:
            if pod["spec"].get("nodeName"):
                why = f'pod {target.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
                raise statuses.conflict(_BINDINGS, target.name, why)
            pod["spec"]["nodeName"] = node
            _set_scheduled(pod, metadata.timestamp(self._api.clock()))
            return pod

        self._api.change(target.resource, target.namespace, target.name, bound, wanted, warnings, "binding")
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def _scale(
        self,
        body: bytes,
        request: web.Request,
        target: targets.Target,
        wanted: options.Write,
        warnings: options.Warnings,
    ) -> Object:
        current = scaling.scale_of(self._api.get(target.resource, target.namespace, target.name))
        content = request.headers.get("Content-Type", "")
        if request.method == "PATCH":
            scale = patching.parsed(body, content, target.resource).applied_to(current, target.resource)
        else:
            scale = decoding.struct(body, content, "V1Scale", "Scale")
        replicas = scaling.replicas_of(scale, target.name)
        version = (scale.get("metadata") or {}).get("resourceVersion", "")

        def scaled(item: Object) -> Object:
            item["spec"]["replicas"] = replicas
            item["metadata"]["resourceVersion"] = version
            return item

        return scaling.scale_of(
            self._api.change(target.resource, target.namespace, target.name, scaled, wanted, warnings, "scale")
        )

    async def _delete(self, request: web.Request, target: targets.Target, form: negotiation.Form) -> web.Response:
        wanted = await _delete_options(request)
        resource = target.resource
        if not target.name:
            return self._delete_all(request, target, form, wanted)
        item, gone = self._api.deleter.delete(resource, target.namespace, target.name, wanted)
        if gone and not resource.returns_deleted:
            return _answer(request, statuses.success(resource, target.name, item["metadata"]["uid"]), form)
        return _answer(request, rendering.one(item, resource, form, request.query), form)

    def _delete_all(
        self, request: web.Request, target: targets.Target, form: negotiation.Form, wanted: options.Delete
    ) -> web.Response:
        page = self._api.list(target.resource, target.namespace, options.listing(request.query))
        for item in page.items:
            meta = item["metadata"]
            self._api.deleter.delete(target.resource, meta.get("namespace", ""), meta["name"], wanted)
        return _answer(request, rendering.many(page, target.resource, form, request.query), form)


_BINDINGS = registry.Resource(plural="pods/binding", kind="Binding", schema="V1Binding")


def _set_scheduled(pod: Object, now: str) -> None:
    conditions = [item for item in pod["status"].get("conditions") or [] if item["type"] != "PodScheduled"]
    generation = pod["metadata"].get("generation", 1)
    scheduled = {"type": "PodScheduled", "observedGeneration": generation, "status": "True", "lastTransitionTime": now}
    pod["status"]["conditions"] = [*conditions, scheduled]


def _stored_resource(resource: registry.Resource) -> registry.Resource:
    if resource.stored_as is None:
        return resource
    found = registry.find(resource.stored_as[0], "v1", resource.stored_as[1])
    return found or resource


def _check_verb(method: str, target: targets.Target) -> None:
    verb = _VERBS.get(method)
    resource = target.resource
    if target.subresource:
        row = resource.subresource(target.subresource)
        allowed: Sequence[str] = row.verbs if row else ()
    elif target.name:
        allowed = [one for one in resource.verbs if one in ("get", "update", "patch", "delete")]
    else:
        allowed = [{"list": "get", "deletecollection": "delete"}.get(one, one) for one in resource.verbs
                   if one in ("list", "create", "deletecollection")]  # fmt: skip
        if resource.namespaced and not target.namespace:
            allowed = [one for one in allowed if one == "get"]
    if verb not in allowed:
        raise statuses.method_not_allowed()


async def _delete_options(request: web.Request) -> options.Delete:
    body = await request.read()
    content = request.headers.get("Content-Type", "")
    found = decoding.struct(body, content, "V1DeleteOptions", "DeleteOptions") if body else {}
    return options.delete(request.query, request.query.getall("dryRun", []), found)


def _unversioned(shown: Object) -> Object:
    """What a dry run would have made has no version."""
    shown = copy.copy(shown)
    shown["metadata"] = {key: value for key, value in shown["metadata"].items() if key != "resourceVersion"}
    return shown


def _answer(
    request: web.Request,
    value: Object,
    form: negotiation.Form,
    code: int = 200,
    warnings: options.Warnings | None = None,
) -> web.Response:
    pretty = options.truth(request.query.get("pretty", ""))
    response = web.Response(
        status=code, body=rendering.encoded(value, form, pretty=pretty), headers={"Content-Type": form.content_type}
    )
    for text in dict.fromkeys(warnings.texts if warnings else ()):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response
