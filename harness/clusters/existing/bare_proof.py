"""Which dataplane is in force, of a cluster in which the run may make nothing: by the NodePorts that are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core import errors
from harness.dataplane import deciding, evidence, showing
from harness.kube import client
from harness.model import facts, words


def show(api: client.Client, nodes: Sequence[facts.Node]) -> str:
    """A table of these nodes and their evidence.

    Raises:
        ApiError: The API refused.
        CapabilityMissing: The cluster has no NodePort to go by.
    """
    known = known_from(api.items("/api/v1/services"), nodes)
    found = evidence.collect(api, known)
    return showing.table(found, deciding.decide_all(found))


def known_from(services: Sequence[client.Object], nodes: Sequence[facts.Node]) -> facts.Facts:
    """The facts that evidence is read by; raises CapabilityMissing. Pure."""
    destinations = tuple(_destinations(services))
    if not destinations:
        raise errors.CapabilityMissing("proof", "the cluster has no TCP NodePort by which a dataplane could be told")
    return facts.Facts(nodes=tuple(nodes), destinations=destinations, client=None, overlay="")


def _destinations(services: Sequence[client.Object]) -> Iterator[facts.Destination]:
    for item in services:
        spec, meta = item["spec"], item["metadata"]
        for port in spec.get("ports") or ():
            if port.get("nodePort") and (port.get("protocol") or "TCP") == "TCP":
                yield facts.Destination(
                    namespace=meta["namespace"],
                    service=meta["name"],
                    node_port=port["nodePort"],
                    policy=words.Policy(spec.get("externalTrafficPolicy") or "Cluster"),
                    protocol=words.Protocol.TCP,
                    cluster_ip=None,
                    backends=(),
                )
