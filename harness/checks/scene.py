"""Where a check plays: a cluster's API, a probe outside of it, and how long things may take."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core import timeouts
from harness.kube import client, inventory, manifests
from harness.model import facts
from harness.probing import client as probing
from harness.probing import clients as places
from harness.witness import witnesses


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What every check needs, whatever provider made it.

    Attributes:
        api: The cluster's API.
        probe: A running agent at the external client's place.
        who: That client, with the address that its sockets have.
        witnesses: Who watches while samples are taken.
        clients: Agents at other places, by client.
        gateway: The address of the machine that hosts the nodes, if it is known.
        patience: How long things may take on this cluster.
    """

    api: client.Client
    probe: probing.Dialler
    who: facts.Client
    witnesses: tuple[witnesses.Witness, ...]
    clients: places.Clients
    gateway: facts.Address | None = None
    patience: timeouts.Timeouts = timeouts.DEFAULT

    def at(self, client: facts.Client) -> probing.Dialler:
        """The agent at a client's place; raises ProbeError if none can be started there."""
        return self.probe if client == self.who else self.clients.at(client)

    def facts(self) -> facts.Facts:
        """The cluster as it is now; raises ApiError and ParseError."""
        return inventory.read(self.api, who=self.who, gateway=self.gateway)


def deploy_yaobank(api: client.Client, *, timeout_s: float) -> None:
    """Apply yaobank and wait until all of it is available.

    Raises:
        ApiError: The API refused.
        WaitTimeout: A Deployment did not become available.
    """
    objects = manifests.load(manifests.YAOBANK)
    manifests.apply(api, objects)
    manifests.wait_for_deployments(api, objects, timeout_s=timeout_s)
