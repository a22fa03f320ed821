"""Strategic merge patch."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from harness.lab.apiserver import merging, strategic
from tests.unit.lab.apiserver import json_values

Object = dict[str, Any]

_STEPS = [
    ("create deployment: what is filled in", "strategic merge: container by name, env by name"),
    ("strategic merge: container by name, env by name", "strategic merge: $patch delete"),
    ("strategic merge: $patch delete", "strategic merge: nodeSelector merges"),
    ("strategic merge: nodeSelector merges", "strategic merge: null deletes a key"),
    ("kube-proxy daemonset", "kube-proxy: the walk-through's strategic patch"),
    ("kube-proxy daemonset after the patch", "kube-proxy: and back"),
]


@pytest.mark.parametrize(("before", "step"), _STEPS)
def test_strategic_merge_gives_what_was_recorded(before: str, step: str) -> None:
    """Each recorded patch, applied to the object before it, gives what the real API server answered."""
    patch = json_values.recorded(step)["request"]["body"]
    old, new = json_values.answer(before), json_values.answer(step)
    assert _written(strategic.strategic_merge(old, patch, old["kind"])) == new


def _written(workload: Object) -> Object:
    """A workload as the server writes it: an empty nodeSelector is left out, whatever left it empty."""
    spec = workload["spec"]["template"]["spec"]
    if spec.get("nodeSelector") == {}:
        del spec["nodeSelector"]
    return workload


def _pod(**spec: json_values.Json) -> Object:
    return {"kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def _patched(pod: Object, **spec: json_values.Json) -> Object:
    merged: Object = strategic.strategic_merge(pod, {"spec": spec}, "Pod")["spec"]
    return merged


def test_a_named_element_is_merged_and_a_new_one_comes_before_the_live_ones() -> None:
    """Elements with the key of a live one merge with it; a new one stands first, as recorded."""
    pod = _pod(containers=[{"name": "a", "image": "1"}, {"name": "b"}])
    merged = _patched(pod, containers=[{"name": "a", "tty": True}, {"name": "n"}])
    assert merged["containers"] == [{"name": "a", "image": "1", "tty": True}, {"name": "n"}, {"name": "b"}]


def test_a_list_without_a_key_is_replaced() -> None:
    """Tolerations have no merge key, so the patch's are all there are."""
    merged = _patched(_pod(tolerations=[{"key": "a"}, {"key": "b"}]), tolerations=[{"key": "c"}])
    assert merged["tolerations"] == [{"key": "c"}]


@pytest.mark.parametrize(
    ("field", "key"),
    [("volumes", "name"), ("initContainers", "name"), ("hostAliases", "ip"), ("imagePullSecrets", "name")],
)
def test_pod_lists_merge_by_their_key(field: str, key: str) -> None:
    """The pod's own lists are told apart by the field that Kubernetes' types name."""
    pod = _pod(**{field: [{key: "x", "a": 1}]})
    assert _patched(pod, **{field: [{key: "x", "b": 2}]})[field] == [{key: "x", "a": 1, "b": 2}]


def test_ports_merge_by_their_own_key_in_pods_and_services() -> None:
    """A container's ports are known by containerPort and a Service's by port."""
    pod = _pod(containers=[{"name": "a", "ports": [{"containerPort": 80, "name": "h"}]}])
    container = _patched(pod, containers=[{"name": "a", "ports": [{"containerPort": 80, "hostPort": 8}]}])
    assert container["containers"][0]["ports"] == [{"containerPort": 80, "name": "h", "hostPort": 8}]
    service = {"spec": {"ports": [{"port": 80, "nodePort": 30180}, {"port": 81}]}}
    patch = {"spec": {"ports": [{"port": 80, "nodePort": 30181}]}}
    merged = strategic.strategic_merge(service, patch, "Service")
    assert merged["spec"]["ports"] == [{"port": 80, "nodePort": 30181}, {"port": 81}]


def test_patch_replace_replaces_a_map_and_a_list() -> None:
    """The directive stands beside a map's fields and as an element of its own in a list."""
    pod = _pod(containers=[{"name": "a"}], securityContext={"runAsUser": 1, "fsGroup": 2})
    merged = _patched(
        pod,
        securityContext={"$patch": "replace", "runAsUser": 3},
        containers=[{"$patch": "replace"}, {"name": "z"}],
    )
    assert merged == {"securityContext": {"runAsUser": 3}, "containers": [{"name": "z"}]}


def test_patch_delete_takes_an_element_and_empties_a_map() -> None:
    """A deleted element is gone, whether it was there or not; a deleted map is empty."""
    pod = _pod(containers=[{"name": "a"}, {"name": "b"}], securityContext={"runAsUser": 1})
    doomed = [{"name": "a", "$patch": "delete"}, {"name": "none", "$patch": "delete"}]
    merged = _patched(pod, containers=doomed, securityContext={"$patch": "delete"})
    assert merged == {"containers": [{"name": "b"}], "securityContext": {}}


def test_retain_keys_keeps_only_those() -> None:
    """What the directive does not name goes away: the way to change from one kind of strategy to another."""
    deployment = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.strategic_merge(deployment, patch, "Deployment") == {"spec": {"strategy": {"type": "Recreate"}}}


def test_set_element_order_orders_the_list() -> None:
    """The order that client-side apply sends holds; an element that only the server has keeps its place."""
    pod = _pod(containers=[{"name": "a"}, {"name": "server"}, {"name": "b"}])
    merged = _patched(
        pod,
        **{
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}, {"name": "n"}],
            "containers": [{"name": "n"}],
        },
    )
    assert [item["name"] for item in merged["containers"]] == ["server", "b", "a", "n"]


def test_scalars_merge_as_a_set_and_can_be_deleted_from_it() -> None:
    """Finalizers of the patch come first, once each, without those that the patch deletes."""
    obj = {"metadata": {"finalizers": ["a", "b"]}}
    patch: Object = {"metadata": {"finalizers": ["c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"]}}
    assert strategic.strategic_merge(obj, patch, "Pod")["metadata"]["finalizers"] == ["c", "a"]


def test_directives_work_where_the_object_has_nothing_yet() -> None:
    """No directive of the patch ends up in the object."""
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "a", "env": [{"name": "X", "$patch": "delete"}, {"name": "Y", "value": None}]}],
            "securityContext": {"$retainKeys": ["a"], "a": 1, "b": None},
            "tolerations": [{"$patch": "replace"}, {"key": "k"}],
        }
    }
    assert strategic.strategic_merge({}, patch, "Pod") == {
        "spec": {
            "containers": [{"name": "a", "env": [{"name": "Y"}]}],
            "securityContext": {"a": 1},
            "tolerations": [{"key": "k"}],
        }
    }


_BAD: list[tuple[Any, int]] = [
    ([], 400),
    ({"spec": {"$patch": "explode"}}, 400),
    ({"spec": {"$retainKeys": "type"}}, 400),
    ({"spec": {"$retainKeys": ["a"], "b": 1}}, 400),
    ({"spec": {"containers": ["x"]}}, 400),
    ({"spec": {"$setElementOrder/containers": "x"}}, 400),
    ({"spec": {"containers": [{"image": "no name"}]}}, 500),
]


@pytest.mark.parametrize(("patch", "code"), _BAD)
def test_a_malformed_patch_is_refused(patch: json_values.Json, code: int) -> None:
    """What can't be meant is refused with the code that the real API server has for it."""
    with pytest.raises(merging.PatchError) as caught:
        strategic.strategic_merge(_pod(containers=[{"name": "a"}]), patch, "Pod")
    assert caught.value.code == code


_ENV = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("ABCD"), "value": st.sampled_from("12")}),
    unique_by=lambda item: item["name"],
    max_size=4,
)
_CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("wxyz"), "env": _ENV}), unique_by=lambda item: item["name"]
)


@json_values.PURE
@hypothesis.given(_CONTAINERS, _CONTAINERS)
def test_strategic_merge_is_idempotent_and_loses_nothing(live: list[Object], wanted: list[Object]) -> None:
    """Twice is once, every container of both sides is there once, and no argument is changed."""
    pod, patch = _pod(containers=live), {"spec": {"containers": wanted}}
    before = copy.deepcopy((pod, patch))
    once = strategic.strategic_merge(pod, patch, "Pod")
    assert strategic.strategic_merge(once, patch, "Pod") == once
    names = [item["name"] for item in once["spec"]["containers"]]
    assert sorted(names) == sorted({item["name"] for item in live + wanted})
    assert [name for name in names if name in {item["name"] for item in wanted}] == [item["name"] for item in wanted]
    assert (pod, patch) == before


@json_values.PURE
@hypothesis.given(json_values.objects(), json_values.objects(json_values.SCALARS | st.none()))
def test_a_kind_without_list_types_merges_as_rfc_7386_does(target: Object, patch: Object) -> None:
    """Where no list merges, both merge patches agree, up to nulls in lists' elements."""
    hypothesis.assume(not _has_nulls_in_lists(patch))
    assert strategic.strategic_merge(target, patch, "Unknown") == merging.merge_patch(target, patch)


def _has_nulls_in_lists(value: json_values.Json, inside: bool = False) -> bool:
    if isinstance(value, dict):
        return any(_has_nulls_in_lists(item, inside) for item in value.values())
    if isinstance(value, list):
        return any(_has_nulls_in_lists(item, True) for item in value)
    return inside and value is None
