"""Label and field selectors."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab.apiserver import selectors, statuses
from tests.unit.lab.apiserver import cluster

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True), ("app=a", True), ("app==a", True), ("app=b", False), ("app!=b", True), ("none!=b", True),
        ("app in (a,b)", True), ("app notin (a, b)", False), ("none notin (a)", True), ("app", True), ("!app", False),
        ("!none", True), ("app=a,size>2", True), ("size<3", False), ("none>1", False), ("app=a,app!=a", False),
        ("kubernetes.io/x=y", True),
    ],
)  # fmt: skip
def test_label_selectors_select(selector: str, *, matches: bool) -> None:
    """Each operator, alone and together; an absent label is not equal to anything."""
    item = {"metadata": {"name": "n", "labels": {"app": "a", "size": "3", "kubernetes.io/x": "y"}}}
    predicate = selectors.predicate(selector, "", cluster.resource("pods"))
    assert (predicate is None or predicate(item)) == matches


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("a===", "found '=', expected: identifier"),
        ("a in b", "found 'b', expected: '('"),
        ("a in (b", "found '', expected: ',' or ')'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a>b", "for 'Gt', 'Lt' operators, the value must be an integer"),
    ],
)
def test_a_label_selector_that_is_none_is_refused(selector: str, message: str) -> None:
    """The refusal says where the reading stopped."""
    with pytest.raises(statuses.Refusal) as error:
        selectors.labels(selector)
    assert error.value.code == 400
    assert message in error.value.message


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("metadata.name=p", True), ("metadata.name!=p", False), ("metadata.namespace=demo", True),
        ("spec.nodeName=n,status.phase!=Failed", True), ("spec.nodeName=", False), ("status.podIP=", True),
        ("spec.hostNetwork=false", True),
    ],
)  # fmt: skip
def test_field_selectors_select(selector: str, *, matches: bool) -> None:
    """A field that is absent is the empty string."""
    item = {"metadata": {"name": "p", "namespace": "demo"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    predicate = selectors.predicate("", selector, cluster.resource("pods"))
    assert predicate is not None
    assert predicate(item) == matches


def test_a_field_that_selects_nothing_is_refused() -> None:
    """Kinds have few fields that they can be selected by."""
    with pytest.raises(statuses.Refusal, match="field label not supported: spec"):
        selectors.predicate("", "spec.image=x", cluster.resource("pods"))
    with pytest.raises(statuses.Refusal, match='"data" is not a known field selector: only'):
        selectors.predicate("", "data=x", cluster.resource("configmaps"))
