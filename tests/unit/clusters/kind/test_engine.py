"""The engine below kind: which words it is given, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.clusters.kind import engine, images
from harness.core import errors, process

DOCKER = engine.Engine(program="docker", network="kind")
PODMAN = engine.Engine(program="podman", network="kind")


class Programs:
    """Answers for programs; it refuses what it does not know, and remembers what it was asked."""

    def __init__(self, answers: dict[tuple[str, ...], tuple[int, str]]) -> None:
        """Answers by the words of a command, the program first."""
        self.answers = answers
        self.asked: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], *, check: bool = True, **_: object) -> process.Completed:
        """As ``process.run``."""
        words = tuple(argv)
        self.asked.append(words)
        code, out = self.answers[words]
        if check and code != 0:
            raise errors.CommandError(words, code, "", out)
        return process.Completed(argv=words, returncode=code, stdout=out.encode(), stderr=b"")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    """No engine is started: these answers are given."""
    found = Programs({})
    monkeypatch.setattr(process, "run", found.run)
    return found


def _image(**fields: Any) -> tuple[int, str]:  # noqa: ANN401
    return 0, json.dumps([{"Os": "linux", "Architecture": "arm64", **fields}])


def test_one_platform_is_saved_where_the_engine_can(programs: Programs) -> None:
    """Docker's containerd image store would name platforms whose contents it does not have."""
    saved = ("docker", "save", "--platform", "linux/arm64", "--output", "a.tar", "x:1")
    programs.answers = {("docker", "image", "inspect", "x:1"): _image(), saved: (0, "")}
    DOCKER.save("x:1", Path("a.tar"))
    assert programs.asked[-1] == saved


def test_an_engine_without_that_option_saves_all_the_same(programs: Programs) -> None:
    """Podman and an older Docker refuse the option; then it is left out, and a failure without it is told."""
    plain = ("podman", "save", "--output", "a.tar", "x:1")
    programs.answers = {
        ("podman", "image", "inspect", "x:1"): _image(),
        ("podman", "save", "--platform", "linux/arm64", *plain[2:]): (125, "unknown flag: --platform"),
        plain: (0, ""),
    }
    PODMAN.save("x:1", Path("a.tar"))
    assert programs.asked[-1] == plain
    programs.answers[plain] = (125, "no space left on device")
    with pytest.raises(errors.CommandError, match="no space left"):
        PODMAN.save("x:1", Path("a.tar"))


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (["localhost/sourceip/tools:1"], "localhost/sourceip/tools:1"),
        (["other:2", "docker.io/sourceip/tools:1"], "docker.io/sourceip/tools:1"),
        (["sourceip/tools:1"], "sourceip/tools:1"),
        ([], "sourceip/tools:1"),
        (None, "sourceip/tools:1"),
    ],
)
def test_an_image_has_the_name_that_its_archive_gives_it(programs: Programs, tags: list[str] | None, name: str) -> None:
    """A pod that asks for a short name would never find what Podman calls ``localhost/…``."""
    programs.answers = {("podman", "image", "inspect", "sourceip/tools:1"): _image(RepoTags=tags)}
    assert PODMAN.name("sourceip/tools:1") == name
    assert images.ensure(PODMAN, "sourceip/tools:1", ()) == name


def test_no_image_has_no_name(programs: Programs) -> None:
    """And a tools image that is nowhere is told in one line."""
    programs.answers = {("docker", "image", "inspect", "x:1"): (1, "[]")}
    assert DOCKER.name("x:1") is None
    with pytest.raises(errors.CapabilityMissing, match="x:1"):
        images.ensure(DOCKER, "x:1", ())
