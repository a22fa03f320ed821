"""Services and EndpointSlices, parsed once from API objects into frozen types. Pure.

kube-proxy and felix both stand on this view, as the real ones stand on the same two kinds. Field meanings are
those of the Kubernetes API reference for ``v1.Service`` and ``discovery.k8s.io/v1.EndpointSlice``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.core import errors

Object = Mapping[str, Any]
Policy = Literal["Cluster", "Local"]
DEFAULT_AFFINITY_S = 10800

# A label on a Service or EndpointSlice that tells every kube-proxy to leave it alone: it belongs to another proxy
# (KEP-2447), or it has no address of its own.
NOT_FOR_KUBE_PROXY = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")


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
        zones: The zones that ``hints.forZones`` wants served by it; empty without hints.
        nodes: The nodes that ``hints.forNodes`` wants served by it; empty without hints.
    """

    ip: str
    port: int
    node: str
    ready: bool
    serving: bool
    terminating: bool
    zones: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """``ip:port``, the form in which kube-proxy names and orders endpoints."""
        return f"{self.ip}:{self.port}"


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
        external_ips: ``spec.externalIPs`` of this family.
        load_balancer_ips: ``status.loadBalancer.ingress[].ip`` of those with VIP mode.
        load_balancer_source_ranges: ``spec.loadBalancerSourceRanges`` of this family, as networks without host bits.
        affinity_s: Seconds of ClientIP session affinity; None without.
        external_policy: ``externalTrafficPolicy``; ``Cluster`` where nothing outside can reach the Service anyway.
        internal_policy: ``internalTrafficPolicy``.
        health_check_node_port: For LoadBalancer with external policy Local; 0 for none.
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

    Headless and ExternalName Services have nothing to translate and are left out, and so is what carries a label
    of ``NOT_FOR_KUBE_PROXY``.

    Raises:
        ParseError: An object has not the form of a Service or an EndpointSlice.
    """
    by_service: dict[tuple[str, str], list[Object]] = {}
    for item in _ours(slices, "EndpointSlice"):
        owner = _labels(item).get("kubernetes.io/service-name", "")
        if item.get("addressType", "IPv4") == "IPv4" and owner:
            by_service.setdefault((_key(item)[0], owner), []).append(item)
    ports = [
        port for service in _ours(services, "Service") for port in _ports_of(service, by_service.get(_key(service), []))
    ]
    return tuple(sorted(ports, key=lambda port: (port.namespace, port.name, port.port_name, port.protocol)))


def _ours(items: Iterable[Object], kind: str) -> list[Object]:
    kept = []
    for item in items:
        if (
            not isinstance(item, Mapping)
            or not isinstance(item.get("metadata"), Mapping)
            or "name" not in item["metadata"]
        ):
            raise errors.ParseError(f"{kind} without metadata.name: {str(item)[:80]}")
        if not any(label in _labels(item) for label in NOT_FOR_KUBE_PROXY):
            kept.append(item)
    return kept


def _labels(item: Object) -> Object:
    labels: Object = item["metadata"].get("labels") or {}
    return labels


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _ports_of(service: Object, slices: list[Object]) -> list[ServicePort]:
    namespace, name = _key(service)
    try:
        spec = service.get("spec") or {}
        cluster_ip = _ipv4(spec.get("clusterIPs") or [spec.get("clusterIP") or ""])[:1]
        if spec.get("type") == "ExternalName" or not cluster_ip:
            return []
        return [_port_of(service, spec, cluster_ip[0], port, slices) for port in spec.get("ports") or ()]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise errors.ParseError(f"Service {namespace}/{name} or its EndpointSlices: {error!r}") from error


def _port_of(service: Object, spec: Object, cluster_ip: str, port: Object, slices: list[Object]) -> ServicePort:
    name = port.get("name") or ""
    protocol = port.get("protocol") or "TCP"
    local = spec.get("externalTrafficPolicy") == "Local" and _reachable_from_outside(spec)
    needs_health_check = local and spec.get("type") == "LoadBalancer"
    return ServicePort(
        namespace=_key(service)[0],
        name=_key(service)[1],
        port_name=name,
        protocol=protocol,
        cluster_ip=cluster_ip,
        port=port["port"],
        node_port=port.get("nodePort") or 0,
        type=spec.get("type") or "ClusterIP",
        external_ips=_ipv4(spec.get("externalIPs") or ()),
        load_balancer_ips=_load_balancer_ips(service.get("status") or {}),
        load_balancer_source_ranges=_networks(spec.get("loadBalancerSourceRanges") or ()),
        affinity_s=_affinity_s(spec),
        external_policy="Local" if local else "Cluster",
        internal_policy="Local" if spec.get("internalTrafficPolicy") == "Local" else "Cluster",
        health_check_node_port=(spec.get("healthCheckNodePort") or 0) if needs_health_check else 0,
        endpoints=_endpoints(slices, name, protocol),
    )


def _reachable_from_outside(spec: Object) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer") or bool(spec.get("externalIPs"))


def _ipv4(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(address for address in addresses if "." in address and ":" not in address)


def _networks(ranges: Iterable[str]) -> tuple[str, ...]:
    # The API lets blanks around a range pass, and host bits in it.
    stripped = (text.strip() for text in ranges)
    return tuple(str(ipaddress.IPv4Network(text, strict=False)) for text in stripped if ":" not in text)


def _load_balancer_ips(status: Object) -> tuple[str, ...]:
    ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
    # In mode Proxy the load balancer rewrites the destination itself, so nothing arrives with this address.
    return _ipv4(item.get("ip") or "" for item in ingress if (item.get("ipMode") or "VIP") == "VIP")


def _affinity_s(spec: Object) -> int | None:
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    config: Object = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or DEFAULT_AFFINITY_S)


def _endpoints(slices: list[Object], port_name: str, protocol: str) -> tuple[Endpoint, ...]:
    found: dict[str, Endpoint] = {}
    for item in sorted(slices, key=_key):
        for port in item.get("ports") or ():
            if (port.get("name") or "") != port_name or (port.get("protocol") or "TCP") != protocol:
                continue
            for endpoint in _endpoints_on(item, port.get("port") or 0):
                # An address may be in two slices for a moment, or be taken over from a pod that is still
                # terminating: the running one counts.
                if endpoint.address not in found or not endpoint.terminating:
                    found[endpoint.address] = endpoint
    return tuple(found.values())


def _endpoints_on(item: Object, port: int) -> list[Endpoint]:
    if not port:
        return []
    # Only the first address counts, since v1 of the API promises that the others are interchangeable with it.
    return [
        _endpoint(each, each["addresses"][0], port) for each in item.get("endpoints") or () if each.get("addresses")
    ]


def _endpoint(endpoint: Object, ip: str, port: int) -> Endpoint:
    # An absent condition means ready and serving: EndpointSlice v1 says so.
    conditions: Object = endpoint.get("conditions") or {}
    hints: Object = endpoint.get("hints") or {}
    return Endpoint(
        ip=ip,
        port=port,
        node=endpoint.get("nodeName") or "",
        ready=conditions.get("ready") is not False,
        serving=conditions.get("serving") is not False,
        terminating=bool(conditions.get("terminating")),
        zones=frozenset(zone["name"] for zone in hints.get("forZones") or ()),
        nodes=frozenset(node["name"] for node in hints.get("forNodes") or ()),
    )
