"""Whose an address is, in words that mean the same on the recorded cluster and on a lab: ``pod:echo``, ``client``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


def owners(api: client.Client, *, outside: facts.Address | str, gateway: facts.Address | str) -> Owners:
    """The roles of all addresses of a cluster; pods are named by their label ``app``. Raises ApiError."""
    roles = {str(outside): "client", str(gateway): "gateway"}
    for node in api.items("/api/v1/nodes"):
        name = node["metadata"]["name"]
        roles[node["metadata"]["annotations"][TUNNEL]] = f"tunnel:{name}"
        roles |= {
            entry["address"]: f"node:{name}" for entry in node["status"]["addresses"] if entry["type"] == "InternalIP"
        }
    for pod in api.items("/api/v1/pods"):
        app, address = (pod["metadata"].get("labels") or {}).get("app"), pod["status"].get("podIP")
        if app and address and not pod["spec"].get("hostNetwork"):
            roles[address] = f"pod:{app}"
    return Owners(roles=roles)
