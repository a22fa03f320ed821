"""What the API says of a cluster, parsed once into the model's facts."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import errors
from harness.kube import client, conditions, placing
from harness.model import facts, words

_TUNNELS = ("projectcalico.org/IPv4VXLANTunnelAddr", "projectcalico.org/IPv4IPIPTunnelAddr")
NODES, PODS = "/api/v1/nodes", "/api/v1/pods"
INSTALLATION = "/apis/operator.tigera.io/v1/installations/default"


_ADDRESS = "projectcalico.org/IPv4Address"
_ZONE, _VPP_NODE = "topology.kubernetes.io/zone", ("k8s-app", "calico-vpp-node")
_WINDOWS = "windows"
FELIX = "/apis/crd.projectcalico.org/v1/felixconfigurations/default"


CLIENTS = f"{placing.PART_OF}=sourceip,{placing.ROLE}=client"
"""The label selector of the pods that are there to dial from."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One Service to dial, by its name in the manifests; everything else about it is read from the API."""

    namespace: str
    service: str
    protocol: words.Protocol = words.Protocol.HTTP


ECHO_NAMESPACE = "echo"
CUSTOMER = tuple(
    Wanted(namespace="yaobank-customer", service=name) for name in ("customer", "customer-local", "customer-internal")
)
# An echo server in a host's network speaks HTTP too; in a pod it is customer that does.
ECHO = tuple(
    Wanted(namespace=ECHO_NAMESPACE, service=name, protocol=protocol)
    for name in ("echo", "echo-local", "echo-internal", "echohost", "echohost-local", "echohost-internal")
    for protocol in words.Protocol
    if name.startswith("echohost") or protocol is not words.Protocol.HTTP
)


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """The collections that destinations are made from, each read once."""

    services: Mapping[tuple[str, str], client.Object]
    slices: Mapping[tuple[str, str], Sequence[client.Object]]
    pods: Mapping[tuple[str, str], facts.Pod]


def read(
    api: client.Client,
    *,
    who: facts.Client | None,
    gateway: facts.Address | None = None,
    wanted: Sequence[Wanted] = CUSTOMER,
) -> facts.Facts:
    """All facts of this moment; each collection is read once, however many Services are wanted.

    Raises:
        ApiError: The API refused, or a wanted Service is not there (reason ``NotFound``).
        ParseError: An object lacks what it must have, such as a node without an InternalIP.
    """
    items = [item for item in api.items(PODS) if _has_address(item)]
    installation = api.get(INSTALLATION)
    listed = _listed(api, items)
    destinations = tuple(_destination(listed, item, api.shape.namespace(item.namespace)) for item in wanted)
    backends = {pod for destination in destinations for pod in destination.backends}
    balancing = (api.find(FELIX) or {}).get("spec") or {}
    return facts.Facts(
        nodes=nodes_from(api.items(NODES), items, installation),
        destinations=destinations,
        client=who,
        overlay=overlay_from(installation),
        other_pods=tuple(pod for pod in map(pod_from, items) if pod not in backends),
        clients=tuple(pod_from(item) for item in items if is_client(api, item)),
        gateway=gateway,
        dsr=balancing.get("bpfExternalServiceMode") == "DSR",
        connect_time=connect_time_from(balancing.get("bpfConnectTimeLoadBalancing")),
        host_nat=balancing.get("bpfHostNetworkedNATWithoutCTLB") != "Disabled",
    )


def is_client(api: client.Client, item: client.Object) -> bool:
    """Whether a pod is there to dial from, of this run and no other, and ready to."""
    labels = item["metadata"].get("labels") or {}
    ours = labels.get(placing.PART_OF) == "sourceip" and labels.get(placing.ROLE) == "client"
    own = item["metadata"]["namespace"] == api.shape.namespace(ECHO_NAMESPACE)
    return ours and own and _has_address(item) and conditions.pod_is_ready(item)


def _listed(api: client.Client, pods: Sequence[client.Object]) -> _Listed:
    slices: dict[tuple[str, str], list[client.Object]] = {}
    for item in api.items("/apis/discovery.k8s.io/v1/endpointslices"):
        owner = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
        slices.setdefault((item["metadata"]["namespace"], owner), []).append(item)
    return _Listed(
        services={_key(item): item for item in api.items("/api/v1/services")},
        slices=slices,
        pods={_key(item): pod_from(item) for item in pods if conditions.pod_is_ready(item)},
    )


def _key(item: client.Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def nodes_from(
    items: Sequence[client.Object], pods: Sequence[client.Object], installation: client.Object
) -> tuple[facts.Node, ...]:
    """All nodes, in the order of the API, with VPP where its own agent runs; raises ParseError."""
    network = (installation.get("spec") or {}).get("calicoNetwork") or {}
    label, agent = _VPP_NODE
    by_vpp = {pod["spec"].get("nodeName") for pod in pods if (pod["metadata"].get("labels") or {}).get(label) == agent}
    everywhere = network.get("linuxDataplane") == words.Dataplane.VPP.value

    def of_vpp(node: facts.Node) -> facts.Node:
        is_vpp = node.dataplane is None and (everywhere or node.name in by_vpp)
        return dataclasses.replace(node, dataplane=words.Dataplane.VPP) if is_vpp else node

    return tuple(of_vpp(node_from(item)) for item in items)


def node_from(item: client.Object) -> facts.Node:
    """A node, with its InternalIP, its tunnel's address and where it is; raises ParseError."""
    meta = item["metadata"]
    for entry in item.get("status", {}).get("addresses") or ():
        if entry["type"] == "InternalIP" and "." in entry["address"]:
            annotations = meta.get("annotations") or {}
            tunnel = next((annotations[name] for name in _TUNNELS if annotations.get(name)), None)
            return facts.Node(
                name=meta["name"],
                address=_address(entry["address"]),
                tunnel=_address(tunnel) if tunnel else None,
                **_whereabouts(meta.get("labels") or {}, annotations),
            )
    raise errors.ParseError(f"node {meta['name']} has no IPv4 InternalIP")


def _whereabouts(labels: client.Object, annotations: client.Object) -> dict[str, Any]:
    system = str(labels.get(placing.OS) or "linux")
    address = annotations.get(_ADDRESS)
    try:
        network = str(ipaddress.ip_interface(address).network) if address else ""
    except ValueError as error:
        raise errors.ParseError(f"annotation {_ADDRESS}: {address!r} is no address") from error
    hns = {"dataplane": words.Dataplane.HNS} if system == _WINDOWS else {}
    return {"zone": str(labels.get(_ZONE) or ""), "network": network, "os": system, **hns}


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


def connect_time_from(value: str | None) -> words.ConnectTime:
    """What is translated at the socket call; TCP is Calico's default. Raises ParseError."""
    try:
        return words.ConnectTime(value or words.ConnectTime.TCP.value)
    except ValueError as error:
        raise errors.ParseError(f"FelixConfiguration/default: bpfConnectTimeLoadBalancing {value!r}") from error


def _destination(listed: _Listed, wanted: Wanted, namespace: str) -> facts.Destination:
    name = namespace, wanted.service
    if name not in listed.services:
        raise errors.ApiError(404, "NotFound", f"no Service {namespace}/{wanted.service}")
    spec = listed.services[name]["spec"]
    port = _port(spec, wanted)
    slices = listed.slices.get(name, ())
    cluster_ip = spec.get("clusterIP") or "None"
    return facts.Destination(
        namespace=namespace,
        service=wanted.service,
        node_port=port.get("nodePort") or 0,
        policy=words.Policy(spec.get("externalTrafficPolicy") or "Cluster"),
        protocol=wanted.protocol,
        cluster_ip=_address(cluster_ip) if cluster_ip != "None" else None,
        backends=_backends(slices, listed.pods),
        port=port["port"],
        target_port=_target_port(port, slices),
        internal_policy=words.Policy(spec.get("internalTrafficPolicy") or "Cluster"),
    )


def _port(spec: client.Object, wanted: Wanted) -> client.Object:
    """The Service's first port of the transport that the samples need; raises ParseError."""
    transport = "TCP" if wanted.protocol in (words.Protocol.HTTP, words.Protocol.TCP) else "UDP"
    for port in spec.get("ports") or ():
        if (port.get("protocol") or "TCP") == transport:
            found: client.Object = port
            return found
    raise errors.ParseError(f"Service {wanted.namespace}/{wanted.service} has no {transport} port")


def _target_port(port: client.Object, slices: Sequence[client.Object]) -> int:
    """Where the backends listen, as the slices resolve it; before there is a slice, what the Service says."""
    for item in slices:
        for entry in item.get("ports") or ():
            if (entry.get("name") or "") == (port.get("name") or "") and entry.get("port"):
                return int(entry["port"])
    target = port.get("targetPort")
    return target if isinstance(target, int) else int(port["port"])


def _backends(slices: Sequence[client.Object], pods: Mapping[tuple[str, str], facts.Pod]) -> tuple[facts.Pod, ...]:
    names = {
        (item["metadata"]["namespace"], endpoint["targetRef"]["name"])
        for item in slices
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("targetRef")
    }
    return tuple(pod for name, pod in pods.items() if name in names)


def _has_address(item: client.Object) -> bool:
    return bool(item.get("status", {}).get("podIP")) and bool(item["spec"].get("nodeName"))


def _address(text: Any) -> facts.Address:  # noqa: ANN401 - whatever the API says, and an error if it is no address
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise errors.ParseError(f"{text!r} is no address") from error
