"""kube-proxy's rules, branch by branch; the recordings hold the common ones, here are the rare."""

from __future__ import annotations

import pytest

from harness.lab import services
from harness.lab.proxy import options, render
from tests.unit.lab.proxy import objects

HASH = "67NZLRHBNDSAWJRO"
TWO = (objects.endpoint("10.244.0.1", "here"), objects.endpoint("10.244.1.1", "there"))
FAR = objects.endpoint("10.244.1.1", "there")


def chain(kind: str) -> str:
    """The name of a chain of the service port ``shop/web:http``."""
    return f"KUBE-{kind}-{HASH}"


def test_a_cluster_ip_is_dispatched_and_foreign_clients_masqueraded() -> None:
    """A ClusterIP has an entry, a chain that masquerades what is no pod, and its endpoints by chance."""
    nat = objects.rules_for(objects.service(), *TWO)["nat"]
    to_service = '-d 10.96.0.10/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80'
    assert nat["KUBE-SERVICES"][0] == f"{to_service} -j {chain('SVC')}"
    masquerade, first, last = nat[chain("SVC")]
    assert masquerade == f"! -s 10.244.0.0/16 {to_service} -j KUBE-MARK-MASQ"
    assert '-m comment --comment "shop/web:http -> 10.244.0.1:8080" -m statistic --mode random' in first
    assert last.startswith('-m comment --comment "shop/web:http -> 10.244.1.1:8080" -j KUBE-SEP-')


def test_without_a_cluster_cidr_pods_are_told_from_nobody() -> None:
    """No rule depends on the pods' network, so ClusterIPs are not masqueraded and pods get no short circuit."""
    config = options.Options(cluster_cidr="")
    nat = objects.rules_for(objects.node_port(externalTrafficPolicy="Local"), *TWO, config=config)["nat"]
    assert not any("10.244.0.0/16" in rule for found in nat.values() for rule in found)
    assert [rule.split()[-1] for rule in nat[chain("EXT")]] == ["KUBE-MARK-MASQ", chain("SVC"), chain("SVL")]


def test_masquerade_all_masquerades_pods_too() -> None:
    """With masqueradeAll the rule has no source."""
    nat = objects.rules_for(objects.service(), *TWO, config=options.Options(masquerade_all=True))["nat"]
    assert nat[chain("SVC")][0].startswith("-d 10.96.0.10/32 ")


def test_external_addresses_are_entries_of_their_own() -> None:
    """External and load balancer addresses lead to the external chain, which masquerades."""
    item = objects.balanced("192.0.2.1", "192.0.2.2", externalIPs=["198.51.100.1", "2001:db8::1"])
    nat = objects.rules_for(item, *TWO)["nat"]
    assert [rule.split()[1] for rule in nat["KUBE-SERVICES"][:-1]] == [
        "10.96.0.10/32",
        "198.51.100.1/32",
        "192.0.2.1/32",
        "192.0.2.2/32",
    ]
    assert [rule.split()[-1] for rule in nat["KUBE-SERVICES"][1:-1]] == [chain("EXT")] * 3
    assert '"shop/web:http external IP"' in nat["KUBE-SERVICES"][1]
    assert '"shop/web:http loadbalancer IP"' in nat["KUBE-SERVICES"][2]


def test_a_load_balancer_that_translates_by_itself_has_no_rules() -> None:
    """An ingress address of mode Proxy never arrives at a node."""
    assert chain("EXT") not in objects.rules_for(objects.balanced("192.0.2.1", ip_mode="Proxy"), *TWO)["nat"]


def test_source_ranges_guard_the_load_balancer_only() -> None:
    """What comes from elsewhere falls through the guard's chain and is dropped in the filter table."""
    item = objects.balanced("192.0.2.1", loadBalancerSourceRanges=[" 203.0.113.7/24", "2001:db8::/32"])
    tables = objects.rules_for(item, *TWO)
    why = '-m comment --comment "shop/web:http loadbalancer IP"'
    assert tables["nat"]["KUBE-SERVICES"][1].endswith(f"-j {chain('FW')}")
    assert tables["nat"][chain("FW")] == [
        f"-s 203.0.113.0/24 {why} -j {chain('EXT')}",
        '-m comment --comment "other traffic to shop/web:http will be dropped by KUBE-PROXY-FIREWALL"',
    ]
    (drop,) = tables["filter"]["KUBE-PROXY-FIREWALL"]
    assert drop == (
        f'-d 192.0.2.1/32 -p tcp -m comment --comment "shop/web:http traffic not accepted by {chain("FW")}"'
        " -m tcp --dport 80 -j DROP"
    )


def test_a_source_range_with_this_node_lets_the_balancers_own_address_in() -> None:
    """The node calls from the balancer's address when it has that address itself."""
    item = objects.balanced("192.0.2.1", loadBalancerSourceRanges=["172.18.0.0/16"])
    found = objects.rules_for(item, *TWO)["nat"][chain("FW")]
    assert [rule.split()[1] for rule in found[:2]] == ["172.18.0.0/16", "192.0.2.1/32"]


def test_no_endpoint_rejects_at_every_entry() -> None:
    """ClusterIP, external address, balancer's address and node port are all refused, and nothing is translated."""
    item = objects.node_port(type="LoadBalancer", externalIPs=["198.51.100.1"])
    item["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    tables = objects.rules_for(item)
    reject = "-j REJECT --reject-with icmp-port-unreachable"
    why = '-m comment --comment "shop/web:http has no endpoints"'
    assert tables["filter"]["KUBE-SERVICES"] == [f"-d 10.96.0.10/32 -p tcp {why} -m tcp --dport 80 {reject}"]
    assert tables["filter"]["KUBE-EXTERNAL-SERVICES"] == [
        f"-d 198.51.100.1/32 -p tcp {why} -m tcp --dport 80 {reject}",
        f"-d 192.0.2.1/32 -p tcp {why} -m tcp --dport 80 {reject}",
        f"-p tcp {why} -m addrtype --dst-type LOCAL -m tcp --dport 30080 {reject}",
    ]
    assert not [name for name in tables["nat"] if HASH in name]
    assert tables["nat"]["KUBE-NODEPORTS"] == []


def test_external_policy_local_without_a_local_endpoint_drops_what_comes_from_outside() -> None:
    """Pods and the node itself still reach the other nodes' endpoints."""
    tables = objects.rules_for(objects.node_port(externalTrafficPolicy="Local"), FAR)
    assert tables["filter"]["KUBE-EXTERNAL-SERVICES"] == [
        '-p tcp -m comment --comment "shop/web:http has no local endpoints" -m addrtype --dst-type LOCAL'
        " -m tcp --dport 30080 -j DROP"
    ]
    assert [rule.split()[-1] for rule in tables["nat"][chain("EXT")]] == [chain("SVC"), "KUBE-MARK-MASQ", chain("SVC")]
    assert chain("SVL") not in tables["nat"]


def test_internal_policy_local_goes_to_the_local_chain() -> None:
    """The ClusterIP leads to this node's endpoints only, and no other has a chain."""
    nat = objects.rules_for(objects.service(internalTrafficPolicy="Local"), *TWO)["nat"]
    assert nat["KUBE-SERVICES"][0].endswith(f"-j {chain('SVL')}")
    assert len(nat[chain("SVL")]) == 2
    assert chain("SVC") not in nat
    assert len([name for name in nat if name.startswith("KUBE-SEP-")]) == 1


def test_internal_policy_local_without_a_local_endpoint_drops() -> None:
    """The ClusterIP is dropped, while the node port goes on as its own policy says."""
    tables = objects.rules_for(objects.node_port(internalTrafficPolicy="Local"), FAR)
    assert tables["filter"]["KUBE-SERVICES"][0].endswith("-j DROP")
    assert [rule.split()[-1] for rule in tables["nat"][chain("EXT")]] == ["KUBE-MARK-MASQ", chain("SVC")]
    assert len(tables["nat"][chain("SVC")]) == 1


def test_affinity_asks_every_memory_before_it_throws_dice() -> None:
    """Each endpoint's memory is asked first, and each endpoint notes who came."""
    item = objects.service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
    nat = objects.rules_for(item, *TWO)["nat"]
    _, *found = nat[chain("SVC")]
    assert ["recent" in rule for rule in found] == [True, True, False, False]
    first = found[0].split()[-1]
    assert found[0].endswith(
        f"-m recent --rcheck --seconds 60 --reap --name {first} --mask 255.255.255.255 --rsource -j {first}"
    )
    assert nat[first][1] == (
        '-p tcp -m comment --comment "shop/web:http"'
        f" -m recent --set --name {first} --mask 255.255.255.255 --rsource -m tcp"
        " -j DNAT --to-destination 10.244.0.1:8080"
    )


def test_affinity_lasts_three_hours_unless_it_says_otherwise() -> None:
    """The API's own default is 10800 seconds."""
    nat = objects.rules_for(objects.service(sessionAffinity="ClientIP"), *TWO)["nat"]
    assert "--seconds 10800 " in nat[chain("SVC")][1]


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_other_protocols_have_matches_of_their_own(protocol: str) -> None:
    """UDP and SCTP are matched by their own names."""
    item = objects.service(ports=[{"name": "http", "port": 80, "protocol": protocol}])
    slices = [objects.endpoint_slice(*TWO, ports=[{"name": "http", "port": 8080, "protocol": protocol}])]
    found = render.ruleset(services.service_ports([item], slices), objects.HERE, options.Options()).table("nat")
    small = protocol.lower()
    assert f"-p {small} " in found["KUBE-SERVICES"][0]
    assert f"-m {small} --dport 80" in found["KUBE-SERVICES"][0]
    translations = [rule for name in found if name.startswith("KUBE-SEP-") for rule in found[name] if "DNAT" in rule]
    assert all(f"-m {small} -j DNAT" in rule for rule in translations)
    assert len(translations) == 2


def test_a_health_check_port_is_open_on_every_node() -> None:
    """A balancer may ask a node without endpoints."""
    item = objects.balanced("192.0.2.1", externalTrafficPolicy="Local", healthCheckNodePort=32000)
    assert objects.rules_for(item, FAR)["filter"]["KUBE-NODEPORTS"] == [
        '-p tcp -m comment --comment "shop/web:http health check node port" -m tcp --dport 32000 -j ACCEPT'
    ]


def test_without_counters_nothing_is_counted() -> None:
    """A kernel without nfacct gets no rule of its own for 127.0.0.1 and plain drops."""
    tables = objects.rules_for(objects.node_port(), *TWO, config=options.Options(counters=frozenset()))
    assert len(tables["nat"]["KUBE-NODEPORTS"]) == 1
    assert tables["filter"]["KUBE-FORWARD"][0] == "-m conntrack --ctstate INVALID -j DROP"


def test_node_ports_may_be_kept_off_the_loopback() -> None:
    """Without localhost node ports the last rule leaves 127.0.0.0/8 out, and no guard is needed."""
    tables = objects.rules_for(objects.node_port(), *TWO, config=options.Options(localhost_node_ports=False))
    assert tables["nat"]["KUBE-SERVICES"][-1].startswith("! -d 127.0.0.0/8 -m comment ")
    assert len(tables["nat"]["KUBE-NODEPORTS"]) == 1
    assert tables["filter"]["KUBE-FIREWALL"] == []


def test_node_ports_may_be_kept_to_some_addresses() -> None:
    """With node port addresses there is one last rule for each."""
    config = options.Options(node_port_addresses=("172.18.0.2", "172.18.0.3"))
    found = objects.rules_for(objects.node_port(), *TWO, config=config)["nat"]["KUBE-SERVICES"]
    assert [rule.split()[1] for rule in found[-2:]] == ["172.18.0.2/32", "172.18.0.3/32"]
    assert not any("addrtype" in rule for rule in found)


def test_a_liberal_connection_table_lets_invalid_packets_pass() -> None:
    """With nf_conntrack_tcp_be_liberal nothing is dropped as invalid."""
    config = options.Options(conntrack_tcp_liberal=True)
    assert len(objects.rules_for(objects.service(), *TWO, config=config)["filter"]["KUBE-FORWARD"]) == 2


def test_an_old_iptables_masquerades_without_random_ports() -> None:
    """--random-fully is left out where iptables does not know it."""
    found = objects.rules_for(objects.service(), *TWO, config=options.Options(random_fully=False))["nat"]
    assert found["KUBE-POSTROUTING"][-1].endswith("-j MASQUERADE")


def test_a_large_cluster_goes_without_comments_at_its_endpoints() -> None:
    """Above the threshold the endpoints' rules have no comments, the services' keep theirs."""
    nat = objects.rules_for(objects.service(), *TWO, config=options.Options(large_cluster_endpoints=1))["nat"]
    assert '--comment "shop/web:http cluster IP"' in nat[chain("SVC")][0]
    assert nat[chain("SVC")][2].startswith("-j KUBE-SEP-")
    assert nat[nat[chain("SVC")][2].split()[-1]] == [
        "-s 10.244.1.1/32 -j KUBE-MARK-MASQ",
        "-p tcp -m tcp -j DNAT --to-destination 10.244.1.1:8080",
    ]


def test_services_come_in_order_of_their_names() -> None:
    """The order of the input does not show in the output."""
    first, second = objects.service("a"), objects.service("b", clusterIPs=["10.96.0.11"])
    slices = [objects.endpoint_slice(FAR, owner="a"), objects.endpoint_slice(FAR, owner="b")]
    texts = {
        render.save_text(render.ruleset(services.service_ports(items, found), objects.HERE, options.Options()))
        for items, found in (([first, second], slices), ([second, first], slices[::-1]))
    }
    assert len(texts) == 1


def test_an_empty_cluster_has_the_standing_chains() -> None:
    """Without any Service the chains that others jump to are there."""
    wanted = render.ruleset((), objects.HERE, options.Options())
    assert list(wanted.table("nat")) == [
        "KUBE-MARK-MASQ",
        "KUBE-NODEPORTS",
        "KUBE-POSTROUTING",
        "KUBE-PROXY-CANARY",
        "KUBE-SERVICES",
    ]
    assert len(wanted.table("filter")) == 7
