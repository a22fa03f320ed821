"""Which endpoints of a service port are used on a node. Pure.

The rules are those of kube-proxy's ``CategorizeEndpoints`` (kubernetes, pkg/proxy/topology.go): ready endpoints;
where there are none, those that still serve while they terminate (KEP-1669); hints for node or zone only where
every ready endpoint carries one and this node or zone is among them (KEP-2433, KEP-3015).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.lab import services

Endpoints = tuple[services.Endpoint, ...]


@dataclass(frozen=True, kw_only=True)
class Usable:
    """The endpoints of one service port as one node sees them, ordered by address.

    Attributes:
        cluster: For traffic policy Cluster; empty if that policy is never used.
        local: For traffic policy Local, all on this node; empty if that policy is never used.
        reachable: Both together, each once.
        anywhere: Whether any node has a usable endpoint, even if ``reachable`` is empty.
    """

    cluster: Endpoints
    local: Endpoints
    reachable: Endpoints
    anywhere: bool


def externally_accessible(port: services.ServicePort) -> bool:
    """Whether anything but the ClusterIP leads to the port."""
    return bool(port.node_port or port.load_balancer_ips or port.external_ips)


def usable(port: services.ServicePort, node_name: str, zone: str) -> Usable:
    """Sort out the endpoints of one service port for one node; an empty zone means that the node has none."""
    # The order is that of the addresses as text, so 10.0.0.10:80 comes before 10.0.0.1:80.
    endpoints = tuple(sorted(port.endpoints, key=lambda endpoint: endpoint.address))
    cluster: Endpoints = ()
    local: Endpoints = ()
    if _uses_cluster(port):
        cluster = _ready_or_draining(endpoints, _hinted(endpoints, node_name, zone))
    if _uses_local(port):
        here = tuple(endpoint for endpoint in endpoints if node_name and endpoint.node == node_name)
        local = _ready_or_draining(here, here)
    together = {endpoint.address: endpoint for endpoint in (*cluster, *local)}
    return Usable(
        cluster=cluster,
        local=local,
        reachable=tuple(endpoint for _, endpoint in sorted(together.items())),
        anywhere=bool(_ready_or_draining(endpoints, endpoints)),
    )


def _uses_cluster(port: services.ServicePort) -> bool:
    # Even with external policy Local, what comes from a pod or from the node itself goes to every endpoint.
    return port.internal_policy == "Cluster" or externally_accessible(port)


def _uses_local(port: services.ServicePort) -> bool:
    return port.internal_policy == "Local" or (port.external_policy == "Local" and externally_accessible(port))


def _ready_or_draining(endpoints: Endpoints, preferred: Endpoints) -> Endpoints:
    ready = tuple(endpoint for endpoint in preferred if endpoint.ready)
    return ready or tuple(endpoint for endpoint in endpoints if endpoint.serving and endpoint.terminating)


def _hinted(endpoints: Endpoints, node_name: str, zone: str) -> Endpoints:
    ready = tuple(endpoint for endpoint in endpoints if endpoint.ready)
    for hints, mine in (
        ([endpoint.nodes for endpoint in ready], node_name),
        ([endpoint.zones for endpoint in ready], zone),
    ):
        if all(hints) and any(mine in hint for hint in hints):
            return tuple(endpoint for endpoint, hint in zip(ready, hints, strict=True) if mine in hint)
    return ready
