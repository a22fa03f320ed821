"""A body becomes an object whose fields are known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.lab.apiserver import decoding, statuses
from tests.unit.lab.apiserver import cluster

Object = dict[str, Any]


def _typed(plural: str, item: Object | str, content: str = decoding.JSON) -> tuple[Object, list[str]]:
    resource = cluster.resource(plural)
    body = item if isinstance(item, str) else json.dumps(item)
    found, findings = decoding.typed(decoding.body_object(body.encode(), content, resource), resource)
    return found, findings.sentences


def test_unknown_and_repeated_fields_are_found_with_their_paths() -> None:
    """Each finding in the words of Kubernetes' strict decoding."""
    text = '{"spec": {"containers": [{"name": "a", "nmae": 1}], "x": {}}, "metadata": {"labels": {"a": "1", "a": "2"}}}'
    assert _typed("pods", text)[1] == [
        'unknown field "spec.containers[0].nmae"', 'unknown field "spec.x"', 'duplicate field "metadata.labels.a"',
    ]  # fmt: skip


def test_what_go_leaves_out_is_left_out() -> None:
    """Nulls, empty lists, empty maps and zeros with ``omitempty`` are not stored; structs and pointers stay."""
    item = {
        "metadata": {"labels": {}, "annotations": None},
        "spec": {
            "containers": [{"name": "a", "env": [{"name": "A", "value": ""}], "resources": {}, "args": []}],
            "hostNetwork": False,
            "automountServiceAccountToken": False,
            "securityContext": {},
            "volumes": [{"name": "v", "hostPath": {"path": "/x", "type": ""}}],
        },
    }
    found = _typed("pods", item)[0]
    assert found["metadata"] == {}
    assert found["spec"] == {
        "containers": [{"name": "a", "env": [{"name": "A"}], "resources": {}}],
        "automountServiceAccountToken": False,
        "securityContext": {},
        "volumes": [{"name": "v", "hostPath": {"path": "/x", "type": ""}}],
    }


def test_custom_objects_keep_what_is_empty() -> None:
    """Only nulls go: what is empty in a custom object was meant."""
    item = {"metadata": {"name": "default"}, "spec": {"bpfLogLevel": "", "bpfEnabled": False, "healthHost": None}}
    assert _typed("felixconfigurations", item)[0]["spec"] == {"bpfLogLevel": "", "bpfEnabled": False}


@pytest.mark.parametrize(
    ("plural", "item", "message"),
    [
        ("deployments", {"spec": {"replicas": "2"}},
         "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ("pods", {"spec": {"containers": {}}},
         "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"),
        ("pods", {"spec": {"containers": [{"ports": [{"hostPort": True}]}]}},
         "json: cannot unmarshal bool into Go struct field ContainerPort.spec.containers.ports.hostPort of type int32"),
        ("configmaps", {"data": {"a": 1}},
         "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        ("configmaps", {"metadata": []},
         "json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_named_as_go_names_it(plural: str, item: Object, message: str) -> None:
    """The struct, the path and the type of the field."""
    with pytest.raises(decoding.WrongType) as error:
        _typed(plural, item)
    assert str(error.value) == message


def test_quantities_may_be_numbers() -> None:
    """``cpu: 1`` is the quantity "1"."""
    item = {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": 1}}}]}}
    assert _typed("pods", item)[0]["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}}


def test_yaml_is_read_too() -> None:
    """A time in YAML stays the text that it is, and every key is text."""
    text = "metadata: {name: c}\ndata: {at: 2026-01-01, 2: a, true: b}\n"
    found = _typed("configmaps", text, "application/yaml; charset=utf-8")[0]
    assert found["data"] == {"at": "2026-01-01", "2": "a", "true": "b"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{nope", "json parse error: invalid character 'n' looking for beginning of object key string ({nope)"),
        ('{"a": }', "json parse error: invalid character '}' looking for beginning of value"),
        ('{"a" 1}', "json parse error: invalid character '1' after object key"),
        ('{"a": 1 2}', "json parse error: invalid character '2' after object key:value pair"),
        ("[1 2]", "json parse error: invalid character '2' after array element"),
        ("{} x", "json parse error: invalid character 'x' after top-level value"),
        ('{"a": 1', "json parse error: unexpected end of JSON input"),
        ("[]", "json: cannot unmarshal array into Go value"),
        ('{"kind": "Secret", "apiVersion": "v1"}',
         'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap)'),
        ('{"apiVersion": "v2"}', "the API version in the data (v2) does not match the expected API version (v1)"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(body: str, message: str) -> None:
    """In the words of Go's decoder, at the place where it stops."""
    with pytest.raises(statuses.Refusal) as error:
        decoding.body_object(body.encode(), decoding.JSON, cluster.resource("configmaps"))
    assert error.value.code == 400
    assert message in error.value.message


def test_a_body_of_another_type_is_refused() -> None:
    """The refusal says what is read."""
    with pytest.raises(statuses.Refusal, match="unknown format - accepted media types include") as error:
        decoding.body_object(b"a: b", "text/plain", cluster.resource("configmaps"))
    assert error.value.code == 415


def test_a_custom_object_with_a_value_of_the_wrong_type_breaks_its_definition() -> None:
    """Its schema refuses it (422), where a built-in kind could not even be decoded (400)."""
    spec = {"calicoNetwork": {"mtu": "big"}}
    with pytest.raises(statuses.Refusal) as error:
        cluster.Cluster().create("installations", {"metadata": {"name": "default"}, "spec": spec}, namespace="")
    detail = 'spec.calicoNetwork.mtu in body must be of type integer: "string"'
    assert error.value.code == 422
    assert error.value.message.endswith(f'is invalid: spec.calicoNetwork.mtu: Invalid value: "string": {detail}')
