"""Whose an address is, in words that mean the same on the recorded cluster and on a lab: ``pod:echo``, ``client``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.kube import client
from harness.model import facts

TUNNEL = "projectcalico.org/IPv4VXLANTunnelAddr"


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Who has which address.

    Attributes:
        roles: By address. Two clusters have the same roles, and need not have the same addresses.
    """

    roles: Mapping[str, str]

    def of(self, address: str) -> str:
        """Whose an address is; one that nobody has stays as it is, and so equals nothing that was recorded."""
        return self.roles.get(address, address)

    def at(self, end: tuple[str, int]) -> str:
        """An address and port, with the address as its role."""
        return f"{self.of(end[0])}:{end[1]}"


# The clients are DaemonSets; on the recorded cluster each was a Deployment of its own, whose name says where it is.
_CLIENTS = {"pod-client": "pod", "host-client": "host"}
_PLACES = {"kind-control-plane": "cp", "kind-worker": "w1", "kind-worker2": "w2"}


def name_of(pod: Mapping[str, Any]) -> str:
    """What a pod is called in the recordings; empty for one that they do not have."""
    app: str = (pod["metadata"].get("labels") or {}).get("app", "")
    kind = _CLIENTS.get(app)
    return app if kind is None else f"{kind}-{_PLACES[pod['spec']['nodeName']]}"


def owners(api: client.Client, *, outside: facts.Address | str, gateway: facts.Address | str) -> Owners:
    """The roles of all addresses of a cluster; pods are named as in the recordings. Raises ApiError."""
    roles = {str(outside): "client", str(gateway): "gateway"}
    for node in api.items("/api/v1/nodes"):
        name = node["metadata"]["name"]
        roles[node["metadata"]["annotations"][TUNNEL]] = f"tunnel:{name}"
        roles |= {
            entry["address"]: f"node:{name}" for entry in node["status"]["addresses"] if entry["type"] == "InternalIP"
        }
    for pod in api.items("/api/v1/pods"):
        address = pod["status"].get("podIP")
        if address and not pod["spec"].get("hostNetwork") and name_of(pod):
            roles[address] = f"pod:{name_of(pod)}"
    return Owners(roles=roles)
