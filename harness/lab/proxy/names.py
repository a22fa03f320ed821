"""The names of the chains that kube-proxy writes. Pure.

The chains of one service port are named by a hash, so that a name fits the 28 characters that iptables allows:
the first 16 characters of base32(sha256(``namespace/name:port`` + protocol in lower case)); for an endpoint's
chain its ``ip:port`` is hashed too (kubernetes, pkg/proxy/iptables/proxier.go).
"""

from __future__ import annotations

import base64
import hashlib

from harness.lab import services

SERVICES = "KUBE-SERVICES"
EXTERNAL_SERVICES = "KUBE-EXTERNAL-SERVICES"
NODE_PORTS = "KUBE-NODEPORTS"
POSTROUTING = "KUBE-POSTROUTING"
MARK_MASQ = "KUBE-MARK-MASQ"
FORWARD = "KUBE-FORWARD"
PROXY_FIREWALL = "KUBE-PROXY-FIREWALL"
FIREWALL = "KUBE-FIREWALL"
CANARY = "KUBE-PROXY-CANARY"

_CLUSTER = "KUBE-SVC-"
_LOCAL = "KUBE-SVL-"
_EXTERNAL = "KUBE-EXT-"
_SOURCE_RANGES = "KUBE-FW-"
_ENDPOINT = "KUBE-SEP-"

OF_ONE_SERVICE = (_CLUSTER, _LOCAL, _EXTERNAL, _SOURCE_RANGES, _ENDPOINT)
"""How the names of chains begin that come and go with a Service; what is stale among them is removed."""


def cluster_chain(port: services.ServicePort) -> str:
    """Dispatches to every usable endpoint: traffic policy Cluster."""
    return _CLUSTER + _hash(_identity(port))


def local_chain(port: services.ServicePort) -> str:
    """Dispatches to this node's endpoints: traffic policy Local."""
    return _LOCAL + _hash(_identity(port))


def external_chain(port: services.ServicePort) -> str:
    """Takes what comes to a node port, an external address or a load balancer's address."""
    return _EXTERNAL + _hash(_identity(port))


def source_range_chain(port: services.ServicePort) -> str:
    """Lets through only what ``loadBalancerSourceRanges`` allows."""
    return _SOURCE_RANGES + _hash(_identity(port))


def endpoint_chain(port: services.ServicePort, endpoint: services.Endpoint) -> str:
    """Translates the destination to one endpoint."""
    return _ENDPOINT + _hash(_identity(port) + endpoint.address)


def _identity(port: services.ServicePort) -> str:
    return port.id + port.protocol.lower()


def _hash(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]
