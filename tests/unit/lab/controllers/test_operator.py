"""The operator's rarer branches; the recordings hold the common ones (tests/contract/test_operator_recordings.py)."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab import bootstrap
from harness.lab.controllers import daemonsets, metadata, paths, scheduler
from harness.lab.controllers.operator import defaults, installation, kube_proxy, rendering, requirements, statuses
from tests.unit.lab.controllers import fake_cluster

CONTROLLERS = (installation.reconcile, kube_proxy.reconcile, daemonsets.reconcile, scheduler.reconcile)


@pytest.fixture
def cluster() -> fake_cluster.FakeCluster:
    """Calico installed on three nodes, as the lab's manifests have it."""
    found = fake_cluster.FakeCluster()
    fake_cluster.three_nodes(found)
    kinds = {"Installation": paths.INSTALLATIONS, "DaemonSet": paths.DAEMONSETS, "EndpointSlice": paths.ENDPOINTSLICES}
    for item in bootstrap.objects():
        if item["kind"] in kinds:
            found.add(kinds[item["kind"]], item)
    run(found)
    return found


def run(cluster: fake_cluster.FakeCluster) -> None:
    """Enough rounds of the kubelets' work for a roll and a flip."""
    for _ in range(5):
        for part in (cluster.remove_pods, cluster.start_pods, cluster.pods_become_ready):
            cluster.settle(CONTROLLERS)
            part()
    cluster.settle(CONTROLLERS)


def patch(cluster: fake_cluster.FakeCluster, **network: object) -> None:
    """Patch the Installation's calicoNetwork and let it take effect."""
    cluster.patch(paths.INSTALLATIONS, "default", {"spec": {"calicoNetwork": network}})
    run(cluster)


def felix(cluster: fake_cluster.FakeCluster) -> dict[str, Any]:
    """felix's configuration."""
    return cluster.one(paths.FELIXCONFIGURATIONS, "default")


def degraded(cluster: fake_cluster.FakeCluster) -> tuple[str, str, str]:
    """Status, reason and message of TigeraStatus ``calico``'s Degraded."""
    found = metadata.condition(cluster.one(paths.TIGERASTATUSES, "calico"), "Degraded")
    assert found is not None
    return found["status"], found["reason"], found.get("message", "")


def calico_node(cluster: fake_cluster.FakeCluster) -> dict[str, Any]:
    """The calico-node DaemonSet."""
    return cluster.one(paths.DAEMONSETS, "calico-node", "calico-system")


def test_the_lab_replaces_all_nodes_at_once(cluster: fake_cluster.FakeCluster) -> None:
    """The manifest's update strategy reaches the DaemonSet."""
    assert calico_node(cluster)["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": "100%"}


@pytest.mark.parametrize("dataplane", ["Nftables", "VPP"])
def test_a_dataplane_that_the_lab_lacks_is_refused(cluster: fake_cluster.FakeCluster, dataplane: str) -> None:
    """Nothing changes, and the status says which there are."""
    before = felix(cluster)["spec"]
    patch(cluster, linuxDataplane=dataplane)
    assert degraded(cluster) == (
        "True",
        "InvalidConfigurationError",
        f"linuxDataplane {dataplane} is not in the lab, which has Iptables and BPF",
    )
    assert felix(cluster)["spec"] == before
    patch(cluster, linuxDataplane="Iptables")
    assert degraded(cluster)[0] == "False"


def test_a_hand_edited_bpf_enabled_is_not_overridden(cluster: fake_cluster.FakeCluster) -> None:
    """The operator's own note disagrees, so the value is somebody else's."""
    cluster.patch(paths.FELIXCONFIGURATIONS, "default", {"spec": {"bpfEnabled": True}})
    run(cluster)
    status, reason, message = degraded(cluster)
    assert (status, reason) == ("True", "ResourceUpdateError")
    assert message.startswith('unable to set bpfEnabled: FelixConfiguration "default" has been modified by someone')
    assert felix(cluster)["spec"]["bpfEnabled"] is True
    cluster.patch(paths.FELIXCONFIGURATIONS, "default", {"spec": {"bpfEnabled": False}})
    run(cluster)
    assert degraded(cluster)[0] == "False"


def test_other_settings_of_felix_survive_a_switch(cluster: fake_cluster.FakeCluster) -> None:
    """A user's DSR and connect-time setting stay as they are."""
    mine = {"bpfExternalServiceMode": "DSR", "bpfConnectTimeLoadBalancing": "Disabled"}
    cluster.patch(paths.FELIXCONFIGURATIONS, "default", {"spec": mine})
    patch(cluster, linuxDataplane="BPF")
    assert felix(cluster)["spec"]["bpfEnabled"] is True
    assert mine.items() <= felix(cluster)["spec"].items()


def test_bpf_waits_for_the_last_node(cluster: fake_cluster.FakeCluster) -> None:
    """A node whose new pod does not become ready holds the flip back."""
    cluster.patch(paths.INSTALLATIONS, "default", {"spec": {"calicoNetwork": {"linuxDataplane": "BPF"}}})
    for _ in range(3):
        cluster.settle(CONTROLLERS)
        cluster.remove_pods()
        cluster.settle(CONTROLLERS)
        cluster.start_pods()
    for pod in metadata.controlled_by(calico_node(cluster), cluster.items(paths.PODS))[1:]:
        cluster.set_pod(pod, ready=True)
    cluster.settle(CONTROLLERS)
    assert felix(cluster)["spec"]["bpfEnabled"] is False
    cluster.pods_become_ready()
    cluster.settle(CONTROLLERS)
    assert felix(cluster)["spec"]["bpfEnabled"] is True


def test_the_endpoint_configmap_rolls_calico_node(cluster: fake_cluster.FakeCluster) -> None:
    """The pods' environment names the API server as the user did."""
    before = metadata.template_hash(calico_node(cluster)["spec"]["template"])
    meta = {"name": "kubernetes-services-endpoint", "namespace": "tigera-operator"}
    data = {"KUBERNETES_SERVICE_HOST": "kind-control-plane", "KUBERNETES_SERVICE_PORT": "6443"}
    cluster.add(paths.CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    run(cluster)
    template = calico_node(cluster)["spec"]["template"]
    values = {item["name"]: item.get("value") for item in template["spec"]["containers"][0]["env"]}
    assert (values["KUBERNETES_SERVICE_HOST"], values["KUBERNETES_SERVICE_PORT"]) == ("kind-control-plane", "6443")
    assert metadata.template_hash(template) != before
    assert calico_node(cluster)["status"]["updatedNumberScheduled"] == 3


def test_a_template_that_someone_changed_is_put_back(cluster: fake_cluster.FakeCluster) -> None:
    """What the operator renders is its own; what others add beside it stays."""
    spec = {"hostNetwork": False, "priority": 5}
    notes = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "today"}}}
    body = {"spec": {"template": {"spec": spec, **notes}}}
    cluster.patch(paths.DAEMONSETS, "calico-node", body, "calico-system")
    run(cluster)
    template = calico_node(cluster)["spec"]["template"]
    assert template["spec"]["hostNetwork"] is True
    assert metadata.annotations_of(template)["kubectl.kubernetes.io/restartedAt"] == "today"


def test_kube_proxy_of_another_manager_is_left_alone(cluster: fake_cluster.FakeCluster) -> None:
    """Helm, the addon manager or Argo CD would put it back at once."""
    mark = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}
    cluster.patch(paths.DAEMONSETS, "kube-proxy", mark, "kube-system")
    patch(cluster, linuxDataplane="BPF", bpfNetworkBootstrap="Enabled", kubeProxyManagement="Enabled")
    selector = cluster.one(paths.DAEMONSETS, "kube-proxy", "kube-system")["spec"]["template"]["spec"]["nodeSelector"]
    assert felix(cluster)["spec"]["bpfEnabled"] is True
    assert kube_proxy.SELECTOR not in selector


def test_going_back_by_all_three_settings_restores_kube_proxy(cluster: fake_cluster.FakeCluster) -> None:
    """The way out of the automatic path that does not end in the trap."""
    patch(cluster, linuxDataplane="BPF", bpfNetworkBootstrap="Enabled", kubeProxyManagement="Enabled")
    assert "numberReady" in cluster.one(paths.DAEMONSETS, "kube-proxy", "kube-system")["status"]
    assert cluster.one(paths.DAEMONSETS, "kube-proxy", "kube-system")["status"]["desiredNumberScheduled"] == 0
    patch(cluster, linuxDataplane="Iptables", bpfNetworkBootstrap="Disabled", kubeProxyManagement="Enabled")
    assert cluster.one(paths.DAEMONSETS, "kube-proxy", "kube-system")["status"]["numberReady"] == 3
    assert degraded(cluster)[0] == "False"


def test_a_deleted_installation_is_let_go(cluster: fake_cluster.FakeCluster) -> None:
    """The operator takes its finalizers away; the garbage collector takes calico-node."""
    cluster.delete(paths.INSTALLATIONS, "default")
    cluster.settle(CONTROLLERS)
    assert cluster.get(paths.INSTALLATIONS, "default") is None


def test_containers_that_end_are_told_in_the_recorded_words() -> None:
    """As recorded while kube-controllers could not start."""

    def telling(state: dict[str, Any]) -> list[str]:
        pod = fake_cluster.pod("calico-node-x")
        pod["status"] = {"phase": "Running", "containerStatuses": [{"name": "calico-node", "state": state}]}
        return statuses.failing_pods([pod])

    crash = {"waiting": {"reason": "CrashLoopBackOff"}}
    assert telling(crash) == ["Pod test/calico-node-x has crash looping container: calico-node"]
    assert telling({"terminated": {"exitCode": 1}}) == ["Pod test/calico-node-x has terminated container: calico-node"]
    assert telling({"running": {}}) == ["Pod test/calico-node-x is running but not ready"]


def test_a_refusal_is_told_before_failing_pods() -> None:
    """As recorded in the trap, both in one message."""
    found = statuses.Findings(degraded=("Why", "Because"), failing=("Pod a/b fails",))
    assert found.conditions()["Degraded"] == ("True", "Why", "Because\nPod a/b fails")
    assert found.conditions()["Available"] == ("False", "Unknown", "")


@pytest.mark.parametrize(
    ("encapsulation", "vxlan", "ipip"),
    [
        ("VXLAN", "Always", "Never"),
        ("VXLANCrossSubnet", "CrossSubnet", "Never"),
        ("IPIP", "Never", "Always"),
        ("IPIPCrossSubnet", "Never", "CrossSubnet"),
        ("None", "Never", "Never"),
    ],
)
def test_a_pool_says_its_encapsulation_in_two_words(encapsulation: str, vxlan: str, ipip: str) -> None:
    """The Installation's one word becomes the IPPool's two."""
    spec = defaults.filled({"calicoNetwork": {"ipPools": [{"cidr": "10.244.0.0/16", "encapsulation": encapsulation}]}})
    pool = rendering.ip_pool(defaults.settings(spec).pools[0])
    assert (pool["spec"]["vxlanMode"], pool["spec"]["ipipMode"]) == (vxlan, ipip)


def test_another_address_autodetection_gets_no_default_beside_it() -> None:
    """First-found and an interface exclude each other."""
    spec = defaults.filled({"calicoNetwork": {"nodeAddressAutodetectionV4": {"interface": "eth1"}}})
    assert spec["calicoNetwork"]["nodeAddressAutodetectionV4"] == {"interface": "eth1"}


def test_half_a_configmap_names_no_endpoint() -> None:
    """Host and port belong together."""
    cluster = fake_cluster.FakeCluster()
    meta = {"name": "kubernetes-services-endpoint", "namespace": "tigera-operator"}
    data = {"KUBERNETES_SERVICE_HOST": "kind-control-plane"}
    cluster.add(paths.CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    assert requirements.endpoint(cluster) is None
