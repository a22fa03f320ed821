"""What felix hands to the eBPF dataplane, and what it makes of a refusal."""

from __future__ import annotations

import dataclasses
import ipaddress
from pathlib import Path

import pytest

from harness.core import errors
from harness.lab.bpf import contents, dataplane, kernel, layouts
from harness.lab.felix import cluster, ebpf, flows, workloads


def test_view_has_the_nodes_pods_and_pools(state: cluster.Cluster) -> None:
    """Everything that decides about a packet is handed over, in the dataplane's own types."""
    pod = workloads.Pod("cali0123456789a", ipaddress.IPv4Address("10.244.162.129"))
    view = ebpf.view(state, (pod,))
    assert [(node.name, str(node.address), str(node.tunnel_address)) for node in view.nodes] == [
        ("kind-control-plane", "172.18.0.2", "10.244.82.0"),
        ("kind-worker", "172.18.0.3", "10.244.162.128"),
        ("kind-worker2", "172.18.0.4", "10.244.110.128"),
    ]
    assert view.local_pods == (contents.LocalPod(ip=pod.address, ifname=pod.device),)
    assert view.pools == (contents.Pool(cidr=ipaddress.IPv4Network("10.244.0.0/16"), nat_outgoing=True),)
    assert view.ports == state.services


def test_settings_are_handed_over() -> None:
    """The fields that the programs obey are FelixConfiguration's."""
    asked = cluster.Settings(service_mode="DSR", load_balancing="Disabled", vxlan_vni=7, vxlan_port=8)
    assert ebpf.settings(asked) == contents.Settings(
        external_service_mode="DSR", connect_time="Disabled", vxlan_vni=7, vxlan_port=8
    )


def test_datagrams_under_way_are_told_as_translated() -> None:
    """Streams, replies and what another node translates are left out."""
    client, node, pod = (ipaddress.IPv4Address(text) for text in ("172.18.0.5", "172.18.0.3", "10.244.162.129"))

    def entry(protocol: str, port: int, flags: int) -> tuple[bytes, bytes]:
        number = layouts.PROTOCOLS[protocol]
        key = layouts.Tuple(client, node, port, 30300, number)
        flow = layouts.Flow(
            created_ns=1,
            seen_ns=1,
            source=client,
            destination=pod,
            source_port=port,
            destination_port=8080,
            tunnel=layouts.NOWHERE,
            kind=layouts.FORWARD,
            flags=flags,
            tcp=0,
            tcp_other=0,
        )
        return key.pack(), flow.pack()

    table = dict([entry("UDP", 40000, 0), entry("UDP", 40001, layouts.ENCAP), entry("TCP", 40002, 0)])
    assert list(ebpf.datagrams(table)) == [flows.Flow(client, 40000, pod, 8080)]


def test_retired_settings_are_the_same_but_for_that() -> None:
    """What is under way still needs everything that the programs know of their node."""
    known = layouts.SettingsValue(
        host_address=ipaddress.IPv4Address("172.18.0.3"),
        tunnel_address=ipaddress.IPv4Address("10.244.162.128"),
        host_ifindex=2,
        tunnel_ifindex=7,
        flags=layouts.SETTING_DSR,
        overlay_vni=4096,
        tunnel_mtu=1450,
        host_mac=bytes.fromhex("024200000003"),
    )
    wanted = dataclasses.replace(known, flags=layouts.SETTING_DSR | layouts.SETTING_RETIRED)
    assert layouts.SettingsValue.unpack(ebpf.retired(known.pack())) == wanted


def test_nothing_is_under_way_where_nothing_was(tmp_path: Path) -> None:
    """A node that was never in eBPF mode has no maps."""
    assert ebpf.Dataplane("kind-worker", bpffs=tmp_path, cgroup=tmp_path).retire() == ()


@pytest.mark.parametrize(
    "refusal", [errors.CapabilityMissing("libbpf", "no such file", "install it"), kernel.KernelError("load", 1)]
)
def test_refusal_is_a_reason(refusal: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the programs cannot be loaded, felix says why and leaves nothing half loaded."""
    stopped: list[bool] = []

    def refuse(_self: dataplane.Dataplane) -> None:
        raise refusal

    monkeypatch.setattr(dataplane.Dataplane, "prepare", refuse)
    monkeypatch.setattr(dataplane.Dataplane, "stop", lambda _self: stopped.append(True))
    assert ebpf.Dataplane("kind-worker", bpffs=tmp_path, cgroup=tmp_path).unsupported() == str(refusal)
    assert stopped == [True]


def test_nothing_is_stopped_where_nothing_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that was never in eBPF mode does not even load what would stop it."""
    monkeypatch.setattr(dataplane.Dataplane, "stop", lambda _self: pytest.fail("stopped"))
    ebpf.Dataplane("kind-worker", bpffs=tmp_path / "none", cgroup=tmp_path).stop()


def test_what_an_earlier_felix_left_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins tell that an earlier process was ended in eBPF mode."""
    stopped: list[bool] = []
    (tmp_path / "maps").mkdir()
    monkeypatch.setattr(dataplane.Dataplane, "stop", lambda _self: stopped.append(True))
    ebpf.Dataplane("kind-worker", bpffs=tmp_path, cgroup=tmp_path).stop()
    assert stopped == [True]
