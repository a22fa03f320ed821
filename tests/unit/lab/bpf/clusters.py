"""A small cluster of two nodes for pure tests."""

from __future__ import annotations

import ipaddress

from harness.lab import services
from harness.lab.bpf import contents

Address, Network = ipaddress.IPv4Address, ipaddress.IPv4Network

ONE = contents.Node(
    name="one",
    address=Address("172.18.0.2"),
    tunnel_address=Address("10.244.1.0"),
    blocks=(Network("10.244.1.0/26"),),
)
TWO = contents.Node(
    name="two",
    address=Address("172.18.0.3"),
    tunnel_address=Address("10.244.2.0"),
    blocks=(Network("10.244.2.0/26"),),
)
POOL = contents.Pool(cidr=Network("10.244.0.0/16"))


def endpoint(
    ip: str, node: str, *, ready: bool = True, serving: bool = True, terminating: bool = False
) -> services.Endpoint:
    """An endpoint on port 8080."""
    return services.Endpoint(ip=ip, port=8080, node=node, ready=ready, serving=serving, terminating=terminating)


def service(
    *endpoints: services.Endpoint,
    protocol: str = "TCP",
    node_port: int = 30080,
    external: services.Policy = "Cluster",
    internal: services.Policy = "Cluster",
    external_ips: tuple[str, ...] = (),
    affinity_s: int | None = None,
) -> services.ServicePort:
    """A NodePort Service with ClusterIP 10.96.0.9, port 80."""
    return services.ServicePort(
        namespace="test",
        name="web",
        port_name="",
        protocol=protocol,
        cluster_ip="10.96.0.9",
        port=80,
        node_port=node_port,
        type="NodePort",
        external_ips=external_ips,
        load_balancer_ips=(),
        load_balancer_source_ranges=(),
        affinity_s=affinity_s,
        external_policy=external,
        internal_policy=internal,
        health_check_node_port=0,
        endpoints=endpoints,
    )


def cluster(*ports: services.ServicePort) -> contents.Cluster:
    """Both nodes, with one pod on node one."""
    pods = (contents.LocalPod(ip=Address("10.244.1.5"), ifname="cali5"),)
    return contents.Cluster(ports=ports, nodes=(ONE, TWO), local_pods=pods, pools=(POOL,))
