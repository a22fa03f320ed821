"""The hosts file that stands in for the cluster's DNS."""

from __future__ import annotations

from pathlib import Path

from harness.lab.kubelet import hosts, specs
from tests.unit.lab.kubelet import objects

SERVICES = [
    {"metadata": {"name": "summary", "namespace": "bank"}, "spec": {"clusterIP": "10.96.1.1"}},
    {"metadata": {"name": "database", "namespace": "vault"}, "spec": {"clusterIP": "10.96.1.2"}},
    {"metadata": {"name": "headless", "namespace": "bank"}, "spec": {"clusterIP": "None"}},
    {"metadata": {"name": "unborn", "namespace": "bank"}, "spec": {}},
]


def lines() -> list[str]:
    """The file of a pod in the namespace ``bank``."""
    pod = specs.pod_of(objects.pod(hostAliases=[{"ip": "192.0.2.7", "hostnames": ["alias", "other"]}]))
    nodes = [("172.18.0.2", ("kind-control-plane",))]
    return hosts.render(pod, "10.244.82.1", nodes, hosts.service_entries(SERVICES)).splitlines()


def test_services_have_every_name_that_dns_would_answer() -> None:
    """Three forms everywhere, and the bare name in the Service's own namespace only."""
    assert "10.96.1.1\tsummary summary.bank summary.bank.svc summary.bank.svc.cluster.local" in lines()
    assert "10.96.1.2\tdatabase.vault database.vault.svc database.vault.svc.cluster.local" in lines()


def test_services_without_an_address_have_no_name() -> None:
    """A headless Service, or one without an address yet, is not in the file."""
    assert not [line for line in lines() if "headless" in line or "unborn" in line]


def test_pod_nodes_and_aliases_are_named() -> None:
    """The pod itself, its aliases and the nodes are in the file."""
    assert {"10.244.82.1\tweb", "192.0.2.7\talias other", "172.18.0.2\tkind-control-plane"} <= set(lines())


def test_the_file_stays_the_same_file(tmp_path: Path) -> None:
    """A rewritten file is the same inode, since it is bound into pods, and nothing of a longer one is left."""
    file = tmp_path / "hosts"
    hosts.rewrite(file, "a long text\n")
    before = file.stat().st_ino
    hosts.rewrite(file, "short\n")
    assert (file.read_text(), file.stat().st_ino) == ("short\n", before)
