"""Where a check plays: a cluster's API, a probe outside of it, and how long things may take."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core import timeouts
from harness.kube import client, inventory, manifests, placing
from harness.model import facts, matrix, words
from harness.probing import client as probing
from harness.probing import clients as places
from harness.witness import witnesses


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What every check needs, whatever provider made it.

    Attributes:
        api: The cluster's API.
        probe: A running agent at the external client's place; None if there is no such client.
        who: That client, with the address that its sockets have; None likewise.
        witnesses: Who watches while samples are taken.
        clients: Agents at other places, by client.
        wanted: The Services that are dialled.
        gateway: The address of the machine that hosts the nodes, if it is known.
        patience: How long things may take on this cluster.
        sampled: The names of the nodes that take part; empty for all.
        pairs: Which client's node dials which node, by names; empty for the first that fits.
    """

    api: client.Client
    probe: probing.Dialler | None
    who: facts.Client | None
    witnesses: tuple[witnesses.Witness, ...]
    clients: places.Clients
    wanted: tuple[inventory.Wanted, ...] = inventory.CUSTOMER
    gateway: facts.Address | None = None
    patience: timeouts.Timeouts = timeouts.DEFAULT
    sampled: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    def at(self, client: facts.Client) -> probing.Dialler:
        """The agent at a client's place; raises ProbeError if none can be started there."""
        return self.probe if self.probe is not None and client == self.who else self.clients.at(client)

    def facts(self) -> facts.Facts:
        """The cluster as it is now; raises ApiError and ParseError."""
        found = inventory.read(self.api, who=self.who, gateway=self.gateway, wanted=self.wanted)
        return dataclasses.replace(found, sampled=self.sampled, pairs=self.pairs)


def wanted_for(rows: Sequence[matrix.Row]) -> tuple[inventory.Wanted, ...]:
    """The Services that these rows dial: customer's, and the echo servers' unless an outsider's HTTP is all. Pure."""
    return (*inventory.CUSTOMER, *inventory.ECHO) if needs_echo(rows) else inventory.CUSTOMER


def needs_echo(rows: Sequence[matrix.Row]) -> bool:
    """Whether these rows dial an echo server, or from one of the pods that come with them. Pure."""
    return any(
        row.host_backend
        or row.protocol is not words.Protocol.HTTP
        or row.standing.client in (words.ClientKind.POD, words.ClientKind.HOST)
        for row in rows
    )


def deploy(api: client.Client, rows: Sequence[matrix.Row], *, timeout_s: float) -> None:
    """Apply what these rows dial and dial from, and wait until all of it is available.

    Raises:
        ApiError: The API refused.
        ParseError: No node is fit for the echo servers.
        WaitTimeout: A workload did not become available.
    """
    objects = manifests.load(manifests.YAOBANK)
    if needs_echo(rows):
        host_name = placing.backend_node(api.items(inventory.NODES))
        objects += placing.placed(manifests.load(manifests.ECHO), host_name)
    manifests.apply(api, objects)
    manifests.wait_for_workloads(api, objects, timeout_s=timeout_s)
