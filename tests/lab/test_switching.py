"""Switching a lab's dataplane through the API: the manual way, the automatic way, the trap, and the way back."""

from __future__ import annotations

import ipaddress
import os
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from harness.core import waiting
from harness.dataplane import deciding, evidence
from harness.kube import inventory
from harness.lab import lifecycle
from harness.model import facts, words
from tests.lab import datagrams, switching


@pytest.fixture(scope="module")
def lab_cluster() -> Iterator[switching.Cluster]:
    """A lab of this module's own, since every other test wants one that stays as it is."""
    with lifecycle.running(name=f"switch-{os.getpid()}") as lab, switching.cluster(lab) as found:
        yield found


@pytest.fixture
def cluster(lab_cluster: switching.Cluster) -> Iterator[switching.Cluster]:
    """The lab in iptables mode, before the test and after it."""
    lab_cluster.await_seen(lab_cluster.masqueraded())
    yield lab_cluster
    switching.to_iptables(lab_cluster)
    lab_cluster.await_seen(lab_cluster.masqueraded())
    waiting.wait_until(
        lambda: lab_cluster.api.find("/api/v1/namespaces/tigera-operator/configmaps/kubernetes-services-endpoint"),
        lambda left: left is None or _deleted(lab_cluster),
        what="a cluster without the manual way's ConfigMap",
        timeout_s=switching.SWITCH_S,
    )


def _deleted(found: switching.Cluster) -> bool:
    found.api.delete("/api/v1/namespaces/tigera-operator/configmaps/kubernetes-services-endpoint")
    return False


def report(what: str, began: float) -> None:
    """Print how long something took; times are measured, not judged."""
    sys.stdout.write(f"{what}: {time.monotonic() - began:.1f} s\n")


def test_manual_way_there_and_back(cluster: switching.Cluster) -> None:
    """kube-proxy really goes, its rules really go, connections show the client; then everything is as it was."""
    before = cluster.kube_proxy_rules()
    began = time.monotonic()
    switching.to_bpf(cluster)
    cluster.await_seen(cluster.preserved())
    report("to eBPF by the manual way", began)
    waiting.wait_until(cluster.kube_proxies, lambda pods: not pods, what="no kube-proxy", timeout_s=switching.SWITCH_S)
    for rules in cluster.kube_proxy_rules().values():
        chains = {chain for _, chain in rules}
        assert not {chain for chain in chains if chain.startswith(("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-SVC-"))}
        assert "KUBE-POSTROUTING" in chains
    for place in cluster.places:
        assert f"{place.address} port {switching.PORT} proto 6" in nat_dump(cluster)[place.name]
    began = time.monotonic()
    switching.to_iptables(cluster)
    cluster.await_seen(cluster.masqueraded())
    report("back to iptables", began)
    after = cluster.kube_proxy_rules()
    assert [differences(before[node], after[node]) for node in before] == [[]] * len(before)


def differences(before: switching.Rules, after: switching.Rules) -> list[str]:
    """The chains of a node that are not as they were; jumps from the kernel's own chains may be in another order."""
    return [
        f"{table} {chain}: {before.get((table, chain))} became {after.get((table, chain))}"
        for table, chain in sorted(before.keys() | after.keys())
        if _comparable(chain, before.get((table, chain))) != _comparable(chain, after.get((table, chain)))
    ]


def _comparable(chain: str, rules: tuple[str, ...] | None) -> object:
    return rules if chain.startswith("KUBE-") or rules is None else sorted(rules)


def nat_dump(found: switching.Cluster) -> dict[str, str]:
    """The NAT maps as the calico-node command shows them."""
    return found.on_nodes("calico-node", "-bpf", "nat", "dump")


def test_no_answer_comes_from_the_wrong_place_during_a_switch(cluster: switching.Cluster) -> None:
    """Across both switches connections and datagrams get right answers, errors and resets, and nothing else."""
    with datagrams.asking_throughout(cluster) as asker, switching.probing_throughout(cluster) as prober:
        switching.to_bpf(cluster)
        cluster.await_seen(cluster.preserved())
        switching.to_iptables(cluster)
        cluster.await_seen(cluster.masqueraded())
    answered = sum(sample.reply.answered for sample in prober.samples)
    sys.stdout.write(f"{answered} of {len(prober.samples)} samples answered across both switches\n")
    sys.stdout.write(f"{asker.answered} of {asker.sent} datagrams answered\n")
    assert answered > 0
    assert asker.wrong == []
    assert switching.wrong_answers(cluster, prober.samples) == []


def test_replacing_felix_in_ebpf_mode_disturbs_nothing(cluster: switching.Cluster) -> None:
    """Programs, maps and connections outlive the process that made them: every request is answered, and preserved."""
    switching.to_bpf(cluster)
    cluster.await_seen(cluster.preserved())
    old = {pod["metadata"]["uid"] for pod in cluster.felixes()}
    with switching.probing_throughout(cluster) as prober:
        for pod in cluster.felixes():
            cluster.api.delete(f"/api/v1/namespaces/calico-system/pods/{pod['metadata']['name']}")
        waiting.wait_until(
            cluster.felixes,
            lambda pods: (
                len(pods) == len(old) and all(is_ready(pod) and pod["metadata"]["uid"] not in old for pod in pods)
            ),
            what="other calico-node pods, all ready",
            timeout_s=switching.SWITCH_S,
        )
    assert cluster.seen() == cluster.preserved()
    assert [sample for sample in prober.samples if not sample.reply.answered] == []
    assert switching.wrong_answers(cluster, prober.samples) == []


def is_ready(pod: switching.Object) -> bool:
    """Whether a pod says that it is ready."""
    conditions = pod["status"].get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def test_automatic_way_there_and_back(cluster: switching.Cluster) -> None:
    """The operator takes kube-proxy away by itself, and brings it back when all three fields are set back."""
    began = time.monotonic()
    switching.to_bpf_automatically(cluster)
    cluster.await_seen(cluster.preserved())
    report("to eBPF by the automatic way", began)
    waiting.wait_until(cluster.kube_proxies, lambda pods: not pods, what="no kube-proxy", timeout_s=switching.SWITCH_S)
    began = time.monotonic()
    switching.to_iptables(cluster)
    cluster.await_seen(cluster.masqueraded())
    waiting.wait_until(
        cluster.kube_proxies, lambda pods: len(pods) == 3, what="kube-proxy", timeout_s=switching.SWITCH_S
    )
    report("back to iptables", began)


@pytest.mark.parametrize("go", [switching.to_bpf, switching.to_bpf_automatically], ids=["manual", "automatic"])
def test_both_ways_there_and_back_are_proven_by_all_evidence(
    cluster: switching.Cluster, go: Callable[[switching.Cluster], None]
) -> None:
    """Every node is decided before, in eBPF mode and after the way back, with counters that moved under iptables."""
    await_decided(cluster, words.Dataplane.IPTABLES)
    go(cluster)
    cluster.await_seen(cluster.preserved())
    there = await_decided(cluster, words.Dataplane.BPF)
    assert all("external" in dict(item.lines)["vxlan.calico"] for item in there)
    assert all(dict(item.lines)["at connect"] != "none" for item in there)
    switching.to_iptables(cluster)
    cluster.await_seen(cluster.masqueraded())
    back = await_decided(cluster, words.Dataplane.IPTABLES)
    assert all("id 4096" in dict(item.lines)["vxlan.calico"] for item in back)
    assert all("all.rp_filter 0, eth0.rp_filter 2" in item.summary for item in back)


def await_decided(found: switching.Cluster, wanted: words.Dataplane) -> tuple[deciding.Decision, ...]:
    """Wait until every node is decided to forward by that dataplane, and each kind of evidence could be read."""

    def look() -> tuple[deciding.Decision, ...]:
        known = inventory.read(found.api, who=facts.Client(kind=words.ClientKind.EXTERNAL, address=client_of(found)))
        before = evidence.collect(found.api, known, only=("rules",))
        found.seen()
        after = evidence.collect(found.api, known)
        assert [item.silent for item in after] == [{}] * len(known.nodes)
        dialled = {node.name: frozenset({switching.PORT}) for node in known.nodes}
        return deciding.decide_all(after, before, dialled)

    return waiting.wait_until(
        look,
        lambda decisions: not deciding.trouble(decisions, wanted),
        what=f"{wanted.value} by all evidence",
        timeout_s=switching.SWITCH_S,
    )


def client_of(found: switching.Cluster) -> facts.Address:
    """The external client's address."""
    return ipaddress.ip_address(found.lab.client)


def test_going_back_by_one_field_leaves_ebpf_mode_on(cluster: switching.Cluster) -> None:
    """The recorded trap (finding 10): the Installation is degraded, and connections still show the client."""
    cluster.patch_installation(linuxDataplane="BPF", bpfNetworkBootstrap="Enabled", kubeProxyManagement="Enabled")
    cluster.await_seen(cluster.preserved())
    cluster.patch_installation(linuxDataplane="Iptables")
    degraded = waiting.wait_until(
        lambda: cluster.api.get("/apis/operator.tigera.io/v1/tigerastatuses/calico")["status"]["conditions"],
        lambda found: any(item["type"] == "Degraded" and item["status"] == "True" for item in found),
        what="TigeraStatus calico degraded",
        timeout_s=switching.SWITCH_S,
    )
    message = next(item["message"] for item in degraded if item["type"] == "Degraded")
    assert "bpfNetworkBootstrap is enabled but linuxDataplane is not set to BPF" in message
    assert cluster.api.get(switching.FELIX)["spec"]["bpfEnabled"] is True
    assert cluster.seen() == cluster.preserved()
