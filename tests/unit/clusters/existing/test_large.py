"""A made-up cluster of a thousand nodes: what is asked, placed and dialled does not grow with it."""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
import threading
from typing import Any

import pytest

from harness.clusters.existing import sampling
from harness.core import process
from harness.dataplane import evidence, proof
from harness.kube import client, inventory, manifests, placing, shaping
from harness.model import facts, matrix, words
from harness.oracle import predictions
from tests import builders
from tests.unit.clusters.existing import fake_api

ZONES, NETWORKS = ("a", "b", "c"), ("10.1.0.0/16", "10.2.0.0/16")
KINDS = len(ZONES) * len(NETWORKS)
WINDOWS = (7, 8)


def node(number: int, *, system: str = "linux", ready: bool = True) -> client.Object:
    """One node, in a zone and a network by its number."""
    network = ipaddress.ip_network(NETWORKS[number // len(ZONES) % len(NETWORKS)])
    address = network[number + 10]
    return {
        "metadata": {
            "name": f"n{number:04}",
            "labels": {"topology.kubernetes.io/zone": ZONES[number % len(ZONES)], placing.OS: system},
            "annotations": {
                "projectcalico.org/IPv4Address": f"{address}/{network.prefixlen}",
                "projectcalico.org/IPv4VXLANTunnelAddr": str(ipaddress.ip_address("10.244.0.0") + number * 64),
            },
        },
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": str(address)}],
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def pod(namespace: str, name: str, where: str, address: str, labels: dict[str, str] | None = None) -> client.Object:
    """A pod that is ready."""
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": labels or {}},
        "spec": {"nodeName": where, "containers": [{"name": "app"}]},
        "status": {"podIP": address, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def service(name: str, policy: str, port: int) -> client.Object:
    """One of customer's NodePort Services."""
    ports = [{"name": "http", "port": 80, "targetPort": 80, "nodePort": port}]
    spec = {"clusterIP": f"10.96.0.{port % 200}", "externalTrafficPolicy": policy, "ports": ports}
    return {"metadata": {"namespace": "yaobank-customer", "name": name}, "spec": spec}


def slice_(name: str) -> client.Object:
    """Its one backend."""
    meta = {"namespace": "yaobank-customer", "name": name, "labels": {"kubernetes.io/service-name": name}}
    endpoint = {"conditions": {"ready": True}, "targetRef": {"name": "customer-1"}}
    return {"metadata": meta, "endpoints": [endpoint], "ports": [{"name": "http", "port": 80}]}


def cluster(count: int) -> tuple[fake_api.Api, sampling.Sample]:
    """A cluster with so many nodes, two of them for Windows, and our workloads where they were asked to be."""
    nodes = [node(number, system="windows" if number in WINDOWS else "linux") for number in range(count)]
    pools = [{"cidr": "10.244.0.0/16", "encapsulation": "VXLAN"}]
    installation: client.Object = {"spec": {"calicoNetwork": {"ipPools": pools}}}
    chosen = sampling.chosen(nodes, inventory.nodes_from(nodes, [], installation))
    addresses = (str(ipaddress.ip_address("10.245.0.0") + number) for number in itertools.count())
    names = [str(item["metadata"]["name"]) for item in nodes]
    agents = [pod("calico-system", f"calico-node-{name}", name, next(addresses)) for name in names]
    part = {placing.PART_OF: "sourceip", placing.ROLE: "client"}
    ours = [pod("echo", f"pod-client-{where}", where, next(addresses), part) for where in chosen.hosts]
    ours.append(pod("yaobank-customer", "customer-1", chosen.backend, next(addresses)))
    services = [
        ("customer", "Cluster", 30001),
        ("customer-local", "Local", 30002),
        ("customer-internal", "Local", 30003),
    ]
    objects: dict[str, Any] = {
        inventory.NODES: {"items": nodes},
        inventory.PODS: {"items": [*agents, *ours]},
        "/api/v1/namespaces/calico-system/pods": {"items": agents},
        "/api/v1/namespaces/kube-system/pods": {"items": []},
        inventory.INSTALLATION: installation,
        "/api/v1/services": {"items": [service(*item) for item in services]},
        "/apis/discovery.k8s.io/v1/endpointslices": {"items": [slice_(name) for name, _, _ in services]},
    }
    return fake_api.Api(objects), chosen


def known(api: fake_api.Api, chosen: sampling.Sample) -> facts.Facts:
    """Its facts, as a scene reads them."""
    found = inventory.read(api, who=builders.WHO)
    return dataclasses.replace(found, sampled=chosen.nodes, pairs=chosen.pairs)


def test_the_number_of_cells_depends_on_kinds_and_not_on_nodes() -> None:
    """Six kinds of Linux nodes and two of Windows nodes give one plan for a hundred nodes and for a thousand."""
    small, large = (known(*cluster(count)) for count in (100, 1000))
    planned = [len(predictions.plan(words.Phase.IPTABLES, found, matrix.ROWS).planned) for found in (small, large)]
    assert (len(small.nodes), len(large.nodes)) == (100, 1000)
    assert planned[0] == planned[1] > 100
    assert len(small.places) == len(large.places) <= 2 * (KINDS + len(WINDOWS)) ** 2
    assert len({(each.zone, each.network) for each in large.places if each.os == "linux"}) == KINDS
    assert {each.dataplane for each in large.places} == {None, words.Dataplane.HNS}


def test_the_number_of_requests_does_not_grow_with_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collections are read once each, and only nodes that take part are asked for their kernel's state."""
    execs: list[str] = []
    lock = threading.Lock()

    def run(_api: client.Client, *, pod: str, argv: tuple[str, ...], **_others: object) -> process.Completed:
        with lock:
            execs.append(pod)
        return process.Completed(argv=argv, returncode=0, stdout=b"", stderr=b"")

    monkeypatch.setattr("harness.dataplane.agents.execution.run", run)
    figures = []
    for count in (100, 1000):
        execs.clear()
        api, chosen = cluster(count)
        found = known(api, chosen)
        proof.observe(api, found)
        evidence.collect(api, found)
        lists = [path for method, path in api.asked if method == "GET"]
        figures.append((len(lists), len(api.asked), len(execs)))
        assert set(execs) == {f"calico-node-{name}" for name in chosen.hosts}
        assert len(lists) <= 10
        assert len(execs) <= 16 * len(chosen.hosts)
    assert figures[0] == figures[1]


def test_pods_are_bound_to_the_nodes_that_take_part() -> None:
    """A DaemonSet of a thousand pods is what a sample is for; no pod is bound to a Windows node."""
    _, chosen = cluster(1000)
    shape = shaping.Shape(prefix="sip-1-", image="i", nodes=chosen.hosts, backend=chosen.backend)
    for item in shape.shaped(manifests.load(manifests.ECHO)):
        if item["kind"] not in ("Deployment", "DaemonSet"):
            continue
        affinity = item["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
        terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        names = tuple(term["matchFields"][0]["values"][0] for term in terms)
        assert names == ((chosen.backend,) if item["kind"] == "Deployment" else chosen.hosts)
    assert not {"n0007", "n0008"} & set(chosen.hosts)
    assert {"n0007", "n0008"} & set(chosen.nodes)


def test_a_small_cluster_is_used_whole() -> None:
    """Three ready Linux nodes need no sample, and the scheduler places what it places."""
    nodes = [node(number) for number in range(3)]
    assert sampling.chosen(nodes, [inventory.node_from(item) for item in nodes]) == sampling.ALL


def test_a_node_that_is_not_ready_takes_no_part() -> None:
    """Nobody waits for a pod on it."""
    nodes = [node(number, ready=number != 1) for number in range(6)]
    chosen = sampling.chosen(nodes, [inventory.node_from(item) for item in nodes])
    assert "n0001" not in chosen.nodes
    assert len(chosen.nodes) >= 2
