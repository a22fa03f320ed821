"""``pods/log``: a container's output, as it was or as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from harness.lab.apiserver import options, statuses
from harness.lab.apiserver.serving import kubelets

Object = dict[str, Any]

_CHUNK = 1 << 16


def request_of(pod: Object, query: Mapping[str, str]) -> Object:
    """The kubelet's request for what the query asks for.

    Raises:
        Refusal: The query contradicts itself, or names no container that the pod has (400, 422).
    """
    numbers = {name: options.number(query, name) for name in ("tailLines", "sinceSeconds", "limitBytes")}
    _check(numbers, query)
    found: Object = {
        "op": "logs",
        "namespace": pod["metadata"]["namespace"],
        "pod": pod["metadata"]["name"],
        "container": kubelets.container_of(pod, query.get("container", "")),
        **{name: options.truth(query.get(name, "")) for name in ("follow", "timestamps", "previous")},
        **{name: value for name, value in numbers.items() if value is not None},
    }
    if query.get("sinceTime"):
        found["sinceTime"] = query["sinceTime"]
    return found


def _check(numbers: Mapping[str, int | None], query: Mapping[str, str]) -> None:
    causes = []
    least = {"tailLines": 0, "sinceSeconds": 1, "limitBytes": 1}
    for name, value in numbers.items():
        if value is not None and value < least[name]:
            detail = "must be greater than or equal to 0" if least[name] == 0 else "must be greater than 0"
            causes.append(statuses.invalid(name, str(value), detail))
    if query.get("sinceTime") and numbers["sinceSeconds"] is not None:
        causes.append(statuses.forbidden_field("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if causes:
        raise statuses.invalid_kind("", "PodLogOptions", "", causes)


async def answer(request: web.Request, folder: Path, pod: Object) -> web.StreamResponse:
    """Answer with the log; a pod that is on no node yet has none (204, as recorded).

    Raises:
        Refusal: The query is wrong, or the kubelet refuses.
    """
    asked = request_of(pod, request.query)
    node = pod["spec"].get("nodeName")
    if not node:
        return web.Response(status=204)
    connection = await kubelets.opened(folder, node, asked)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    try:
        await response.prepare(request)
        while chunk := await connection.reader.read(_CHUNK):
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        # The reader has gone: so has the need for an answer.
        return response
    finally:
        connection.close()
    return response
