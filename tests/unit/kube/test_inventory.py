"""What a node's labels and annotations say of where it is and what translates Services on it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core import errors
from harness.kube import client, inventory
from harness.model import words

VPP = {"spec": {"calicoNetwork": {"linuxDataplane": "VPP"}}}
IPTABLES = {"spec": {"calicoNetwork": {"linuxDataplane": "Iptables"}}}


def node(name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> client.Object:
    """A node."""
    return {
        "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.1.0.4"}]},
    }


def agent(where: str) -> dict[str, Any]:
    """A pod of the calico-vpp DaemonSet."""
    return {"metadata": {"labels": {"k8s-app": "calico-vpp-node"}}, "spec": {"nodeName": where}}


def test_a_node_is_where_its_labels_say() -> None:
    """Zone, network and operating system are the API's own words."""
    labels = {"topology.kubernetes.io/zone": "eu-1a", "kubernetes.io/os": "linux"}
    found = inventory.node_from(node("n1", labels, {"projectcalico.org/IPv4Address": "10.1.0.4/20"}))
    assert (found.zone, found.network, found.os, found.dataplane) == ("eu-1a", "10.1.0.0/20", "linux", None)


def test_a_node_without_labels_is_a_linux_node_of_no_zone() -> None:
    """What is not said is not guessed."""
    found = inventory.node_from(node("n1"))
    assert (found.zone, found.network, found.os) == ("", "", "linux")


def test_an_address_that_is_none_is_told() -> None:
    """With the annotation's name."""
    with pytest.raises(errors.ParseError, match=r"projectcalico\.org/IPv4Address: 'x' is no address"):
        inventory.node_from(node("n1", annotations={"projectcalico.org/IPv4Address": "x"}))


@pytest.mark.parametrize(
    ("installation", "pods", "wanted"),
    [
        (IPTABLES, [], [None, words.Dataplane.HNS]),
        (VPP, [], [words.Dataplane.VPP, words.Dataplane.HNS]),
        (IPTABLES, [agent("linux")], [words.Dataplane.VPP, words.Dataplane.HNS]),
        (IPTABLES, [agent("elsewhere")], [None, words.Dataplane.HNS]),
    ],
    ids=["neither", "by the Installation", "by its agent", "another's agent"],
)
def test_windows_and_vpp_nodes_have_a_dataplane_of_their_own(
    installation: client.Object, pods: list[client.Object], wanted: list[words.Dataplane | None]
) -> None:
    """Windows is never VPP, and VPP is where the Installation or its own DaemonSet says so."""
    nodes = [node("linux"), node("windows", {"kubernetes.io/os": "windows"})]
    assert [item.dataplane for item in inventory.nodes_from(nodes, pods, installation)] == wanted
