"""What felix reads from the API."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from harness.core import errors
from harness.lab import plan
from harness.lab.felix import cluster

Objects = dict[str, list[dict[str, Any]]]


def test_recorded_nodes_have_the_plans_addresses(state: cluster.Cluster) -> None:
    """The recorded cluster and the lab's plan agree on addresses, blocks and tunnel addresses."""
    assert {node.name: (node.address, node.tunnel, node.blocks, node.tunnel_mac) for node in state.nodes} == {
        node.name: (node.address, node.tunnel_address, (node.block,), node.tunnel_mac) for node in plan.plan().nodes
    }


def test_recorded_settings_are_the_defaults(state: cluster.Cluster) -> None:
    """A cluster that was never configured runs on the defaults."""
    assert state.settings == cluster.Settings()
    assert state.pools == (cluster.Pool(cidr=plan.POD_NETWORK, nat_outgoing=True),)


def test_settings_are_read_as_calico_reads_them(objects: Objects) -> None:
    """Every field that the lab obeys is taken from FelixConfiguration, the service mode in any case."""
    objects[cluster.FELIX_CONFIGURATIONS][0]["spec"] = {
        "bpfEnabled": True,
        "bpfExternalServiceMode": "dsr",
        "bpfConnectTimeLoadBalancing": "Disabled",
        "bpfHostNetworkedNATWithoutCTLB": "Disabled",
        "bpfKubeProxyIptablesCleanupEnabled": False,
        "iptablesRefreshInterval": "3m",
        "nftablesMode": "Enabled",
        "vxlanPort": 4790,
        "vxlanVNI": 4097,
        "healthPort": 9098,
    }
    assert cluster.cluster(objects).settings == cluster.Settings(
        bpf_enabled=True,
        bpf_ahead=True,
        service_mode="DSR",
        load_balancing="Disabled",
        host_nat_without_ctlb=False,
        cleanup_kube_proxy=False,
        refresh_s=180.0,
        vxlan_port=4790,
        vxlan_vni=4097,
        health_port=9098,
    )


def test_no_configuration_means_the_defaults(objects: Objects) -> None:
    """Before the operator has written one, felix runs on the defaults."""
    objects[cluster.FELIX_CONFIGURATIONS].clear()
    assert cluster.cluster(objects).settings == cluster.Settings()


def test_node_without_address_is_left_out(objects: Objects) -> None:
    """A node that has not reported yet cannot be routed to."""
    objects[cluster.NODES][1]["status"]["addresses"] = []
    assert [node.name for node in cluster.cluster(objects).nodes] == ["kind-control-plane", "kind-worker2"]


def test_block_being_given_up_is_left_out(objects: Objects) -> None:
    """Only confirmed blocks that are not being deleted have pods."""
    objects[cluster.BLOCK_AFFINITIES][0]["spec"]["deleted"] = "true"
    objects[cluster.BLOCK_AFFINITIES][1]["spec"]["state"] = "pending"
    assert [node.blocks for node in cluster.cluster(objects).nodes] == [
        (),
        (),
        (ipaddress.IPv4Network("10.244.110.128/26"),),
    ]


def test_object_of_another_form_is_one_error(objects: Objects) -> None:
    """A field of another type is reported as what it is, not as a crash."""
    objects[cluster.IP_POOLS][0]["spec"]["cidr"] = "everything"
    with pytest.raises(errors.ParseError, match="everything"):
        cluster.cluster(objects)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("3m", 180.0), ("250ms", 0.25), ("1h", 3600.0), (None, 7.0), ("", 7.0)]
)
def test_duration_is_read_in_seconds(text: str | None, seconds: float) -> None:
    """Go's durations of one unit are understood; an absent one is the default."""
    assert cluster.duration_s(text, 7.0) == seconds
