"""The rules between a request and the store."""

from __future__ import annotations

import datetime

import pytest

from harness.lab.apiserver import statuses
from tests.unit.lab.apiserver import cluster

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@pytest.fixture
def api() -> cluster.Cluster:
    """A cluster with one namespace."""
    return cluster.Cluster()


def test_a_new_object_gets_what_only_the_server_gives(api: cluster.Cluster) -> None:
    """A uid, a time and a version are the server's, whatever the client sends."""
    made = api.create("configmaps", {"metadata": {"name": "c", "uid": "mine", "resourceVersion": "7"}})
    meta = made["metadata"]
    assert (meta["namespace"], meta["creationTimestamp"]) == ("demo", "2026-11-23T06:15:08Z")
    assert meta["uid"] != "mine"
    assert meta["resourceVersion"] == str(api.store.version)


def test_a_taken_name_is_refused(api: cluster.Cluster) -> None:
    """A second object of the same name is a conflict."""
    api.create("configmaps", {"metadata": {"name": "c"}})
    with pytest.raises(statuses.Refusal) as error:
        api.create("configmaps", {"metadata": {"name": "c"}})
    assert cluster.refused(error) == (409, 'configmaps "c" already exists')


def test_a_dry_run_keeps_nothing(api: cluster.Cluster) -> None:
    """The answer is complete, the store is as before."""
    before = api.store.version
    assert api.create("configmaps", {"metadata": {"name": "c"}}, dry_run=True)["metadata"]["uid"]
    assert api.store.version == before


def test_an_update_with_an_old_version_is_a_conflict(api: cluster.Cluster) -> None:
    """Who read before somebody else wrote must read again."""
    read = api.create("configmaps", {"metadata": {"name": "c"}})
    api.patch("configmaps", "c", {"data": {"a": "b"}})
    with pytest.raises(statuses.Refusal) as error:
        api.put("configmaps", read)
    assert cluster.refused(error) == (409, f'Operation cannot be fulfilled on configmaps "c": {MODIFIED}')


def test_an_update_of_another_object_of_that_name_is_a_conflict(api: cluster.Cluster) -> None:
    """A uid in the body names the object that is meant."""
    made = api.create("configmaps", {"metadata": {"name": "c"}})
    with pytest.raises(statuses.Refusal, match="Precondition failed: UID in precondition: other") as error:
        api.put("configmaps", made | {"metadata": made["metadata"] | {"uid": "other"}})
    assert error.value.code == 409


def test_an_update_that_changes_nothing_makes_no_version(api: cluster.Cluster) -> None:
    """Watchers are not woken for nothing."""
    made = api.create("configmaps", {"metadata": {"name": "c"}, "data": {"a": "b"}})
    assert api.patch("configmaps", "c", {"data": {"a": "b"}}) == made


def test_custom_objects_are_updated_only_under_their_version(api: cluster.Cluster) -> None:
    """A custom kind allows no unconditional update."""
    api.create("ippools", {"metadata": {"name": "p"}, "spec": {"cidr": "10.0.0.0/8"}}, namespace="")
    item = {"apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool", "metadata": {"name": "p"}}
    with pytest.raises(statuses.Refusal, match="Invalid value: 0: must be specified for an update"):
        api.put("ippools", item, namespace="")


def test_a_generation_counts_changes_of_the_spec_only(api: cluster.Cluster) -> None:
    """Labels and status do not count."""
    assert api.deployment()["metadata"]["generation"] == 1
    assert api.patch("deployments", "d", {"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"] == 1
    status = {"status": {"replicas": 3}}
    assert api.patch("deployments", "d", status, subresource="status")["metadata"]["generation"] == 1
    assert api.patch("deployments", "d", {"spec": {"replicas": 3}})["metadata"]["generation"] == 2


def test_a_status_is_written_only_through_its_subresource(api: cluster.Cluster) -> None:
    """The object's own path leaves the status alone, the status' path everything else."""
    api.deployment(replicas=1)
    assert api.patch("deployments", "d", {"status": {"replicas": 3}})["status"] == {}
    change = {"status": {"replicas": 3}, "spec": {"replicas": 9}, "metadata": {"labels": {"a": "b"}}}
    written = api.patch("deployments", "d", change, subresource="status")
    assert (written["status"]["replicas"], written["spec"]["replicas"]) == (3, 1)
    assert "labels" not in written["metadata"]


def test_a_daemon_sets_template_is_counted_in_its_annotation(api: cluster.Cluster) -> None:
    """The annotation counts changes of the template, the generation every change of the spec."""
    api.create("daemonsets", {"metadata": {"name": "d"}, "spec": cluster.workload()})
    changed = api.patch("daemonsets", "d", {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}})
    counted = changed["metadata"]["annotations"]["deprecated.daemonset.template.generation"]
    assert (counted, changed["metadata"]["generation"]) == ("2", 2)
    slower = api.patch("daemonsets", "d", {"spec": {"minReadySeconds": 5}})
    counted = slower["metadata"]["annotations"]["deprecated.daemonset.template.generation"]
    assert (counted, slower["metadata"]["generation"]) == ("2", 3)


def test_an_unknown_field_is_refused_warned_of_or_ignored(api: cluster.Cluster) -> None:
    """The three ways of field validation."""
    item = {"metadata": {"name": "c"}, "datta": {}}
    with pytest.raises(statuses.Refusal, match='strict decoding error: unknown field "datta"'):
        api.create("configmaps", item, validation="Strict")
    api.create("configmaps", item, validation="Ignore", dry_run=True)
    assert api.warnings.texts == []
    api.create("configmaps", item)
    assert api.warnings.texts == ['unknown field "datta"']


def test_a_patch_with_an_unknown_field_is_refused_with_the_patch_in_the_text(api: cluster.Cluster) -> None:
    """A strategic patch is shown as Go prints a map."""
    api.deployment()
    with pytest.raises(statuses.Refusal) as error:
        api.patch("deployments", "d", {"spec": {"nope": 1}}, kind="strategic", validation="Strict")
    shown = 'patch: Invalid value: "map[spec:map[nope:1]]": strict decoding error: unknown field "spec.nope"'
    assert cluster.refused(error) == (422, f' "" is invalid: {shown}')


def test_an_object_needs_a_namespace_that_stays(api: cluster.Cluster) -> None:
    """Nothing is made in a namespace that is not there or is on its way out."""
    with pytest.raises(statuses.Refusal, match='namespaces "none" not found'):
        api.create("configmaps", {"metadata": {"name": "c"}}, namespace="none")
    api.delete("namespaces", "demo", namespace="")
    with pytest.raises(statuses.Refusal, match="because it is being terminated") as error:
        api.create("configmaps", {"metadata": {"name": "c"}})
    assert error.value.code == 403


def test_a_put_makes_a_lease_but_not_a_config_map(api: cluster.Cluster) -> None:
    """Few kinds are made by an update."""
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}}
    assert api.put("leases", lease)["metadata"]["uid"]
    with pytest.raises(statuses.Refusal, match='configmaps "c" not found'):
        api.put("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})


def test_server_side_apply_makes_changes_and_conflicts(api: cluster.Cluster) -> None:
    """Two managers want different things of one field."""
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    made = api.patch("configmaps", "c", item, kind="apply", manager="one")
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["one"]
    other = item | {"data": {"a": "2"}}
    with pytest.raises(statuses.Refusal, match='Apply failed with 1 conflict: conflict with "one"'):
        api.patch("configmaps", "c", other, kind="apply", manager="two")
    assert api.patch("configmaps", "c", other, kind="apply", manager="two", force=True)["data"] == {"a": "2"}


def test_a_name_is_made_from_its_beginning(api: cluster.Cluster) -> None:
    """``generateName`` gets five characters more."""
    name = api.create("configmaps", {"metadata": {"generateName": "gen-"}})["metadata"]["name"]
    assert name.startswith("gen-")
    assert len(name) == 9


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"replica": 1}, ".spec.replica: field not declared in schema"),
        ({"template": {"spec": {"containers": [{"name": "c", "foo": 1}]}}},
         '.spec.template.spec.containers[name="c"].foo: field not declared in schema'),
        ({"replicas": "2"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": 1}]}]}}},
         '.spec.template.spec.containers[name="c"].env[name="A"].value: expected string, got '
         "&value.valueUnstructured{Value:1}"),
        ({"a": 1, "b": 2}, "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema"),
    ],
)  # fmt: skip
def test_what_is_applied_has_only_fields_of_its_kind(api: cluster.Cluster, spec: cluster.Object, problem: str) -> None:
    """Field validation has no say in it; list elements are named by their keys."""
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    with pytest.raises(statuses.Refusal) as error:
        api.patch("deployments", "d", item, kind="apply", manager="one", validation="Ignore")
    prefix = "failed to create typed patch object (demo/d; apps/v1, Kind=Deployment): "
    assert cluster.refused(error) == (500, prefix + problem)


def test_an_applied_status_is_owned_only_where_it_is_written(api: cluster.Cluster) -> None:
    """The object's own path takes no status; the status' path takes it."""
    item: cluster.Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    status = {"status": {"replicas": 4}}
    api.patch("deployments", "d", item | status | {"spec": cluster.workload()}, kind="apply", manager="a")
    assert api.get("deployments", "d")["status"] == {}
    made = api.patch("deployments", "d", item | status, kind="apply", manager="b", subresource="status")
    assert made["status"] == {"replicas": 4}
    owners = {entry["manager"]: entry for entry in made["metadata"]["managedFields"]}
    assert owners["b"]["subresource"] == "status"
    assert "f:status" not in owners["a"]["fieldsV1"]


def test_events_are_forgotten_after_an_hour(api: cluster.Cluster) -> None:
    """Each new one looks for those that have lived their time."""
    api.create("events", {"metadata": {"name": "old"}})
    api.now += datetime.timedelta(minutes=59)
    api.create("events", {"metadata": {"name": "young"}})
    assert api.get("events", "old")
    api.now += datetime.timedelta(minutes=2)
    api.create("events", {"metadata": {"name": "new"}})
    names = [item["metadata"]["name"] for item in api.store.items(("", "events"))]
    assert names == ["new", "young"]
