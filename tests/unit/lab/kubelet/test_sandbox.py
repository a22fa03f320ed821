"""A pod's network, as text for ``ip`` and as names."""

from __future__ import annotations

import ipaddress
import json

import pytest

from harness.core import errors
from harness.lab.kubelet import sandbox
from tests import recordings

BLOCK = ipaddress.IPv4Network("10.244.162.128/26")
MADE = sandbox.Sandbox(namespace="pod-1", address=BLOCK[1], link="cali0123456789a")


def test_link_names_are_calicos() -> None:
    """Every recorded pod's address is routed to the link that the name's hash gives."""
    pods = json.loads((recordings.path() / "api" / "iptables" / "pods.json").read_text())["items"]
    routes = json.loads((recordings.path() / "nodes" / "iptables" / "kind-worker" / "ip-route.json").read_text())
    links = {route["dst"]: route["dev"] for route in routes if route.get("dev", "").startswith("cali")}
    checked = 0
    for pod in pods:
        address = pod.get("status", {}).get("podIP", "")
        if address in links:
            assert sandbox.link_name(pod["metadata"]["namespace"], pod["metadata"]["name"]) == links[address]
            checked += 1
    assert checked >= 3


def test_addresses_start_after_the_tunnels() -> None:
    """The block's first address is never a pod's; the lowest free one is next, and one given back is free."""
    addresses = sandbox.Addresses(BLOCK)
    assert [addresses.take(), addresses.take()] == [BLOCK[1], BLOCK[2]]
    addresses.give_back(BLOCK[1])
    assert [addresses.take(), addresses.take()] == [BLOCK[1], BLOCK[3]]


def test_a_full_block_is_an_error() -> None:
    """63 pods fit, and the next is told so."""
    addresses = sandbox.Addresses(BLOCK)
    assert len({addresses.take() for _ in range(63)}) == 63
    with pytest.raises(errors.HarnessError, match="no free address"):
        addresses.take()


def test_the_wire_is_calicos() -> None:
    """MAC of the host end and MTU are as recorded, and the pod's routes go by the gateway that nobody has."""
    assert "address ee:ee:ee:ee:ee:ee mtu 1450 type veth peer name eth0 mtu 1450 netns pod-1" in sandbox.render_wire(
        MADE
    )
    assert sandbox.render_inside(MADE).splitlines()[-3:] == [
        "addr add 10.244.162.129/32 dev eth0",
        "route add 169.254.1.1 dev eth0 scope link",
        "route add default via 169.254.1.1 dev eth0",
    ]


def test_kernel_settings_are_as_recorded() -> None:
    """What the recorded node had for its pods' links."""
    lines = (recordings.path() / "nodes" / "iptables" / "kind-worker" / "sysctl.txt").read_text().splitlines()
    link = next(line.split(".")[3] for line in lines if ".cali" in line)
    recorded = dict(line.split(" = ") for line in lines if f".{link}." in line)
    ours = sandbox.host_settings(link)
    for name in set(ours) & set(recorded):
        assert ours[name] == recorded[name]
    assert len(set(ours) & set(recorded)) == 2
