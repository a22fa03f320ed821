"""Server-side apply and the record of owners."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from harness.lab.apiserver import applying, fieldsets, listtypes, merging
from tests.unit.lab.apiserver import json_values

Object = dict[str, Any]

_T0 = datetime(2026, 11, 23, 6, 15, 9, tzinfo=UTC)
_LATER = _T0 + timedelta(minutes=5)


def _apply(
    live: Object | None, config: Object, manager: str = "one", force: bool = False, now: datetime = _T0
) -> Object:
    return applying.apply(
        live,
        config,
        manager=manager,
        force=force,
        api_version=config["apiVersion"],
        kind=config["kind"],
        now=now,
    )


def _write(old: Object | None, new: Object, manager: str = "editor", now: datetime = _T0) -> Object:
    return applying.track_update(old, new, manager=manager, operation="Update", api_version=new["apiVersion"], now=now)


def _map(**data: str | None) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s1"}, "data": data}


def _deployment(*containers: Object, **spec: json_values.Json) -> Object:
    template = {"spec": {"containers": list(containers)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": template, **spec},
    }


def _containers(obj: Object) -> list[Object]:
    found: list[Object] = obj["spec"]["template"]["spec"]["containers"]
    return found


def _owners(obj: Object) -> dict[str, Object]:
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", [])}


def _bare(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def _body(name: str) -> Object:
    body: Object = json.loads(json_values.recorded(name)["request"]["body"])
    return body


def test_the_recorded_sequence_of_applies_comes_out_as_recorded() -> None:
    """Create, conflict and force give the data, the message and the causes of the real API server."""
    created = _apply(None, _body("server-side apply creates"))
    assert created["data"] == json_values.answer("server-side apply creates")["data"]
    expected = json_values.recorded("server-side apply by another manager conflicts")["response"]
    with pytest.raises(applying.Conflict) as caught:
        _apply(created, _body("server-side apply by another manager conflicts"), "two")
    said = caught.value
    assert (said.code, said.reason, said.message) == (expected["code"], expected["reason"], expected["message"])
    assert {"causes": said.causes} == expected["details"]
    forced = _apply(created, _body("server-side apply forced"), "two", force=True)
    assert forced["data"] == json_values.answer("server-side apply forced")["data"]
    assert _owners(forced) == {"two": {"f:data": {"f:K": {}}}}


def test_an_entry_says_who_how_when_and_what() -> None:
    """An entry of managedFields has the fields of the API reference."""
    [entry] = _apply(None, _map(K="1"))["metadata"]["managedFields"]
    assert entry == {
        "manager": "one",
        "operation": "Apply",
        "apiVersion": "v1",
        "time": "2026-11-23T06:15:09Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:K": {}}},
    }


def test_what_a_manager_no_longer_applies_goes_away() -> None:
    """A field that only its manager applied is removed when the manager leaves it out."""
    live = _apply(None, _map(K="1", L="2"))
    assert _bare(_apply(live, _map(K="1"))) == _map(K="1")


def test_the_last_field_takes_its_map_along() -> None:
    """A map that nobody owns a part of any more is removed, not left empty."""
    config = _map(K="1")
    without = {key: value for key, value in config.items() if key != "data"}
    assert _bare(_apply(_apply(None, config), without)) == without


def test_what_two_managers_apply_stays_until_both_let_go() -> None:
    """The same value may be applied by two, and goes with the second."""
    both = _apply(_apply(None, _map(K="1")), _map(K="1"), "two")
    assert _owners(both) == {"one": {"f:data": {"f:K": {}}}, "two": {"f:data": {"f:K": {}}}}
    one_left = _apply(both, _map(), "one")
    assert one_left["data"] == {"K": "1"}
    assert _apply(one_left, _map(), "two").get("data", {}) == {}


def test_defaults_that_nobody_owns_survive_an_apply() -> None:
    """What the server filled in stays when the manager applies the same again."""
    live = _apply(None, _deployment({"name": "web", "image": "a"}))
    _containers(live)[0]["imagePullPolicy"] = "IfNotPresent"
    again = _apply(live, _deployment({"name": "web", "image": "b"}))
    assert _containers(again) == [{"name": "web", "image": "b", "imagePullPolicy": "IfNotPresent"}]


def test_list_elements_are_owned_one_by_one() -> None:
    """Two managers each keep a container of their own in one list; one leaves and takes only its own."""
    live = _apply(None, _deployment({"name": "web", "image": "a"}))
    live = _apply(live, _deployment({"name": "side", "image": "s"}), "two")
    assert [item["name"] for item in _containers(live)] == ["web", "side"]
    _containers(live)[1]["imagePullPolicy"] = "Always"
    gone = _apply(live, _deployment(), "two")
    assert _containers(gone) == [{"name": "web", "image": "a"}]


def test_a_port_is_known_by_number_and_protocol() -> None:
    """A port without a protocol is the TCP one, as the kind's default says."""
    live = _apply(None, _deployment({"name": "web", "ports": [{"containerPort": 53}]}))
    more = _deployment(
        {"name": "web", "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "name": "dns"}]}
    )
    ports = _containers(_apply(live, more))[0]["ports"]
    assert ports == [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "name": "dns"}]


def test_an_atomic_field_is_owned_whole() -> None:
    """A selector has one owner; another manager's other selector conflicts as a whole."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}}}
    live = _apply(None, service)
    with pytest.raises(applying.Conflict) as caught:
        _apply(live, {**service, "spec": {"selector": {"c": "d"}}}, "two")
    assert [cause["field"] for cause in caught.value.causes] == [".spec.selector"]
    assert _apply(live, {**service, "spec": {"selector": {"c": "d"}}})["spec"] == {"selector": {"c": "d"}}


def test_several_conflicts_are_listed_by_manager() -> None:
    """The message names each manager once, with an updater's version, and each of its fields."""
    live = _apply(None, _deployment({"name": "web", "image": "a", "ports": [{"containerPort": 80, "name": "h"}]}))
    edited = copy.deepcopy(live)
    edited["spec"]["replicas"] = 3
    live = _write(live, edited)
    config = _deployment(
        {"name": "web", "image": "b", "ports": [{"containerPort": 80, "name": "x"}]},
        replicas=1,
    )
    with pytest.raises(applying.Conflict) as caught:
        _apply(live, config, "two")
    assert caught.value.message == (
        "Apply failed with 3 conflicts: "
        'conflicts with "editor" using apps/v1:\n'
        "- .spec.replicas\n"
        'conflicts with "one":\n'
        '- .spec.template.spec.containers[name="web"].image\n'
        '- .spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].name'
    )


def test_an_update_takes_fields_over_without_asking() -> None:
    """Who writes a field by any other way than apply owns it, and the applier does so no longer."""
    live = _apply(None, _map(K="1", L="2"))
    new = copy.deepcopy(live)
    new["data"]["K"] = "9"
    written = _write(live, new, now=_LATER)
    assert _owners(written) == {"one": {"f:data": {"f:L": {}}}, "editor": {"f:data": {"f:K": {}}}}


def test_creating_owns_maps_that_come_into_being() -> None:
    """A map is owned as such by who made it, but what every object of the kind has is not."""
    created = _write(None, _deployment({"name": "web", "env": [{"name": "A", "value": "1"}]}))
    element: Object = {
        ".": {},
        "f:name": {},
        "f:env": {".": {}, 'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
    }
    containers = {"f:containers": {'k:{"name":"web"}': element}}
    assert _owners(created) == {"editor": {"f:spec": {"f:template": {"f:spec": containers}}}}


def test_removed_fields_have_no_owner() -> None:
    """A field that an update removes leaves every manager's set, and a manager without fields is forgotten."""
    live = _apply(None, _map(K="1"))
    bare = {**live, "data": {}}
    assert "one" in _owners(live)
    assert _owners(_write(live, bare)) == {}


def test_an_update_that_changes_nothing_changes_no_owner() -> None:
    """Writing the same again keeps every entry, its time included."""
    live = _write(None, _map(K="1"))
    assert _write(live, copy.deepcopy(live), now=_LATER) == live
    assert _write(live, _bare(live), "other", now=_LATER) == live


def test_another_value_for_an_owned_field_renews_the_entry() -> None:
    """The owner stays the same and so do its fields; the time is the write's."""
    live = _write(None, _map(K="1"))
    new = copy.deepcopy(live)
    new["data"]["K"] = "2"
    [entry] = _write(live, new, now=_LATER)["metadata"]["managedFields"]
    assert entry == live["metadata"]["managedFields"][0] | {"time": "2026-11-23T06:20:09Z"}


def test_an_update_may_write_the_owners_itself() -> None:
    """kubectl hands client-side ownership over by writing managedFields; an empty entry resets them."""
    live = _write(None, _map(K="1"), "kubectl-client-side-apply")
    moved = copy.deepcopy(live)
    moved["metadata"]["managedFields"][0] |= {"manager": "kubectl", "operation": "Apply"}
    assert [(e["manager"], e["operation"]) for e in _write(live, moved)["metadata"]["managedFields"]] == [
        ("kubectl", "Apply")
    ]
    reset = copy.deepcopy(live)
    reset["metadata"]["managedFields"] = [{}]
    assert _owners(_write(live, reset)) == {}


def _client_side(config: Object) -> Object:
    text = json.dumps(config)
    annotated = {**config, "metadata": {**config["metadata"], "annotations": {applying.LAST_APPLIED: text}}}
    return _write(None, annotated, "kubectl-client-side-apply")


def test_kubectl_takes_over_from_its_own_client_side_apply() -> None:
    """Fields that client-side apply set and nobody changed since are no conflict for kubectl, but for others."""
    live = _client_side(_map(K="1", L="2"))
    changed = _map(K="3", L="2")
    taken = _apply(live, changed, "kubectl")
    assert taken["data"] == {"K": "3", "L": "2"}
    assert json.loads(taken["metadata"]["annotations"][applying.LAST_APPLIED]) == changed
    with pytest.raises(applying.Conflict, match=r'conflict with "kubectl-client-side-apply" using v1: \.data\.K'):
        _apply(live, changed, "two")


def test_kubectl_is_still_told_of_what_others_changed_since() -> None:
    """A field that somebody changed after client-side apply conflicts for kubectl too."""
    live = _client_side(_map(K="1"))
    edited = copy.deepcopy(live)
    edited["data"]["K"] = "2"
    with pytest.raises(applying.Conflict, match=r'"editor" using v1: \.data\.K'):
        _apply(_write(live, edited), _map(K="3"), "kubectl")


def test_a_subresource_has_owners_of_its_own() -> None:
    """A status is owned apart from the object, and a conflict says so."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": "Running"}}
    live = applying.track_update(
        {**pod, "status": {}}, pod, manager="kubelet", api_version="v1", now=_T0, subresource="status"
    )
    assert live["metadata"]["managedFields"][0]["subresource"] == "status"
    with pytest.raises(applying.Conflict, match=r'"kubelet" with subresource "status" using v1: \.status'):
        _apply(live, {**pod, "status": {"phase": "Failed"}}, "two")


def test_null_applies_nothing() -> None:
    """A null, such as the creationTimestamp that kubectl's generators print, is not owned and changes nothing."""
    config = _map(K="1")
    config["metadata"]["creationTimestamp"] = None
    live = _apply(None, _map(K="1", L="2"))
    live["metadata"]["creationTimestamp"] = "2026-11-23T06:15:09Z"
    assert _apply(live, config)["metadata"]["creationTimestamp"] == "2026-11-23T06:15:09Z"
    assert "L" not in _apply(live, _map(K="1", L=None))["data"]


def test_a_configuration_may_not_name_owners() -> None:
    """managedFields in what is applied are refused in the API server's words."""
    config = _map(K="1")
    config["metadata"]["managedFields"] = [{"manager": "me"}]
    with pytest.raises(merging.PatchError, match=r"metadata\.managedFields must be nil") as caught:
        _apply(None, config)
    assert caught.value.code == 400


def test_elements_without_keys_make_a_list_atomic() -> None:
    """Where keys are missing or occur twice there is nothing to merge by, so the list is replaced."""
    live = _apply(None, _deployment({"name": "web", "env": [{"name": "A"}, {"name": "A"}]}))
    after = _apply(live, _deployment({"name": "web", "env": [{"name": "B"}]}))
    assert _containers(after)[0]["env"] == [{"name": "B"}]


_DATA = st.dictionaries(json_values.KEYS, st.sampled_from(["1", "2"]), max_size=4)
_NAMED = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("wxyz"), "image": st.sampled_from("ab")}),
    unique_by=lambda item: item["name"],
)


@json_values.PURE
@hypothesis.given(_DATA, _DATA, _DATA)
def test_apply_is_idempotent_and_forced_apply_always_wins(first: Object, other: Object, last: Object) -> None:
    """Forced, every applied value holds; applied again, even later, nothing changes, entries included."""
    live = _apply(_apply(None, _map(**first)), _map(**other), "two", force=True)
    before = copy.deepcopy(live)
    once = _apply(live, _map(**last), force=True)
    assert once["data"].items() >= last.items()
    assert _apply(once, _map(**last), now=_LATER) == once
    assert live == before


@json_values.PURE
@hypothesis.given(_NAMED, _NAMED)
def test_apply_and_then_remove_leaves_the_other_managers_object(base: list[Object], added: list[Object]) -> None:
    """A manager that applies something and then nothing leaves what was there before it came."""
    mine = [item for item in added if item["name"] not in {other["name"] for other in base}]
    live = _apply(None, _deployment(*base))
    with_mine = _apply(live, _deployment(*mine), "two")
    assert {item["name"] for item in _containers(with_mine)} == {item["name"] for item in base + mine}
    gone = _apply(with_mine, {k: v for k, v in _deployment().items() if k != "spec"}, "two")
    assert _bare(gone) == _bare(live)


@json_values.PURE
@hypothesis.given(json_values.objects())
def test_field_sets_survive_their_written_form(value: Object) -> None:
    """A set written as fieldsV1 and read again is the same set."""
    fields = fieldsets.of_applied(value, listtypes.PLAIN)
    assert fieldsets.from_fields(json.loads(json.dumps(fieldsets.to_fields(fields)))) == fields
    everything = fieldsets.with_parents(fields)
    assert fieldsets.from_fields(fieldsets.to_fields(everything)) == everything


@json_values.PURE
@hypothesis.given(_NAMED, _NAMED)
def test_a_comparison_accounts_for_every_difference(old: list[Object], new: list[Object]) -> None:
    """Equal objects differ in nothing; two ways of comparing mirror each other."""
    before, after = _deployment(*old), _deployment(*new)
    kind = listtypes.of_kind("Deployment")
    there, back = fieldsets.compare(before, after, kind), fieldsets.compare(after, before, kind)
    assert there.modified == back.modified
    assert there.added <= back.removed
    assert fieldsets.compare(before, before, kind).written == fieldsets.EMPTY


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:data", "f:K"), ".data.K"),
        (('k:{"containerPort":80,"protocol":"TCP"}',), '[containerPort=80,protocol="TCP"]'),
        (("f:metadata", "f:finalizers", 'v:"x/y"'), '.metadata.finalizers[="x/y"]'),
    ],
)
def test_paths_are_shown_in_the_servers_words(path: fieldsets.Path, text: str) -> None:
    """Fields with a dot, elements with their keys, members of sets with their value."""
    assert fieldsets.shown(path) == text
