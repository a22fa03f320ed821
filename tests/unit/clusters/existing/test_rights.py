"""The rights that a run uses: what is asked for is what the manifests grant, and what is missing is named."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from harness.clusters.existing import rights
from harness.kube import manifests, shaping
from tests.unit.clusters.existing import fake_api

FOLDER = manifests.MANIFESTS / "incluster"
Entry = tuple[str, str, str, str, str]
READER, SWITCHER = "sourceip-reader", "sourceip-switcher"


def granted(account: str) -> set[Entry]:
    """All that the manifests grant to a service account, one thing each."""
    objects = [item for name in ("rbac.yaml", "rbac-switch.yaml") for item in manifests.load(FOLDER / name)]
    roles = {(item["kind"], place(item), item["metadata"]["name"]): item for item in objects}
    found: set[Entry] = set()
    for item in objects:
        if not item["kind"].endswith("Binding") or account not in [one["name"] for one in item["subjects"]]:
            continue
        assert all(one["namespace"] == "sourceip" for one in item["subjects"])
        ref = item["roleRef"]
        role = roles[ref["kind"], place(item) if ref["kind"] == "Role" else "", ref["name"]]
        found.update(entry for rule in role["rules"] for entry in entries(rule, place(item)))
    return found


def place(item: dict[str, Any]) -> str:
    """An object's namespace."""
    return str(item["metadata"].get("namespace", ""))


def entries(rule: dict[str, Any], namespace: str) -> Iterator[Entry]:
    """A rule in its parts."""
    names = rule.get("resourceNames") or [""]
    for verb, group, resource, name in itertools.product(rule["verbs"], rule["apiGroups"], rule["resources"], names):
        yield verb, group, resource, namespace, name


def asked(*, switching: bool) -> set[Entry]:
    """What the code asks for; in namespaces whose names nobody knows beforehand a right is the whole cluster's."""
    return {
        (right.verb, right.group, right.resource, "" if right.namespace == rights.OWN else right.namespace, right.name)
        for right in rights.wanted(switching=switching)
    }


def covered(entry: Entry, by: set[Entry]) -> bool:
    """Whether a grant for the whole cluster has that right in it."""
    verb, group, resource, namespace, name = entry
    return bool({(verb, group, resource, where, what) for where in ("", namespace) for what in ("", name)} & by)


@pytest.mark.parametrize(("account", "switching"), [(READER, False), (SWITCHER, True)])
def test_the_manifests_grant_exactly_what_the_code_asks_for(account: str, switching: bool) -> None:
    """Nothing that is asked for is missing, and nothing is granted that is not asked for."""
    have, want = granted(account), asked(switching=switching)
    assert [entry for entry in sorted(want) if not covered(entry, have)] == []
    assert sorted(have - want) == []


def test_the_reader_may_not_switch() -> None:
    """The Installation is the reader's to see and nobody's to change."""
    assert not covered(("patch", "operator.tigera.io", "installations", "", "default"), granted(READER))


def test_what_is_missing_is_asked_for_each_namespace_and_shown() -> None:
    """One right in one of the run's namespaces is enough to be named, with the namespace."""
    api = fake_api.Api({}, shaping.Shape(prefix="sip-1-"))
    api.allowed = lambda asked: not (asked["resource"] == "daemonsets" and asked.get("namespace") == "sip-1-echo")
    lacking = rights.missing(api, rights.wanted(switching=False))
    assert {(right.resource, right.namespace) for right in lacking} == {("daemonsets", "sip-1-echo")}
    assert ["create", "daemonsets.apps", "sip-1-echo", "workloads"] in [
        line.split() for line in rights.table(lacking).splitlines()
    ]
    assert "3 rights are missing" in str(rights.refusal(lacking, "test"))
    assert {method for method, _ in api.asked} == {"POST"}


def test_a_review_names_the_subresource() -> None:
    """An exec in calico-node is a right of its own."""
    right = next(right for right in rights.READING if right.resource == "pods/exec")
    wanted = {"verb": "get", "resource": "pods", "subresource": "exec", "namespace": "calico-system"}
    assert rights.review(right)["spec"] == {"resourceAttributes": wanted}
