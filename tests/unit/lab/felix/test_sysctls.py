"""Kernel settings, held against the recorded nodes."""

from __future__ import annotations

import re

import pytest

from harness.lab.felix import sysctls
from tests import recordings
from tests.unit.lab.felix.conftest import RECORDED_NODES

RECORDED_NAMES = ("rp_filter", "accept_local", "route_localnet")


def recorded(phase: str, node: str) -> sysctls.Settings:
    """The recorded settings of a node, by their path below /proc/sys."""
    text = (recordings.path() / "nodes" / phase / node / "sysctl.txt").read_text()
    # sysctl(8) writes a dot within a device's name as a slash.
    pairs = (line.split(" = ") for line in text.splitlines())
    return {name.translate(str.maketrans("./", "/.")): value for name, value in pairs}


def devices(settings: sysctls.Settings) -> list[str]:
    """The devices that the recorded settings are of."""
    found = {match[1] for name in settings if (match := re.match(r"net/ipv4/conf/([^/]+)/", name))}
    return sorted(found - {"all", "default"})


@pytest.mark.parametrize("node", RECORDED_NODES)
@pytest.mark.parametrize(("phase", "bpf"), [("iptables", False), ("ebpf", True)])
def test_settings_equal_the_recorded_ones(phase: str, bpf: bool, node: str) -> None:
    """Whatever felix sets and the recording has, they agree on."""
    real = recorded(phase, node)
    mine = {
        name: value
        for name, value in sysctls.wanted(devices(real), bpf=bpf).items()
        if name.rpartition("/")[2] in RECORDED_NAMES
    }
    assert len(mine) >= 4
    assert mine == {name: real[name] for name in mine}


def test_way_back_leaves_the_recorded_traces() -> None:
    """After eBPF mode and back, the loose reverse path filter of the node itself is still there."""
    names = ["lo", "eth0", "vxlan.calico", "cali0cb172fd87e"]
    real = recorded("reverted", "kind-worker")
    left = {
        name: recorded("iptables", "kind-worker")[name]
        for name in real
        if name.rpartition("/")[2] in RECORDED_NAMES and name.split("/")[3] in (*names, "all")
    }
    left |= sysctls.wanted(names, bpf=True)
    left |= sysctls.wanted(names, bpf=False)
    assert {name: left[name] for name in left if name in real} == {name: real[name] for name in left if name in real}
