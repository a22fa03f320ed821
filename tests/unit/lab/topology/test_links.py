"""The lab's wires, as text for ``ip``."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from harness.lab.topology import links


def test_every_host_has_a_port() -> None:
    """One veth a host, with Docker's MAC inside, on one bridge that has the gateway's address."""
    lines = links.render_bridge({"kind-worker": IPv4Address("172.18.0.3"), "client": IPv4Address("172.18.0.5")})
    assert lines.splitlines()[1:] == [
        "link add br-kind type bridge forward_delay 0 stp_state 0",
        "addr add 172.18.0.1/16 dev br-kind",
        "link set br-kind up",
        "link add port0 type veth peer name eth0 address 02:42:ac:12:00:03 netns kind-worker",
        "link set port0 master br-kind up",
        "link add port1 type veth peer name eth0 address 02:42:ac:12:00:05 netns client",
        "link set port1 master br-kind up",
    ]


def test_a_host_has_docker_s_routes() -> None:
    """An address of the bridge's network and the gateway as default route."""
    lines = links.render_host(IPv4Address("172.18.0.3")).splitlines()
    assert lines[2:] == ["addr add 172.18.0.3/16 brd + dev eth0", "route add default via 172.18.0.1 dev eth0"]


def test_settings_are_written_where_the_kernel_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dot in a device's name is no level, and a setting that this kernel lacks is left out."""
    file = tmp_path / "net" / "ipv4" / "conf" / "eth0.100" / "rp_filter"
    file.parent.mkdir(parents=True)
    file.write_text("0")
    monkeypatch.setattr(links, "SETTINGS", tmp_path)
    links.write_settings({"net.ipv4.conf.eth0/100.rp_filter": "1", "net.ipv6.conf.all.disable_ipv6": "1"})
    assert file.read_text() == "1"
    assert not (tmp_path / "net" / "ipv6").exists()
