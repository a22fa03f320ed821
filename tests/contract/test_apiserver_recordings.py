"""The lab's API server answers the requests that a real one was recorded with as recorded."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from harness.lab.apiserver.serving import application
from tests import recordings
from tests.contract import apiserver_meanwhile as meanwhile
from tests.contract import apiserver_replay as replay

Json = Any

_TOKEN = "a-token"


async def replayed(folder: Path) -> dict[str, list[str]]:
    """Replay every recorded request, in order; the differences of each by its name."""
    (folder / "tokens.csv").write_text(f'{_TOKEN},kubernetes-admin,1,"system:masters"\n')
    entries = [json.loads(line) for line in (recordings.path() / "apiserver.jsonl").read_text().splitlines()]
    recorded = {entry["name"]: entry for entry in entries}
    found: dict[str, list[str]] = {}
    async with (
        TestServer(application.server(folder).application()) as server,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {_TOKEN}"}) as session,
    ):
        player = replay.Player(session, str(server.make_url("")).rstrip("/"))
        for entry in entries:
            if entry["name"] in meanwhile.BEFORE:
                await meanwhile.BEFORE[entry["name"]](player, recorded)
            found[entry["name"]] = await _differences(player, entry)
    return {name: lines for name, lines in found.items() if lines}


async def _differences(player: replay.Player, entry: Json) -> list[str]:
    watches = "watch=true" in entry["request"]["path"]
    request = entry["request"]
    # The watch starts at the version of the list before it, which is another number here.
    request = request | {"path": request["path"].replace("resourceVersion=835", f"resourceVersion={player.version}")}
    answer = await player.play(request, events=len(entry["response"]) if watches else 0)
    return replay.Answer.recorded(entry).differences(answer)


_NO_SUCH_KIND = "the lab does not have this kind"
_NO_SUCH_PART = "the lab does not have this part of the kind, and refuses it"
_CALICO = "the lab has Calico, the recorded cluster has not"
_VERSIONS_ONLY = "the lab describes the groups that it has, and of them only the versions"
_PROGRAMS = "the recorded cluster runs programs that the lab has not: CoreDNS, etcd, a storage provisioner"
_ROLES = "the lab has no roles that it could name: who has a token may do everything"

_ABSENT = r': .*here "\(absent\)"'
_TOO_MANY = r': recorded "\(absent\)"'
_GROUPS = "apps|events|authorization|coordination|discovery"

DIFFERENCES: dict[str, dict[str, str]] = {
    "groups": {
        rf"body\.groups\.(?!({_GROUPS})\b)\S+{_ABSENT}": _NO_SUCH_KIND,
        rf"body\.groups\.(crd\.projectcalico\.org|operator\.tigera\.io){_TOO_MANY}": _CALICO,
    },
    "aggregated core": {
        rf"body\.items\[0\]\.versions\[0\]\.resources\.[a-z]+{_ABSENT}": _NO_SUCH_KIND,
        rf"body\.items\[0\]\.versions\[0\]\.resources\.[a-z]+\.subresources\.[a-z]+{_ABSENT}": _NO_SUCH_PART,
    },
    "resources /api/v1": {
        rf"body\.resources\.[a-z]+{_ABSENT}": _NO_SUCH_KIND,
        rf"body\.resources\.[a-z]+/[a-z]+{_ABSENT}": _NO_SUCH_PART,
    },
    "resources /apis/apps/v1": {rf"body\.resources\.statefulsets(/\w+)?{_ABSENT}": _NO_SUCH_KIND},
    "openapi v3 index": {
        rf"body\.paths\.[^:]+{_ABSENT}": _VERSIONS_ONLY,
        rf"body\.paths\.apis/(crd\.projectcalico\.org|operator\.tigera\.io)/v1{_TOO_MANY}": _CALICO,
    },
    "all pods table": {r"body\.rows\[\d+\]": _PROGRAMS},
    "self subject access review": {rf"body\.status\.reason{_ABSENT}": _ROLES},
}
"""What remains, by request: a pattern of the difference, and its reason."""


def test_recorded_requests_are_answered_as_recorded(tmp_path: Path) -> None:
    """Every difference from the recorded answers is listed, and every listed one still occurs."""
    found = asyncio.run(replayed(tmp_path))
    unlisted = {
        name: left for name, lines in found.items() if (left := [line for line in lines if not _listed(name, line)])
    }
    assert unlisted == {}
    outlived = [
        (name, pattern)
        for name, patterns in DIFFERENCES.items()
        for pattern in patterns
        if not any(re.match(pattern, line) for line in found.get(name, []))
    ]
    assert outlived == []


def _listed(name: str, line: str) -> bool:
    return any(re.match(pattern, line) for pattern in DIFFERENCES.get(name, {}))


def test_a_wrong_answer_is_seen() -> None:
    """The comparison sees another status, another header, another value, and one that is missing or too many."""
    want = replay.Answer(status=200, headers={"Content-Type": "a"}, body={"a": [1, 2], "b": "x"})
    got = replay.Answer(status=201, headers={}, body={"a": [1], "c": 1, "b": "y"})
    assert [line.split(":")[0] for line in want.differences(got)] == [
        "status", "headers.Content-Type", "body.a[1]", "body.b", "body.c",
    ]  # fmt: skip
