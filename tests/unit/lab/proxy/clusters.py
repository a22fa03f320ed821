"""Clusters by chance, for properties that hold for every one of them."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.lab import services
from harness.lab.proxy import options
from tests.unit.lab.proxy import objects

_POLICIES = st.sampled_from(["Cluster", "Local"])
_PROTOCOLS = st.sampled_from(["TCP", "UDP", "SCTP"])

CONFIGS = st.builds(
    options.Options,
    cluster_cidr=st.sampled_from(["10.244.0.0/16", ""]),
    masquerade_all=st.booleans(),
    localhost_node_ports=st.booleans(),
    conntrack_tcp_liberal=st.booleans(),
    counters=st.just(frozenset[str]()),
    large_cluster_endpoints=st.sampled_from([2, 1000]),
)

_ENDPOINTS = st.builds(
    objects.endpoint,
    st.integers(1, 9).map("10.244.0.{}".format),
    st.sampled_from(["here", "there"]),
    ready=st.booleans(),
    serving=st.booleans(),
    terminating=st.booleans(),
    hints=st.sampled_from([None, {"forZones": [{"name": "east"}]}, {"forNodes": [{"name": "here"}]}]),
)

_SPECS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
        "externalTrafficPolicy": _POLICIES,
        "internalTrafficPolicy": _POLICIES,
        "sessionAffinity": st.sampled_from(["None", "ClientIP"]),
        "externalIPs": st.sampled_from([[], ["198.51.100.1"]]),
        "loadBalancerSourceRanges": st.sampled_from([[], ["172.18.0.0/16"], ["203.0.113.0/24", "0.0.0.0/0"]]),
        "healthCheckNodePort": st.sampled_from([0, 32000]),
    }
)


@st.composite
def service_ports(draw: st.DrawFn) -> tuple[services.ServicePort, ...]:
    """The ports of up to four Services with up to five endpoints each."""
    items, slices = [], []
    for index in range(draw(st.integers(0, 4))):
        spec, protocol = draw(_SPECS), draw(_PROTOCOLS)
        node_port = 30000 + index if spec["type"] != "ClusterIP" else 0
        port = {"name": "http", "port": 80, "protocol": protocol, "nodePort": node_port}
        balancers = ("192.0.2.1",) if spec["type"] == "LoadBalancer" and draw(st.booleans()) else ()
        item = objects.balanced(*balancers, ports=[port], clusterIPs=[f"10.96.0.{index + 1}"])
        item["spec"] |= spec
        item["metadata"]["name"] = f"web-{index}"
        items.append(item)
        found = draw(st.lists(_ENDPOINTS, max_size=5))
        slices.append(objects.endpoint_slice(*found, owner=f"web-{index}", ports=[port | {"port": 8080}]))
    return services.service_ports(items, slices)
