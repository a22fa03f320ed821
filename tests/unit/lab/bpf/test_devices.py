"""The tunnel device of eBPF mode, as commands."""

from __future__ import annotations

import json

from harness.lab.bpf import devices
from tests import recordings
from tests.unit.lab.bpf import clusters


def test_an_old_device_is_replaced_with_all_that_was_on_it() -> None:
    """Routes and neighbours vanish with a device, so they come with the new one."""
    commands = list(devices.tunnel_commands(clusters.cluster(), clusters.ONE, port=4789, mtu=1500, present=True))
    assert commands == [
        "link del vxlan.calico",
        "link add vxlan.calico address 66:00:ac:12:00:02 mtu 1500 type vxlan external dstport 4789 nolearning udpcsum",
        "link set vxlan.calico addrgenmode none",
        "addr add 10.244.1.0/32 dev vxlan.calico",
        "link set vxlan.calico up",
        "neigh replace 10.244.2.0 lladdr 66:00:ac:12:00:03 nud permanent dev vxlan.calico",
        "route replace 10.244.2.0/26 via 10.244.2.0 dev vxlan.calico onlink mtu 1450",
    ]


def test_recorded_devices_are_told_apart() -> None:
    """eBPF mode's device is external, iptables mode's is not."""
    for phase, external in (("ebpf", True), ("iptables", False), ("reverted", False)):
        listing = json.loads((recordings.path() / "nodes" / phase / "kind-worker" / "ip-link.json").read_text())
        (tunnel,) = (link for link in listing if link["ifname"] == devices.TUNNEL)
        assert devices.is_external(tunnel, 4789) is external
    assert not devices.is_external(None, 4789)
