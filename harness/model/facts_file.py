"""Facts as a file: a small JSON document, for predictions without a cluster. Pure.

Version 1 of the schema ``sourceip/facts``::

    {"schema": "sourceip/facts", "version": 1,
     "dataplane": "BPF", "overlay": "VXLAN", "connectTime": "TCP", "dsr": false, "hostNat": true,
     "client": "172.18.0.5", "gateway": "172.18.0.1",
     "nodes": [{"name": "n1", "address": "172.18.0.2", "tunnel": "10.244.82.0"}],
     "pods": [{"namespace": "echo", "name": "echo", "address": "10.244.1.2", "node": "n1", "hostNetwork": false}],
     "services": [{"namespace": "echo", "name": "echo", "clusterIP": "10.96.0.7", "nodePort": 30200,
                   "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster",
                   "protocols": ["TCP", "UDP"], "backends": ["echo/echo"]}]}

``nodes``, ``pods``, ``services`` and ``client`` must be there; everything else has the default shown in ``_DEFAULTS``
or is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from harness.core import errors
from harness.model import facts, words

SCHEMA = "sourceip/facts"
VERSION = 1

Json = Mapping[str, Any]

_DEFAULTS: Json = MappingProxyType(
    {"dataplane": "Iptables", "overlay": "VXLAN", "connectTime": "TCP", "dsr": False, "hostNat": True}
)
_KEYS = frozenset({"schema", "version", "client", "gateway", "nodes", "pods", "services", *_DEFAULTS})
_SPEAKS = MappingProxyType(
    {
        "HTTP": (words.Protocol.HTTP,),
        "TCP": (words.Protocol.TCP,),
        "UDP": (words.Protocol.UDP, words.Protocol.UDP_UNCONNECTED),
    }
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """What a facts file says."""

    dataplane: words.Dataplane
    facts: facts.Facts


def parse(text: str) -> Document:
    """The facts of a file's text.

    Raises:
        ParseError: It is not JSON, of another schema or version, or lacks what it must have; one line says what.
    """
    try:
        return _document(_object(json.loads(text)))
    except KeyError as error:
        raise errors.ParseError(f"{error} is missing") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise errors.ParseError(str(error)) from error


def _document(said: Json) -> Document:
    if said.get("schema") != SCHEMA:
        raise ValueError(f"schema is {said.get('schema')!r}, not {SCHEMA!r}")
    if type(said.get("version")) is not int or said["version"] != VERSION:
        raise ValueError(f"version is {said.get('version')!r}, and this program reads {VERSION}")
    unknown = sorted(set(said) - _KEYS)
    if unknown:
        raise ValueError(f"no such key: {', '.join(unknown)}")
    return Document(dataplane=words.Dataplane({**_DEFAULTS, **said}["dataplane"]), facts=_facts({**_DEFAULTS, **said}))


def _facts(said: Json) -> facts.Facts:
    nodes = tuple(_node(item) for item in _objects(said, "nodes"))
    pods = _by_name([_pod(item) for item in _objects(said, "pods")])
    _check_places(nodes, pods.values())
    destinations = tuple(found for item in _objects(said, "services") for found in _destinations(item, pods))
    behind = {pod for destination in destinations for pod in destination.backends}
    return facts.Facts(
        nodes=nodes,
        destinations=destinations,
        client=facts.Client(kind=words.ClientKind.EXTERNAL, address=ip_address(_text(said, "client"))),
        overlay=_text(said, "overlay"),
        other_pods=tuple(pod for pod in pods.values() if pod not in behind),
        gateway=ip_address(_text(said, "gateway")) if said.get("gateway") else None,
        dsr=_flag(said, "dsr"),
        connect_time=words.ConnectTime(said["connectTime"]),
        host_nat=_flag(said, "hostNat"),
    )


def _by_name(pods: Iterable[facts.Pod]) -> dict[str, facts.Pod]:
    found: dict[str, facts.Pod] = {}
    for pod in pods:
        name = f"{pod.namespace}/{pod.name}"
        if name in found:
            raise ValueError(f"pod {name} is there twice")
        found[name] = pod
    return found


def _check_places(nodes: tuple[facts.Node, ...], pods: Iterable[facts.Pod]) -> None:
    names = {node.name for node in nodes}
    if len(names) != len(nodes) or not names:
        raise ValueError("nodes must be there, each with a name of its own")
    lost = sorted({pod.node for pod in pods} - names)
    if lost:
        raise ValueError(f"pods on nodes that are not there: {', '.join(lost)}")


def _node(item: Json) -> facts.Node:
    tunnel = item.get("tunnel")
    return facts.Node(
        name=_text(item, "name"),
        address=ip_address(_text(item, "address")),
        tunnel=ip_address(_text(item, "tunnel")) if tunnel else None,
    )


def _pod(item: Json) -> facts.Pod:
    return facts.Pod(
        namespace=_text(item, "namespace"),
        name=_text(item, "name"),
        address=ip_address(_text(item, "address")),
        node=_text(item, "node"),
        host_network=_flag({"hostNetwork": False, **item}, "hostNetwork"),
    )


def _destinations(item: Json, pods: Mapping[str, facts.Pod]) -> tuple[facts.Destination, ...]:
    spoken = [protocol for name in _list(item, "protocols") for protocol in _SPEAKS[name]]
    return tuple(
        facts.Destination(
            namespace=_text(item, "namespace"),
            service=_text(item, "name"),
            node_port=_port(item),
            policy=words.Policy(item.get("externalTrafficPolicy", "Cluster")),
            internal_policy=words.Policy(item.get("internalTrafficPolicy", "Cluster")),
            protocol=protocol,
            cluster_ip=ip_address(_text(item, "clusterIP")) if item.get("clusterIP") else None,
            backends=tuple(pods[name] for name in _list(item, "backends")),
        )
        for protocol in spoken
    )


def _port(item: Json) -> int:
    port = item.get("nodePort", 0)
    if type(port) is not int or not 0 <= port < 1 << 16:
        raise ValueError(f"nodePort is {port!r}")
    return port


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise TypeError(f"an object is wanted, not {type(value).__name__}")
    return value


def _objects(said: Json, key: str) -> list[Json]:
    return [_object(item) for item in _list(said, key)]


def _list(said: Json, key: str) -> list[Any]:
    if not isinstance(said[key], list):
        raise TypeError(f"{key} must be a list")
    return list(said[key])


def _text(said: Json, key: str) -> str:
    # What can't be printed would break a table, or move a terminal's cursor.
    if not isinstance(said[key], str) or not said[key] or not said[key].isprintable():
        raise TypeError(f"{key} must be a text that can be printed")
    return str(said[key])


def _flag(said: Json, key: str) -> bool:
    if not isinstance(said[key], bool):
        raise TypeError(f"{key} must be true or false")
    return bool(said[key])
