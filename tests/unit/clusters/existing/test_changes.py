"""What a switch has changed is put back field by field, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest

from harness.clusters.existing import changes
from harness.core import errors
from harness.dataplane import calico
from harness.kube import client, inventory
from tests.unit.clusters.existing import fake_api


def api(
    network: dict[str, Any], selector: dict[str, str] | None = None, endpoint: dict[str, str] | None = None
) -> fake_api.Api:
    """A cluster with these settings."""
    template = {"spec": {"nodeSelector": selector or {"kubernetes.io/os": "linux"}}}
    objects: dict[str, client.Object] = {
        inventory.INSTALLATION: {"spec": {"calicoNetwork": {"bgp": "Disabled", **network}}},
        calico.KUBE_PROXY: {"spec": {"template": template}},
    }
    if endpoint is not None:
        objects[calico.ENDPOINT] = {"data": endpoint}
    return fake_api.Api(objects)


def put_back(before: fake_api.Api, now: fake_api.Api) -> list[str]:
    """Put back what differs; what was told."""
    told: list[str] = []
    changes.put_back(now, changes.found(before), told.append)
    return told


def test_what_is_as_it_was_is_left_alone() -> None:
    """No patch, not a word."""
    now = api({"linuxDataplane": "Iptables"})
    assert put_back(api({"linuxDataplane": "Iptables"}), now) == []
    assert now.patches == []


def test_the_manual_way_leaves_nothing() -> None:
    """hostPorts is as it was, and the ConfigMap that was not there is gone."""
    now = api({"linuxDataplane": "Iptables"}, endpoint={"KUBERNETES_SERVICE_HOST": "172.18.0.2"})
    put_back(api({"linuxDataplane": "Iptables", "hostPorts": "Enabled"}), now)
    body = {"spec": {"calicoNetwork": {"hostPorts": "Enabled"}}}
    assert now.patches == [(inventory.INSTALLATION, body, client.MERGE)]
    assert ("DELETE", calico.ENDPOINT) in now.asked


def test_the_automatic_way_leaves_nothing() -> None:
    """Its fields were not there before, so a patch of null takes them away."""
    automatic = {"linuxDataplane": "Iptables", "bpfNetworkBootstrap": "Disabled", "kubeProxyManagement": "Enabled"}
    now = api(automatic)
    put_back(api({}), now)
    assert now.patches[0][1] == {"spec": {"calicoNetwork": dict.fromkeys(automatic)}}


def test_a_config_map_that_was_there_has_its_old_data() -> None:
    """Somebody's own endpoint is theirs."""
    now = api({}, endpoint={"KUBERNETES_SERVICE_HOST": "172.18.0.2", "MORE": "1"})
    put_back(api({}, endpoint={"KUBERNETES_SERVICE_HOST": "10.0.0.1"}), now)
    body = {"data": {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "MORE": None}}
    assert now.patches == [(calico.ENDPOINT, body, client.MERGE)]
    assert ("DELETE", calico.ENDPOINT) not in now.asked


@pytest.mark.parametrize("before", [None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}])
def test_an_operator_that_has_read_the_config_map_is_started_again(before: dict[str, str] | None) -> None:
    """Whether it goes or gets its old data; otherwise every agent would be told the run's endpoint for ever."""
    now = api({}, endpoint={"KUBERNETES_SERVICE_HOST": "172.18.0.2"})
    counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    now.objects[calico.OPERATOR] = {"metadata": {}, "spec": {}, "status": counts}
    told = put_back(api({}, endpoint=before), now)
    assert told[-1] == "restarting tigera-operator, which has read it"
    path, body, kind = now.patches[-1]
    assert (path, kind) == (calico.OPERATOR, client.STRATEGIC)
    assert "annotations" in body["spec"]["template"]["metadata"]


def test_kube_proxys_selector_is_put_back() -> None:
    """A selector that a switch left is taken away again."""
    now = api({}, selector={"kubernetes.io/os": "linux", "non-calico": "true"})
    assert put_back(api({}), now) == ["putting back kube-proxy's nodeSelector"]
    assert now.patches[0][1] == {"spec": {"template": {"spec": {"nodeSelector": {"non-calico": None}}}}}


def test_nothing_is_touched_while_the_dataplane_is_another() -> None:
    """Fields that are put back too early leave the operator degraded, so that is an error and no patch."""
    now = api({"linuxDataplane": "BPF", "bpfNetworkBootstrap": "Enabled"})
    with pytest.raises(errors.CleanupError, match="linuxDataplane is BPF and was None"):
        put_back(api({}), now)
    assert now.patches == []
