"""Our workloads on somebody else's cluster: nothing keeps a name, a port or an image that could be taken there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.kube import client, manifests, shaping
from harness.witness import stations

ALL = (*manifests.load(manifests.YAOBANK), *manifests.load(manifests.ECHO), *stations.objects())
SHAPE = shaping.Shape(prefix="sip-7f3a-", image="registry.example/tools:9", nodes=("n1", "n2"))


def containers(objects: tuple[client.Object, ...]) -> dict[str, dict[str, Any]]:
    """Every container by its workload's name and its own."""
    return {
        f"{item['metadata']['name']}/{each['name']}": each
        for item in objects
        if "template" in item.get("spec", {})
        for each in item["spec"]["template"]["spec"]["containers"]
    }


def test_a_shape_that_says_nothing_changes_nothing() -> None:
    """The lab takes the manifests as they are."""
    assert shaping.Shape().shaped(ALL) == ALL


def test_the_namespaces_of_the_manifests_are_known() -> None:
    """Every namespace that a manifest makes or uses is one of ours, and the other way round."""
    made = {item["metadata"]["name"] for item in ALL if item["kind"] == "Namespace"}
    used = {item["metadata"]["namespace"] for item in ALL if "namespace" in item["metadata"]}
    assert made == set(shaping.OURS)
    assert used <= made


def test_every_object_is_in_a_namespace_with_the_prefix() -> None:
    """Also where an application names another one's host, and each namespace has the mark that a clean-up looks for."""
    shaped = SHAPE.shaped(ALL)
    for item in shaped:
        meta = item["metadata"]
        assert meta["name" if item["kind"] == "Namespace" else "namespace"].startswith("sip-7f3a-")
        if item["kind"] == "Namespace":
            assert meta["labels"]["app.kubernetes.io/managed-by"] == "sourceip"
    hosts = [each["value"] for found in containers(shaped).values() for each in found.get("env", ())]
    assert "summary.sip-7f3a-yaobank-summary" in hosts
    assert "database.sip-7f3a-yaobank-database" in hosts


def test_no_port_of_a_node_is_named() -> None:
    """The API chooses free ones."""
    assert "nodePort" in json.dumps(ALL)
    assert "nodePort" not in json.dumps(SHAPE.shaped(ALL))


def test_the_ports_stay_where_the_cluster_is_ours() -> None:
    """Another image alone changes no port and no name."""
    shaped = shaping.Shape(image="tools:1").shaped(ALL)
    assert [item["metadata"] for item in shaped] == [item["metadata"] for item in ALL]
    assert "30180" in json.dumps(shaped)


def test_one_image_serves_all_and_yaobank_says_its_program() -> None:
    """Echo, clients and witness keep the commands that they have."""
    before, after = containers(ALL), containers(SHAPE.shaped(ALL))
    assert {found["image"] for found in after.values()} == {"registry.example/tools:9"}
    for app in ("customer", "summary", "database"):
        assert after[f"{app}/{app}"]["command"] == ["python3", f"/app/{app}.py"]
    assert after["witness/witness"]["command"] == before["witness/witness"]["command"]


def test_images_of_others_stay() -> None:
    """A container that somebody else's image runs is none of ours."""
    template = {"spec": {"containers": [{"name": "a", "image": "registry.example/a:1"}]}}
    item = {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": template}}
    assert shaping.Shape(image="tools:1").shaped([item]) == (item,)


def test_pods_run_on_the_chosen_nodes_only() -> None:
    """A DaemonSet of clients on a large cluster is as large as the sample; what has a node of its own keeps it."""
    for item in SHAPE.shaped(ALL):
        if item["kind"] == "DaemonSet":
            affinity = item["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
            terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            assert [term["matchFields"][0]["values"] for term in terms] == [["n1"], ["n2"]]


@pytest.mark.parametrize(("name", "called"), [("echo", "sip-7f3a-echo"), ("calico-system", "calico-system")])
def test_only_our_namespaces_are_called_otherwise(name: str, called: str) -> None:
    """Calico's and Kubernetes' own stay what they are."""
    assert SHAPE.namespace(name) == called
