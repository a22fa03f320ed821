"""A node's sockets, read from what its kernel prints."""

from __future__ import annotations

from ipaddress import ip_address

from harness.checks.environment import look, reading, sockets, texts, way
from harness.checks.environment.seen import Way
from harness.model import cells
from tests import builders

# A kubelet and a kube-proxy on every address, felix on loopback only, an API server on the node's own, and two peers.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:238B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 030012AC:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 030012AC:192B 020012AC:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   3: 00000000:75E4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
/proc/net/tcp6:   0: 00000000000000000000000000000000:2810 00000000000000000000000000000000:0000 0A 0:0 0:0 0
/proc/net/tcp6:   1: 0000000000000000FFFF0000030012AC:2810 0000000000000000FFFF0000050012AC:A001 01 0:0 0:0 0
"""
WORKER = builders.known().node("kind-worker")
CLIENT, GATEWAY = ip_address("172.18.0.5"), ip_address("172.18.0.1")


def established(address: str, far_port: int) -> sockets.Socket:
    """A peer of kube-proxy's health port."""
    return sockets.Socket(local=(WORKER.address, 10256), remote=(ip_address(address), far_port), listens=False)


def test_both_families_are_read_and_mapped_addresses_unwrapped() -> None:
    """Every line but the head's, with or without the file's name before it."""
    found = sockets.parse(TCP)
    assert [item.listens for item in found] == [True, True, False, True, True, False]
    assert found[1].local == (WORKER.address, 6443)
    assert found[-1] == sockets.Socket(local=(WORKER.address, 0x2810), remote=(CLIENT, 0xA001), listens=False)


def test_a_port_of_the_nodes_own_is_dialled_likely_ones_first() -> None:
    """Neither what listens on loopback only, nor a port that a Service translates."""
    found = sockets.parse(TCP)
    assert sockets.own_ports(found, WORKER, {0x75E4}) == (10256, 6443)
    assert sockets.own_ports(found, WORKER, set()) == (10256, 6443, 0x75E4)


def test_the_peer_is_told_by_the_clients_port_or_by_being_new() -> None:
    """A masquerade that changes the port too is seen as the only new peer."""
    old = established("172.18.0.7", 40000)
    direct = (old, established("172.18.0.5", 41000), established("172.18.0.9", 5))
    assert sockets.peers([old], direct, 10256, 41000) == {CLIENT}
    assert sockets.peers([old], (old, established("172.18.0.1", 777)), 10256, 41000) == {GATEWAY}
    assert sockets.peers([old], (old,), 10256, 41000) == frozenset()


def test_a_way_is_what_the_first_port_that_took_a_connection_shows() -> None:
    """And no way if none did."""
    reply = cells.Reply(status=None, silence=None, error="no HTTP", local=(CLIENT, 41000))
    found = way.way_from(WORKER, ((10256, reply),), (), (established("172.18.0.1", 41000),))
    assert found == Way(node="kind-worker", port=10256, local=CLIENT, saw=frozenset({GATEWAY}))
    assert way.way_from(WORKER, (), (), ()).port == 0


def test_the_forward_policy_is_that_of_the_filter_table() -> None:
    """mangle has a chain of that name too."""
    rules = "*mangle\n:FORWARD ACCEPT [9:9]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [12:720]\nCOMMIT\n"
    assert texts.forward_policy(rules) == ("DROP", 12)
    assert texts.forward_policy("*nat\n:PREROUTING ACCEPT [0:0]\n") == ("", 0)


def test_the_clock_is_the_boot_time_and_the_time_since() -> None:
    """Seconds since 1970; nothing if one of them is missing."""
    text = "/proc/uptime:100.25 7.00\n/proc/stat:cpu 1 2\n/proc/stat:btime 1700000000\n"
    assert texts.clock_s(text) == 1700000100.75
    assert texts.clock_s("/proc/uptime:100.25 7.00\n") is None


def test_a_node_that_can_not_be_asked_says_so() -> None:
    """No agent, or an agent that could not run something."""
    nobody = reading.node_seen(WORKER, {}, {}, frozenset())
    assert nobody.trouble == "no calico-node pod is running on it"
    failed = {reading.RULES: reading.Said(trouble="iptables-save: 500"), reading.KERNEL: reading.Said(text="x")}
    assert reading.node_seen(WORKER, {}, failed, frozenset()).trouble == "iptables-save: 500"


def test_the_environment_of_a_machine_and_of_a_pod_is_read_by_its_variables() -> None:
    """Names in either case, and a bank's pod must reach the next one."""
    assert look.proxies("here", {"HTTPS_PROXY": "p", "HOME": "/"}, ("a",)).variables == {"https_proxy": "p"}
    env = [{"name": "SUMMARY_URL", "value": "summary.bank"}, {"name": "http_proxy", "value": "p"}]
    pod = {"metadata": {"namespace": "bank", "name": "customer-1"}, "spec": {"containers": [{"env": env}]}}
    found = look.of_pod(pod)
    assert (found.where, found.targets, found.variables) == (
        "pod bank/customer-1",
        ("summary.bank",),
        {"http_proxy": "p"},
    )
