"""Objects, versions, history; and lists of them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab.apiserver import listing, options, statuses, store
from tests.unit.lab.apiserver import cluster

Json = Any

KIND = ("", "configmaps")


def _item(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n"}, "data": data}


def test_each_write_has_a_version_of_its_own() -> None:
    """One counter for all kinds, a deletion included."""
    objects = store.Store()
    objects.put(KIND, ("n", "a"), _item("a"))
    objects.put(KIND, ("n", "b"), _item("b"))
    gone = objects.remove(KIND, ("n", "a"))
    assert [item["metadata"]["resourceVersion"] for item in (*objects.items(KIND), gone)] == ["3", "4"]


def test_history_replays_what_came_after_a_version() -> None:
    """Additions, changes and deletions, of that kind only."""
    objects = store.Store()
    objects.put(KIND, ("n", "a"), _item("a"))
    start = objects.version
    objects.put(KIND, ("n", "a"), _item("a", k="v"))
    objects.put(("", "secrets"), ("n", "a"), _item("a"))
    objects.remove(KIND, ("n", "a"))
    assert [(change.before is not None, change.after is not None) for change in objects.since(start, KIND)] == [
        (True, True), (True, False),
    ]  # fmt: skip


def test_history_that_is_forgotten_is_not_made_up() -> None:
    """A version before what is remembered is refused; the oldest that is known is not."""
    objects = store.Store(history=2)
    for name in "abc":
        objects.put(KIND, ("n", name), _item(name))
    with pytest.raises(store.TooOld):
        objects.since(1, KIND)
    assert len(objects.since(2, KIND)) == 2


def test_versions_share_what_they_have_in_common() -> None:
    """The history holds each part once, and every version is still what was put."""
    objects = store.Store()
    first: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"a": [{"b": 1}]}, "list": [{"x": {"y": 1}}, 2]}
    second = {"metadata": {"name": "a"}, "spec": {"a": [{"b": 1}]}, "list": [{"x": {"y": 1}}, 3, 4]}
    objects.put(KIND, ("n", "a"), first)
    kept = objects.put(KIND, ("n", "a"), second)
    assert kept["spec"] is first["spec"]
    assert kept["list"] == [{"x": {"y": 1}}, 3, 4]
    assert kept["list"][0] is first["list"][0]
    assert [item["metadata"]["resourceVersion"] for item in (first, kept)] == ["2", "3"]


def test_a_listener_hears_until_it_ends() -> None:
    """Changes are told as they happen."""
    objects = store.Store()
    heard: list[int] = []
    end = objects.listen(lambda change: heard.append(change.version))
    objects.put(KIND, ("n", "a"), _item("a"))
    end()
    objects.put(KIND, ("n", "a"), _item("a", k="v"))
    assert heard == [2]


def _listed(api: cluster.Cluster, namespace: str = "demo", **wanted: Json) -> listing.Page:
    return api.api.list(cluster.resource("configmaps"), namespace, options.Listing(**wanted))


def test_pages_continue_where_the_last_one_ended() -> None:
    """Together the pages are the list, in order; each says how much is left."""
    api = cluster.Cluster()
    for name in "abcde":
        api.create("configmaps", {"metadata": {"name": name}})
    found, token, left = "", "", []
    for _ in range(3):
        page = _listed(api, limit=2, token=token)
        found += "".join(item["metadata"]["name"] for item in page.items)
        token = page.token
        left.append(page.metadata().get("remainingItemCount"))
    assert (found, left, token) == ("abcde", [3, 1, None], "")


def test_a_selector_hides_how_much_is_left() -> None:
    """The server does not count what it has not looked at."""
    api = cluster.Cluster()
    for name in "abc":
        api.create("configmaps", {"metadata": {"name": name, "labels": {"x": "y"}}})
    page = _listed(api, limit=1, labels="x=y")
    assert page.token
    assert page.remaining is None


@pytest.mark.parametrize(
    ("wanted", "code"),
    [({"token": "nonsense"}, 400), ({"version": "x"}, 400), ({"version": "999999"}, 504)],
)
def test_a_list_from_nowhere_is_refused(wanted: dict[str, str], code: int) -> None:
    """Tokens and versions are those that the server gave."""
    with pytest.raises(statuses.Refusal) as error:
        _listed(cluster.Cluster(), **wanted)
    assert error.value.code == code
