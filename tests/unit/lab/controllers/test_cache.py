"""A mirror that believes its owner's writes."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab import api
from harness.lab.controllers import cache, paths


class WatchedByHand(cache.Cache):
    """A cache whose events the test hands in."""

    def event(self, kind: str, item: dict[str, Any]) -> None:
        """What a watch would have delivered."""
        self._take(paths.PODS, api.Event(type=kind, object=item))

    def versions(self) -> dict[str, str]:
        """The version of each pod in the copy."""
        return {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in self.items(paths.PODS)}


@pytest.fixture
def copy() -> WatchedByHand:
    """A cache that no server stands behind."""
    client = api.Api("https://127.0.0.1:1", token="", ca_file="", agent="test")
    return WatchedByHand(client, [paths.PODS])


def pod(version: int, uid: str = "a") -> dict[str, Any]:
    """A pod at a version."""
    return {"metadata": {"namespace": "test", "name": "app", "uid": uid, "resourceVersion": str(version)}}


def test_a_write_is_seen_before_the_watch_tells_of_it(copy: WatchedByHand) -> None:
    """Otherwise a controller would make a second pod."""
    copy.believe(paths.PODS, pod(5))
    assert copy.versions() == {"a": "5"}


def test_an_older_event_does_not_take_a_write_back(copy: WatchedByHand) -> None:
    """The watch runs behind; versions tell which is newer."""
    copy.believe(paths.PODS, pod(7))
    copy.event("MODIFIED", pod(5))
    assert copy.versions() == {"a": "7"}
    copy.event("MODIFIED", pod(9))
    assert copy.versions() == {"a": "9"}


def test_versions_are_compared_as_numbers(copy: WatchedByHand) -> None:
    """10 is newer than 9."""
    copy.believe(paths.PODS, pod(9))
    copy.event("MODIFIED", pod(10))
    assert copy.versions() == {"a": "10"}


def test_an_answer_does_not_revive_what_the_watch_saw_go(copy: WatchedByHand) -> None:
    """Created and deleted before the answer was read: a ghost would count as a replica forever."""
    copy.event("ADDED", pod(5))
    copy.event("DELETED", pod(6))
    copy.believe(paths.PODS, pod(5))
    assert copy.versions() == {}


def test_what_the_api_says_is_gone_stays_gone(copy: WatchedByHand) -> None:
    """Events of its life that come late are ignored."""
    copy.event("ADDED", pod(5))
    copy.forget(paths.PODS, "app", "test", "a")
    copy.event("MODIFIED", pod(6))
    assert copy.versions() == {}


def test_the_end_of_a_namesake_does_not_end_its_successor(copy: WatchedByHand) -> None:
    """Objects are known by uid, not by name."""
    copy.believe(paths.PODS, pod(9, uid="b"))
    copy.event("DELETED", pod(8, uid="a"))
    copy.forget(paths.PODS, "app", "test", "a")
    assert copy.versions() == {"b": "9"}


def test_a_bookmark_changes_nothing(copy: WatchedByHand) -> None:
    """It only tells how far the watch is."""
    copy.event("BOOKMARK", {"metadata": {"resourceVersion": "50"}})
    assert copy.versions() == {}
