"""What Calico's own dumps of a node's BPF maps say, and that nothing else is taken for one."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from harness.core import errors
from harness.dataplane import bpf_dumps

NODE = ip_address("172.18.0.2")
NAT = """\
10.96.64.51 port 80 proto 6 id 0 count 1 local 0
\t0:0\t 10.244.162.134:80
172.18.0.2 port 30180 proto 6 id 0 count 1 local 0
172.18.0.2 port 30181 proto 6 id 10 count 1 local 0 flags external-local, internal-local
172.18.0.2 port 30200 proto 17 id 11 count 1 local 0
10.244.82.0 port 30300 proto 6 id 0 count 1 local 0
255.255.255.255 port 30301 proto 6 id 0 count 1 local 0
"""
ABSENT = (
    "2026-11-23 05:29:46.116 [ERROR][4033] node/nat.go 73: Failed error=stat /sys/fs/x: no such file or directory\n"
)
LAB_ABSENT = "nat dump: there are no BPF maps; this node is not in eBPF mode\n"
IFSTATE = """\
   19 : {flags: v4Ready,host, XDPPolicyV4: 2, EgressFilter: -1, name: bpfout.cali}
    2 : {flags: workload,v4Ready, XDPPolicyV4: -1, IngressFilter: -1, name: calib7a1a6eb420}
    3 : {flags: workload, XDPPolicyV4: -1, IngressFilter: -1, name: cali1f355f14197}
"""
CONNTRACK = """\
TCP 172.18.0.5:44434 -> 172.18.0.2:30180 -> 10.244.162.134:80 external client  Active ago 1m23.7906257s CLOSED
UDP 10.244.162.134:59506 -> 10.96.0.10:53  Active ago 35.997875925s
"""


def test_the_nodes_own_tcp_ports_are_named() -> None:
    """UDP, tunnel addresses and the wildcard are not what an external client dials."""
    assert bpf_dumps.node_ports(NAT, NODE) == {30180, 30181}
    assert bpf_dumps.node_ports(NAT, ip_address("10.244.82.0")) == {30300}


def test_an_entry_is_read_whole() -> None:
    """Backends, how many of them are local, and the policies."""
    entry = next(item for item in bpf_dumps.frontends(NAT) if item.port == 30181)
    assert (entry.count, entry.local, sorted(entry.flags)) == (1, 0, ["external-local", "internal-local"])


def test_interfaces_have_their_flags() -> None:
    """A device that is listed without ``v4Ready`` has no program in force yet."""
    assert bpf_dumps.interfaces(IFSTATE) == {
        "bpfout.cali": {"v4Ready", "host"},
        "calib7a1a6eb420": {"workload", "v4Ready"},
        "cali1f355f14197": {"workload"},
    }


@pytest.mark.parametrize("text", [ABSENT, LAB_ABSENT])
def test_maps_that_are_not_there_translate_nothing(text: str) -> None:
    """That is what it is in iptables mode and after the way back."""
    assert bpf_dumps.node_ports(text, NODE) == frozenset()
    assert bpf_dumps.interfaces(text) == {}
    assert not bpf_dumps.has_connection(text, (NODE, 1), (NODE, 2))


@pytest.mark.parametrize(
    "text", ["", "\n", "Usage of calico-node:\n  -bpf\n", NAT[:100] + "cut", "Error: permission denied"]
)
def test_what_is_no_dump_is_an_error(text: str) -> None:
    """It must not be read as a node without maps: that would prove iptables mode out of nothing."""
    with pytest.raises(errors.ParseError, match="nat dump"):
        bpf_dumps.node_ports(text, NODE)
    with pytest.raises(errors.ParseError, match="ifstate dump"):
        bpf_dumps.interfaces(text)


def test_a_probes_own_connection_is_found_exactly() -> None:
    """By both ends and their ports; another port, or the way back, is another connection."""
    client, node = (ip_address("172.18.0.5"), 44434), (NODE, 30180)
    assert bpf_dumps.has_connection(CONNTRACK, client, node)
    assert not bpf_dumps.has_connection(CONNTRACK, (client[0], 4443), node)
    assert not bpf_dumps.has_connection(CONNTRACK, node, client)
    assert not bpf_dumps.has_connection(CONNTRACK, client, (NODE, 3018))
