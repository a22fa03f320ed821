"""How our workloads look on a cluster that is not the lab: other images, namespaces of our own, ports that are free.

The manifests say what a cluster of our own looks like. On somebody else's, a run has a prefix before each of its
namespaces, so that it meets nothing that is there, and asks the API for NodePorts instead of naming them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

OURS = ("yaobank-customer", "yaobank-summary", "yaobank-database", "echo", "sourceip-witness")
"""The namespaces of the manifests."""

_IMAGES = "sourceip/"
_APPLICATIONS = ("customer", "summary", "database")
_MARK = "app.kubernetes.io/managed-by"
MARKED = f"{_MARK}=sourceip"
"""The label selector of the namespaces that runs have made on somebody else's cluster."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How the manifests are changed for a cluster.

    Attributes:
        prefix: What comes before the name of each namespace of ours; empty leaves names and NodePorts as they are.
        image: The one image that takes the place of all of ours; empty leaves them.
        nodes: The names of the nodes that pods may run on; empty for all.
        backend: The name of the node that Deployments run on; empty for any of these.
    """

    prefix: str = ""
    image: str = ""
    nodes: tuple[str, ...] = ()
    backend: str = ""

    def namespace(self, name: str) -> str:
        """What a namespace of the manifests is called on this cluster; others keep their name."""
        return f"{self.prefix}{name}" if name in OURS else name

    def namespaces(self) -> tuple[str, ...]:
        """All namespaces that a run makes."""
        return tuple(self.namespace(name) for name in OURS)

    def shaped(self, objects: Iterable[Object]) -> tuple[Object, ...]:
        """The objects as they are applied on this cluster."""
        return tuple(self._shaped(item) for item in objects)

    def _shaped(self, item: Object) -> Object:
        found = self._named(item)
        if found["kind"] == "Service" and self.prefix:
            return {**found, "spec": _without_node_ports(found["spec"])}
        template = found.get("spec", {}).get("template")
        if not template:
            return found
        return {
            **found,
            "spec": {**found["spec"], "template": {**template, "spec": self._pod(template["spec"], self._nodes(item))}},
        }

    def _named(self, item: Object) -> Object:
        meta = item["metadata"]
        if item["kind"] == "Namespace":
            # The mark is what a later clean-up knows a run's namespaces by.
            labels = {**(meta.get("labels") or {}), **({_MARK: "sourceip"} if self.prefix else {})}
            return {**item, "metadata": {**meta, "name": self.namespace(meta["name"]), "labels": labels}}
        if "namespace" not in meta:
            return item
        return {**item, "metadata": {**meta, "namespace": self.namespace(meta["namespace"])}}

    def _nodes(self, item: Object) -> tuple[str, ...]:
        return (self.backend,) if self.backend and item["kind"] == "Deployment" else self.nodes

    def _pod(self, spec: Mapping[str, Any], nodes: Sequence[str]) -> dict[str, Any]:
        containers = [self._container(each) for each in spec["containers"]]
        placed = {**spec, "containers": containers}
        return {**placed, "affinity": _on(nodes)} if nodes and "nodeSelector" not in spec else placed

    def _container(self, container: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(container)
        if self.prefix and "env" in found:
            found["env"] = [{**each, "value": self._host(each.get("value", ""))} for each in found["env"]]
        if self.image and str(found["image"]).startswith(_IMAGES):
            found |= _program(str(found["image"]))
            found["image"] = self.image
        return found

    def _host(self, value: str) -> str:
        # The applications find each other by SERVICE.NAMESPACE.
        service, dot, rest = value.partition(".")
        namespace, more, domain = rest.partition(".")
        return f"{service}{dot}{self.namespace(namespace)}{more}{domain}" if namespace in OURS else value


AS_WRITTEN = Shape()
"""The manifests as they are: the shape on a cluster that is ours."""


def _program(image: str) -> dict[str, Any]:
    """The command that an application of yaobank is in the one image; the other images' programs say theirs."""
    name = image.removeprefix(f"{_IMAGES}yaobank-").partition(":")[0]
    return {"command": ["python3", f"/app/{name}.py"]} if name in _APPLICATIONS else {}


def _without_node_ports(spec: Mapping[str, Any]) -> dict[str, Any]:
    ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in spec.get("ports") or ()]
    return {**spec, "ports": ports}


def _on(nodes: Sequence[str]) -> dict[str, Any]:
    """The affinity of pods that may run on these nodes only."""
    fields = [{"key": "metadata.name", "operator": "In", "values": [name]} for name in nodes]
    terms = [{"matchFields": [field]} for field in fields]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
