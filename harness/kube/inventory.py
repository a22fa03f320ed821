"""What the API says of a cluster, parsed once into the model's facts."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import errors
from harness.kube import client, conditions
from harness.model import facts, words

_TUNNELS = ("projectcalico.org/IPv4VXLANTunnelAddr", "projectcalico.org/IPv4IPIPTunnelAddr")
INSTALLATION = "/apis/operator.tigera.io/v1/installations/default"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One Service to dial, by name; everything else about it is read from the API."""

    namespace: str
    service: str
    protocol: words.Protocol = words.Protocol.HTTP


CUSTOMER = (
    Wanted(namespace="yaobank-customer", service="customer"),
    Wanted(namespace="yaobank-customer", service="customer-local"),
)


def read(
    api: client.Client, *, who: facts.Client, gateway: facts.Address | None = None, wanted: Sequence[Wanted] = CUSTOMER
) -> facts.Facts:
    """All facts of this moment.

    Raises:
        ApiError: The API refused.
        ParseError: An object lacks what it must have, such as a node without an InternalIP.
    """
    pods = [pod_from(item) for item in api.items("/api/v1/pods") if _has_address(item)]
    destinations = tuple(_destination(api, item) for item in wanted)
    backends = {pod for destination in destinations for pod in destination.backends}
    return facts.Facts(
        nodes=tuple(node_from(item) for item in api.items("/api/v1/nodes")),
        destinations=destinations,
        client=who,
        overlay=overlay_from(api.get(INSTALLATION)),
        other_pods=tuple(pod for pod in pods if pod not in backends),
        gateway=gateway,
    )


def node_from(item: client.Object) -> facts.Node:
    """A node, with its InternalIP and its tunnel's address; raises ParseError."""
    meta = item["metadata"]
    for entry in item.get("status", {}).get("addresses") or ():
        if entry["type"] == "InternalIP" and "." in entry["address"]:
            annotations = meta.get("annotations") or {}
            tunnel = next((annotations[name] for name in _TUNNELS if annotations.get(name)), None)
            return facts.Node(
                name=meta["name"],
                address=_address(entry["address"]),
                tunnel=_address(tunnel) if tunnel else None,
            )
    raise errors.ParseError(f"node {meta['name']} has no IPv4 InternalIP")


def pod_from(item: client.Object) -> facts.Pod:
    """A pod that has an address; raises ParseError."""
    meta, spec = item["metadata"], item["spec"]
    return facts.Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        address=_address(item["status"]["podIP"]),
        node=spec["nodeName"],
        host_network=bool(spec.get("hostNetwork")),
    )


def overlay_from(installation: client.Object) -> str:
    """The encapsulation of the Installation's first IPv4 pool, in the operator's words; raises ParseError.

    The operator writes its defaults into ``spec`` and what it made of everything into ``status.computed``.
    """
    for part in (installation.get("status", {}).get("computed", {}), installation.get("spec", {})):
        for pool in (part.get("calicoNetwork") or {}).get("ipPools") or ():
            if "." in pool.get("cidr", "") and pool.get("encapsulation"):
                return str(pool["encapsulation"])
    raise errors.ParseError("Installation/default names no IPv4 pool with an encapsulation")


def _destination(api: client.Client, wanted: Wanted) -> facts.Destination:
    service = api.get(f"/api/v1/namespaces/{wanted.namespace}/services/{wanted.service}")
    spec = service["spec"]
    port = (spec.get("ports") or [{}])[0]
    if not port.get("nodePort"):
        raise errors.ParseError(f"Service {wanted.namespace}/{wanted.service} has no NodePort")
    cluster_ip = spec.get("clusterIP") or "None"
    return facts.Destination(
        namespace=wanted.namespace,
        service=wanted.service,
        node_port=port["nodePort"],
        policy=words.Policy(spec.get("externalTrafficPolicy") or "Cluster"),
        protocol=wanted.protocol,
        cluster_ip=_address(cluster_ip) if cluster_ip != "None" else None,
        backends=_backends(api, wanted),
    )


def _backends(api: client.Client, wanted: Wanted) -> tuple[facts.Pod, ...]:
    slices = api.items(
        f"/apis/discovery.k8s.io/v1/namespaces/{wanted.namespace}/endpointslices",
        {"labelSelector": f"kubernetes.io/service-name={wanted.service}"},
    )
    names = {
        endpoint["targetRef"]["name"]
        for item in slices
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("targetRef")
    }
    pods = [item for item in api.items(f"/api/v1/namespaces/{wanted.namespace}/pods") if _has_address(item)]
    return tuple(pod_from(item) for item in pods if item["metadata"]["name"] in names and conditions.pod_is_ready(item))


def _has_address(item: client.Object) -> bool:
    return bool(item.get("status", {}).get("podIP")) and bool(item["spec"].get("nodeName"))


def _address(text: Any) -> facts.Address:  # noqa: ANN401 - whatever the API says, and an error if it is no address
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise errors.ParseError(f"{text!r} is no address") from error
