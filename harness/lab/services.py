"""Services and EndpointSlices, parsed once from API objects into frozen types. Pure.

kube-proxy and felix both stand on this view, as the real ones stand on the same two kinds. Field meanings are
those of the Kubernetes API reference for ``v1.Service`` and ``discovery.k8s.io/v1.EndpointSlice``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Object = Mapping[str, Any]
Policy = Literal["Cluster", "Local"]
DEFAULT_AFFINITY_S = 10800


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One address behind one service port.

    Attributes:
        ip: The address.
        port: The port on that address.
        node: The node that it is on; empty if the slice does not say.
        ready: New connections may go there.
        serving: It answers, even if it is being terminated.
        terminating: It is being terminated.
    """

    ip: str
    port: int
    node: str
    ready: bool
    serving: bool
    terminating: bool


@dataclass(frozen=True, kw_only=True)
class ServicePort:
    """One port of one Service, with everything that decides how its packets are translated.

    Attributes:
        namespace: The Service's namespace.
        name: The Service's name.
        port_name: The port's name; empty for a single unnamed port.
        protocol: ``TCP``, ``UDP`` or ``SCTP``.
        cluster_ip: Its IPv4 ClusterIP.
        port: The port on the ClusterIP.
        node_port: The port on every node; 0 for none.
        type: ``ClusterIP``, ``NodePort`` or ``LoadBalancer``.
        external_ips: ``spec.externalIPs``.
        load_balancer_ips: ``status.loadBalancer.ingress[].ip`` of those with VIP mode.
        load_balancer_source_ranges: ``spec.loadBalancerSourceRanges``.
        affinity_s: Seconds of ClientIP session affinity; None without.
        external_policy: ``externalTrafficPolicy``.
        internal_policy: ``internalTrafficPolicy``.
        health_check_node_port: For LoadBalancer with policy Local; 0 for none.
        endpoints: The addresses behind it, in the order of the slices.
    """

    namespace: str
    name: str
    port_name: str
    protocol: str
    cluster_ip: str
    port: int
    node_port: int
    type: str
    external_ips: tuple[str, ...]
    load_balancer_ips: tuple[str, ...]
    load_balancer_source_ranges: tuple[str, ...]
    affinity_s: int | None
    external_policy: Policy
    internal_policy: Policy
    health_check_node_port: int
    endpoints: tuple[Endpoint, ...]

    @property
    def id(self) -> str:
        """kube-proxy's name for it: ``namespace/name:port`` (without the colon for an unnamed port)."""
        return f"{self.namespace}/{self.name}" + (f":{self.port_name}" if self.port_name else "")


def service_ports(services: Iterable[Object], slices: Iterable[Object]) -> tuple[ServicePort, ...]:
    """All IPv4 ports of all Services that have a ClusterIP, sorted by namespace, name, port and protocol.

    Headless and ExternalName Services have nothing to translate and are left out.
    """
    by_service: dict[tuple[str, str], list[Object]] = {}
    for item in slices:
        if item.get("addressType", "IPv4") != "IPv4":
            continue
        meta = item["metadata"]
        owner = meta.get("labels", {}).get("kubernetes.io/service-name", "")
        by_service.setdefault((meta.get("namespace", ""), owner), []).append(item)
    ports = [port for service in services for port in _ports_of(service, by_service.get(_key(service), []))]
    return tuple(sorted(ports, key=lambda port: (port.namespace, port.name, port.port_name, port.protocol)))


def _key(service: Object) -> tuple[str, str]:
    return service["metadata"].get("namespace", ""), service["metadata"]["name"]


def _ports_of(service: Object, slices: list[Object]) -> list[ServicePort]:
    spec = service.get("spec", {})
    cluster_ip = next((ip for ip in spec.get("clusterIPs") or [spec.get("clusterIP", "")] if "." in (ip or "")), "")
    if spec.get("type") == "ExternalName" or not cluster_ip:
        return []
    return [_port_of(service, spec, cluster_ip, port, slices) for port in spec.get("ports", [])]


def _port_of(service: Object, spec: Object, cluster_ip: str, port: Object, slices: list[Object]) -> ServicePort:
    name = port.get("name", "")
    protocol = port.get("protocol", "TCP")
    return ServicePort(
        namespace=service["metadata"].get("namespace", ""),
        name=service["metadata"]["name"],
        port_name=name,
        protocol=protocol,
        cluster_ip=cluster_ip,
        port=port["port"],
        node_port=port.get("nodePort", 0) or 0,
        type=spec.get("type", "ClusterIP"),
        external_ips=tuple(spec.get("externalIPs") or ()),
        load_balancer_ips=tuple(
            ingress["ip"]
            for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
            if ingress.get("ip") and ingress.get("ipMode", "VIP") == "VIP"
        ),
        load_balancer_source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()),
        affinity_s=_affinity_s(spec),
        external_policy=spec.get("externalTrafficPolicy") or "Cluster",
        internal_policy=spec.get("internalTrafficPolicy") or "Cluster",
        health_check_node_port=spec.get("healthCheckNodePort", 0) or 0,
        endpoints=_endpoints(slices, name, protocol),
    )


def _affinity_s(spec: Object) -> int | None:
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    config: Object = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or DEFAULT_AFFINITY_S)


def _endpoints(slices: list[Object], port_name: str, protocol: str) -> tuple[Endpoint, ...]:
    found: dict[tuple[str, int], Endpoint] = {}
    for item in slices:
        for port in item.get("ports") or ():
            if (port.get("name") or "") != port_name or port.get("protocol", "TCP") != protocol:
                continue
            for endpoint in item.get("endpoints") or ():
                for ip in endpoint.get("addresses") or ():
                    found[ip, port["port"]] = _endpoint(endpoint, ip, port["port"])
    return tuple(found.values())


def _endpoint(endpoint: Object, ip: str, port: int) -> Endpoint:
    # An absent condition means ready: EndpointSlice v1 says so for "ready" and "serving".
    conditions: Object = endpoint.get("conditions") or {}
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    return Endpoint(
        ip=ip,
        port=port,
        node=endpoint.get("nodeName") or "",
        ready=ready,
        serving=ready if serving is None else bool(serving),
        terminating=bool(conditions.get("terminating")),
    )
