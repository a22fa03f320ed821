"""Which nodes a pod may run on."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab.controllers import placement
from tests.unit.lab.controllers import fake_cluster

PLANE = fake_cluster.node("kind-control-plane", control_plane=True)
WORKER = fake_cluster.node("kind-worker")
TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    """A spec with these required terms."""
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def named(name: str) -> dict[str, Any]:
    """The term that DaemonSet pods carry."""
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"operator": "Exists", "key": "node-role.kubernetes.io/control-plane"}, True),
        ({"operator": "Exists", "key": "CriticalAddonsOnly"}, False),
        ({"key": "node-role.kubernetes.io/control-plane"}, True),
        ({"key": "node-role.kubernetes.io/control-plane", "value": "x"}, False),
    ],
)
def test_a_toleration_covers_a_taint_by_key_operator_value_and_effect(
    toleration: dict[str, Any], expected: bool
) -> None:
    """Each part of a toleration narrows it; what it leaves out, it covers."""
    assert placement.tolerates(toleration, TAINT) is expected


def test_the_control_plane_repels_what_does_not_tolerate_it() -> None:
    """A plain pod fits a worker only."""
    assert not placement.fits({}, PLANE)
    assert placement.fits({}, WORKER)


def test_a_preferred_taint_repels_nobody() -> None:
    """PreferNoSchedule is a wish."""
    node = {**WORKER, "spec": {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}}
    assert placement.fits({}, node)


def test_a_cordoned_node_repels_what_does_not_tolerate_that() -> None:
    """``kubectl cordon`` is a taint of its own."""
    node = {**WORKER, "spec": {"unschedulable": True}}
    assert not placement.fits({}, node)
    assert placement.fits({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}, node)


def test_a_node_selector_wants_every_label() -> None:
    """One label that differs is enough to rule a node out."""
    assert placement.fits({"nodeSelector": {"kubernetes.io/os": "linux"}}, WORKER)
    assert not placement.fits({"nodeSelector": {"kubernetes.io/os": "linux", "non-calico": "true"}}, WORKER)


def test_an_affinity_by_name_fits_that_node_only() -> None:
    """DaemonSet pods carry their node as a field."""
    assert placement.fits(affinity(named("kind-worker")), WORKER)
    assert not placement.fits(affinity(named("kind-worker2")), WORKER)


def test_affinity_terms_are_alternatives_and_an_empty_one_matches_nothing() -> None:
    """Any term will do, but not an empty one."""
    assert placement.fits(affinity(named("kind-worker2"), named("kind-worker")), WORKER)
    assert not placement.fits(affinity({}), WORKER)


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ["linux"], True),
        ("NotIn", ["linux"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["1"], False),
        ("Unheard", [], False),
    ],
)
def test_an_affinity_expression_reads_labels(operator: str, values: list[str], expected: bool) -> None:
    """Each operator of a node selector requirement."""
    term = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": operator, "values": values}]}
    assert placement.fits(affinity(term), WORKER) is expected


def test_a_node_name_binds_to_that_node() -> None:
    """A pod that names its node fits no other."""
    assert not placement.fits({"nodeName": "kind-worker2"}, WORKER)
