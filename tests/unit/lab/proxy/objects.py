"""API objects for tests of kube-proxy: as short as the API server's defaulting allows."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from harness.lab import services
from harness.lab.proxy import options, render

Object = dict[str, Any]

HERE = options.Node(name="here", address=ipaddress.IPv4Address("172.18.0.2"), zone="east")


def service(name: str = "web", **spec: object) -> Object:
    """A Service ``shop/NAME`` with the ClusterIP 10.96.0.10 and the TCP port 80, named http."""
    return _service(spec, name=name)


def node_port(number: int = 30080, **spec: object) -> Object:
    """A Service of type NodePort."""
    port = {"name": "http", "port": 80, "protocol": "TCP", "nodePort": number}
    return _service({"type": "NodePort", "ports": [port]} | spec)


def balanced(*ips: str, ip_mode: str = "VIP", **spec: object) -> Object:
    """A Service of type LoadBalancer without a node port, that was given these addresses."""
    ingress = [{"ip": ip, "ipMode": ip_mode} for ip in ips]
    return _service({"type": "LoadBalancer"} | spec, ingress=ingress)


def _service(spec: Object, *, name: str = "web", ingress: Sequence[Object] = ()) -> Object:
    defaults: Object = {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.10",
        "clusterIPs": ["10.96.0.10"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }
    return {
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": name},
        "spec": defaults | spec,
        "status": {"loadBalancer": {"ingress": list(ingress)}},
    }


def endpoint(ip: str, node: str = "there", *, hints: Object | None = None, **conditions: bool) -> Object:
    """One entry of a slice; ready unless a condition says otherwise."""
    found: Object = {"addresses": [ip], "nodeName": node, "conditions": {"ready": True, **conditions}}
    return found | ({"hints": hints} if hints else {})


def endpoint_slice(*endpoints: Object, owner: str = "web", ports: list[Object] | None = None, name: str = "") -> Object:
    """An EndpointSlice of a Service, with the TCP port 8080 named http."""
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "shop",
            "name": name or f"{owner}-1",
            "labels": {"kubernetes.io/service-name": owner},
        },
        "addressType": "IPv4",
        "ports": ports or [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def rules_for(
    service_object: Object, *endpoints: Object, config: options.Options | None = None
) -> dict[str, dict[str, list[str]]]:
    """What is written on ``HERE`` for one Service: table, chain, the rules' bodies."""
    ports = services.service_ports([service_object], [endpoint_slice(*endpoints)])
    wanted = render.ruleset(ports, HERE, config or options.Options())
    return {
        name: {
            chain: [rule.removeprefix(f"-A {chain} ") for rule in found] for chain, found in wanted.table(name).items()
        }
        for name in ("filter", "nat")
    }
