"""Where a container's variables come from."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.lab.kubelet import environment, specs
from tests.unit.lab.kubelet import objects

DATA = {("configmaps", "settings"): {"KEY": "mapped"}, ("secrets", "keys"): {"PASS": "hidden"}}


def lookup(kind: str, name: str) -> Mapping[str, str] | None:
    """The cluster's data."""
    return DATA.get((kind, name))


def resolved(*variables: dict[str, object], **fields: object) -> dict[str, str]:
    """The environment of a pod with those variables."""
    pod = specs.pod_of(objects.pod(env=list(variables), **fields))
    return environment.resolve(pod, pod.containers[0], lookup, pod_ip="10.244.162.129", host_ip="172.18.0.3")


def field(path: str) -> dict[str, object]:
    """A variable from a field of the pod."""
    return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "bank"),
        ("spec.nodeName", "kind-worker"),
        ("status.podIP", "10.244.162.129"),
        ("status.hostIP", "172.18.0.3"),
        ("spec.serviceAccountName", "default"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['note.example/x']", "y"),
        ("metadata.labels['none']", ""),
    ],
)
def test_fields(path: str, value: str) -> None:
    """Every field of the downward API that pods of the project use, and a label that is not there."""
    assert resolved(field(path)) == {"X": value}


def test_an_unknown_field_is_an_error() -> None:
    """A path that the pod does not have is a configuration error, not an empty value."""
    with pytest.raises(environment.ConfigError, match="unsupported fieldPath"):
        resolved(field("spec.colour"))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "KEY"}}, 'configmap "none" not found'),
        ({"configMapKeyRef": {"name": "settings", "key": "NONE"}}, "couldn't find key NONE in configmaps settings"),
        ({"secretKeyRef": {"name": "none", "key": "KEY"}}, 'secret "none" not found'),
    ],
)
def test_missing_references(reference: dict[str, dict[str, object]], message: str) -> None:
    """What is missing is named, unless it is optional: then the variable is left out."""
    with pytest.raises(environment.ConfigError, match=message):
        resolved({"name": "X", "valueFrom": reference})
    optional = {kind: {**keyed, "optional": True} for kind, keyed in reference.items()}
    assert resolved({"name": "X", "valueFrom": optional}) == {}


def test_later_ones_win_and_may_refer_to_earlier_ones() -> None:
    """Whole ConfigMaps come first, and a reference sees what is before it."""
    values = resolved(
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "PASS"}}},
        {"name": "BOTH", "value": "$(KEY) $(SECRET) $(LATER)"},
        {"name": "LATER", "value": "x"},
        envFrom=[{"configMapRef": {"name": "settings"}}],
    )
    assert values == {"KEY": "mapped", "SECRET": "hidden", "BOTH": "mapped hidden $(LATER)", "LATER": "x"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("a$b", "a$b"), ("$$$(A)", "$1"), ("$(A", "$(A")],
)
def test_expansion(text: str, expanded: str) -> None:
    """References are replaced, escapes are unescaped, and anything else stays."""
    assert environment.expand(text, {"A": "1"}) == expanded
