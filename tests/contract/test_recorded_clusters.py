"""The harness's readers against what a real cluster's API, logs and nodes said."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest

from harness.checks import walk
from harness.dataplane import bpf_dumps, calico, kube_proxy, proof
from harness.kube import conditions, inventory
from harness.model import words
from harness.witness import access_log
from tests import recordings

ADDRESSES = {"kind-control-plane": "172.18.0.2", "kind-worker": "172.18.0.3", "kind-worker2": "172.18.0.4"}
PORTS = frozenset({30180, 30181})


def items(phase: str, name: str) -> list[dict[str, Any]]:
    """One recorded list of objects."""
    found = json.loads((recordings.path() / "api" / phase / f"{name}.json").read_text())["items"]
    assert found
    return list(found)


@pytest.mark.parametrize("name", ["customer-iptables", "customer-ebpf", "customer-reverted", "summary-ebpf"])
def test_every_request_of_a_recorded_log_is_read(name: str) -> None:
    """The log that a real cluster's API gave yields as many requests as it has access lines."""
    raw = (recordings.path() / "logs" / f"{name}.log").read_bytes()
    assert len(access_log.parse(raw)) == raw.count(b" - - [") > 0


@pytest.mark.parametrize(
    ("phase", "dataplane"),
    [
        ("iptables", words.Dataplane.IPTABLES),
        ("ebpf", words.Dataplane.BPF),
        ("ebpf-noctlb", words.Dataplane.BPF),
        ("reverted", words.Dataplane.IPTABLES),
        # kube-proxy in nftables mode leaves nothing that either proof would take for its own.
        ("nftables", None),
    ],
)
@pytest.mark.parametrize("node", sorted(ADDRESSES))
def test_the_proof_reads_a_real_node(phase: str, dataplane: words.Dataplane | None, node: str) -> None:
    """What a real node's kernel had in force is told from its rules and its NAT map alone."""
    folder = recordings.path() / "nodes" / phase / node
    found = proof.InForce(
        node=node,
        iptables=kube_proxy.reachable_node_ports((folder / "iptables-save.txt").read_text()) & PORTS,
        bpf=bpf_dumps.node_ports((folder / "bpf-nat.txt").read_text(), ip_address(ADDRESSES[node])) & PORTS,
        asked=PORTS,
    )
    assert found.dataplane is dataplane, found.text


@pytest.mark.parametrize("phase", ["iptables", "ebpf"])
def test_the_inventory_reads_real_objects(phase: str) -> None:
    """Nodes with their tunnels, pods with their nodes, and the overlay come out of the real API's objects."""
    nodes = {node.name: node for node in map(inventory.node_from, items(phase, "nodes"))}
    assert {name: str(node.address) for name, node in nodes.items()} == ADDRESSES
    assert nodes["kind-control-plane"].tunnel == ip_address("10.244.82.0")
    [installation] = items(phase, "installations")
    assert inventory.overlay_from(installation) == "VXLAN"
    pods = [inventory.pod_from(item) for item in items(phase, "pods") if conditions.pod_is_ready(item)]
    assert {pod.node for pod in pods} == set(ADDRESSES)


@pytest.mark.parametrize(("phase", "declared"), [("iptables", "Iptables"), ("ebpf", "BPF"), ("reverted", "Iptables")])
def test_the_declared_dataplane_is_read(phase: str, declared: str) -> None:
    """The walk knows from the real Installation whether a switch is due."""
    [installation] = items(phase, "installations")
    assert walk.declared(installation) == declared


def test_the_real_deployments_were_available() -> None:
    """Availability is read from the real controller's status fields; one Deployment of kind's own never came up."""
    unavailable = [item for item in items("iptables", "deployments") if not conditions.deployment_is_available(item)]
    assert [item["metadata"]["name"] for item in unavailable] == ["local-path-provisioner"]


def test_the_endpoint_config_names_the_real_api_server() -> None:
    """Calico is pointed at the API server itself, as the real EndpointSlice of default/kubernetes has it."""
    [found] = [item for item in items("iptables", "endpointslices") if item["metadata"]["name"] == "kubernetes"]
    assert calico.endpoint_config(found)["data"] == {
        "KUBERNETES_SERVICE_HOST": "172.18.0.2",
        "KUBERNETES_SERVICE_PORT": "6443",
    }


def test_the_way_back_avoids_the_recorded_trap() -> None:
    """After the automatic way, the fields that would leave the cluster degraded are set back too."""
    trapped = json.loads((recordings.path() / "timeline" / "installation-trap.json").read_text())
    patch = calico.way_back(trapped)["spec"]["calicoNetwork"]
    network = trapped["spec"]["calicoNetwork"]
    assert network["bpfNetworkBootstrap"] == network["kubeProxyManagement"] == "Enabled"
    assert patch == {
        "linuxDataplane": "Iptables",
        "bpfNetworkBootstrap": "Disabled",
        # The operator must go on managing kube-proxy, or nobody puts it back.
        "kubeProxyManagement": "Enabled",
    }
