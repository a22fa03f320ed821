"""A node's devices, settings and connect-time programs."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest

from harness.core import errors
from harness.dataplane import node_state

ADDRESS = ip_address("172.18.0.3")


def link(name: str, *addresses: str, state: str = "UP", **data: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """One device as ``ip -d -j addr show`` prints it."""
    info = {"linkinfo": {"info_kind": "vxlan", "info_data": data}} if data else {}
    return {"ifname": name, "operstate": state, "addr_info": [{"local": item} for item in addresses], **info}


def devices(*links: dict[str, Any]) -> node_state.Devices:
    """What these devices are read as."""
    return node_state.devices(json.dumps(links), ADDRESS)


def test_a_packets_way_is_watched() -> None:
    """The device that has the node's address whatever its name, pods that are up, and the tunnel; nothing else."""
    found = devices(
        link("lo", "127.0.0.1"),
        link("bond0", "172.18.0.3"),
        link("eth1", "10.0.0.1"),
        link("cali1"),
        link("cali2", state="DOWN"),
        link("bpfin.cali"),
        link("vxlan.calico", "10.244.0.0", external=True, id=0),
    )
    assert found.watched == {"bond0", "cali1", "vxlan.calico"}
    assert found.tunnel == "external"
    assert not found.pair


def test_the_tunnels_mode_is_told() -> None:
    """eBPF mode makes it flow-based; iptables mode gives it an identifier; and a pool may be without one."""
    assert devices(link("vxlan.calico", id=4096, local="172.18.0.3")).tunnel == "id 4096"
    assert devices(link("eth0", "172.18.0.3")).tunnel == "none"
    assert devices(link("eth0", "172.18.0.3")).watched == {"eth0"}


def test_the_pair_is_both_ends() -> None:
    """One of the two devices alone forwards nothing."""
    assert devices(link("bpfin.cali"), link("bpfout.cali")).pair
    assert not devices(link("bpfout.cali")).pair


@pytest.mark.parametrize("text", ["", "{", "[1]", '["x"]', '[{"ifname": "vxlan.calico"}]', "bash: ip: not found"])
def test_what_is_no_list_of_devices_is_an_error(text: str) -> None:
    """It is never read as a node without devices."""
    with pytest.raises(errors.ParseError, match="addr show"):
        node_state.devices(text, ADDRESS)


def test_settings_are_read_from_either_form() -> None:
    """As sysctl prints them, and as grep does over the files below /proc/sys."""
    said = "net.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.bpfin/cali.rp_filter = 0\n"
    found = node_state.settings(said + "/proc/sys/net/ipv4/conf/eth0/rp_filter:2\n")
    assert found == {"all.rp_filter": 0, "bpfin/cali.rp_filter": 0, "eth0.rp_filter": 2}
    assert node_state.changed(found) == {"all.rp_filter": 0, "eth0.rp_filter": 2}
    assert node_state.changed({"all.rp_filter": 1, "eth0.rp_filter": 0}) == {}
    assert node_state.changed({}) == {}


def test_connect_time_programs_are_listed_by_name() -> None:
    """Others' programs in the same cgroup are not the dataplane's."""
    said = (
        "ID       AttachType      AttachFlags     Name\n"
        "9985     cgroup_inet4_connect multi           calico_connect_v4\n"
        "12       cgroup_device   multi           sd_devices\n"
    )
    assert node_state.connect_programs(said) == {"calico_connect_v4"}
    assert node_state.connect_programs("") == frozenset()
