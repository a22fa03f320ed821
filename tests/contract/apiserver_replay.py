"""Replays recorded requests against the lab's API server, and says where its answers differ.

Names that a server makes up, times, versions and uids are replaced by placeholders on both sides; everything else is
compared value by value.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

Json = Any

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
_AGE = re.compile(r"^(\d+[smhd]){1,2}$")
_MADE_UP = (
    (re.compile(r"\bgen-[a-z0-9]{5}\b"), "gen-?????"),
    (re.compile(r"\bkube-api-access-[a-z0-9]{5}\b"), "kube-api-access-?????"),
    (re.compile(r"\b10\.96\.\d+\.\d+\b"), "10.96.?.?"),
    (re.compile(r"\?hash=[0-9A-F]{128}"), "?hash=?"),
    (re.compile(r"^\d+\.\d+\.\d+\.\d+:\d+$"), "?address:port"),
)
_PLACEHOLDERS = {"uid": "?uid", "resourceVersion": "?version"}


def normal(value: Json) -> Json:
    """A value with placeholders for what differs from server to server."""
    if isinstance(value, dict):
        return {
            key: _PLACEHOLDERS[key] if key in _PLACEHOLDERS and isinstance(item, str) else normal_field(key, item)
            for key, item in value.items()
            # The recordings leave it out.
            if key != "managedFields"
        }
    if isinstance(value, list):
        return [normal(item) for item in value]
    return normal_text(value) if isinstance(value, str) else value


def normal_field(key: str, value: Json) -> Json:
    """A field's value; ``continue`` tokens are opened, their version replaced."""
    if key != "continue" or not isinstance(value, str):
        return normal(value)
    try:
        token = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    except (ValueError, binascii.Error):
        return value
    return token | {"rv": "?version"}


def normal_text(text: str) -> str:
    """A text; a time or an age is replaced whole, made-up names inside."""
    if _TIME.match(text):
        return "?time"
    if _AGE.match(text):
        return "?age"
    for pattern, placeholder in _MADE_UP:
        text = pattern.sub(placeholder, text)
    return text


def differences(want: Json, got: Json, path: str = "") -> Iterator[str]:
    """Where two normal values differ: a path and both values, one line each."""
    if isinstance(want, dict) and isinstance(got, dict):
        for key in [*want, *(key for key in got if key not in want)]:
            yield from differences(want.get(key, "(absent)"), got.get(key, "(absent)"), f"{path}.{key}")
    elif isinstance(want, list) and isinstance(got, list):
        for number in range(max(len(want), len(got))):
            both = [side[number] if number < len(side) else "(absent)" for side in (want, got)]
            yield from differences(both[0], both[1], f"{path}[{_label(want, got, number)}]")
    elif want != got:
        yield f"{path}: recorded {_short(want)}, here {_short(got)}"


def _label(want: list[Json], got: list[Json], number: int) -> str:
    item = (want if number < len(want) else got)[number]
    name = item.get("name") or item.get("resource") if isinstance(item, dict) else None
    return str(name or number)


def _short(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) < 160 else text[:157] + "..."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request was answered with.

    Attributes:
        status: The HTTP status.
        headers: The headers that the recording keeps.
        body: Parsed JSON, a list of a watch's events, or text.
    """

    status: int
    headers: dict[str, str]
    body: Json

    @classmethod
    def recorded(cls, entry: Json) -> Answer:
        """The answer of a recorded request."""
        return cls(status=entry["status"], headers=entry["headers"], body=entry["response"])

    def differences(self, got: Answer) -> list[str]:
        """Where another answer differs from this one."""
        want = {"status": self.status, "headers": self.headers, "body": normal(_by_name(self.body))}
        have = {"status": got.status, "headers": got.headers, "body": normal(_by_name(got.body))}
        return [line[1:] for line in differences(want, have)]


def _by_name(body: Json) -> Json:
    """Lists of discovery have no order that counts: they are compared by name."""
    if not isinstance(body, dict):
        return body
    body = dict(body)
    for key in ("resources", "groups"):
        if isinstance(body.get(key), list):
            body[key] = {item["name"]: item for item in body[key]}
    if body.get("kind") == "APIGroupDiscoveryList":
        body["items"] = [_discovered(item) for item in body["items"]]
    return body


def _discovered(group: Json) -> Json:
    versions = []
    for version in group["versions"]:
        rows = {
            row["resource"]: row | {"subresources": {item["subresource"]: item for item in row.get("subresources", [])}}
            for row in version["resources"]
        }
        versions.append(version | {"resources": rows})
    return group | {"versions": versions}


class Player:
    """Sends recorded requests to a server."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base
        self.version = ""
        """The resourceVersion of the last list, for the watch that starts there."""

    async def play(self, request: Json, *, events: int = 0) -> Answer:
        """Send one request; of a watch, read so many events."""
        body = request.get("body")
        data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        headers = {"Accept": request["accept"]}
        if "content_type" in request:
            headers["Content-Type"] = request["content_type"]
        async with self._session.request(
            request["method"],
            self._base + request["path"],
            data=data,
            headers=headers,
            skip_auto_headers=["User-Agent"],
        ) as answer:
            kept = {name: answer.headers[name] for name in ("Content-Type", "Warning") if name in answer.headers}
            return Answer(status=answer.status, headers=kept, body=await self._body(answer, events))

    async def _body(self, answer: aiohttp.ClientResponse, events: int) -> Json:
        if events:
            return [json.loads(await answer.content.readline()) for _ in range(events)]
        text = await answer.text()
        try:
            value = json.loads(text)
        except ValueError:
            return text
        if isinstance(value, dict) and str(value.get("kind", "")).endswith("List"):
            self.version = value.get("metadata", {}).get("resourceVersion", self.version)
        return value

    async def call(self, method: str, path: str, body: Json = None, content: str = "application/json") -> Json:
        """Send a request that no client recorded: what other programs of a cluster do meanwhile."""
        request = {"method": method, "path": path, "accept": "application/json"}
        if body is not None:
            request |= {"body": body, "content_type": content}
        answer = await self.play(request)
        if answer.status >= 400:
            raise AssertionError(f"{method} {path}: {answer.body}")
        return answer.body
