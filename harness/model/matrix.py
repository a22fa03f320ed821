"""The whole matrix: every cell by its roles, without a cluster. Pure.

A cell says where the client stands, whether the node that is dialled has a backend, what of the Service is dialled
under which policy, what is spoken and what stands behind it. ``laying`` finds a place for it in a cluster. To add a
cell, add a row to one of the tables here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

from harness.model import words


class Place(enum.Enum):
    """Where the client stands."""

    OUTSIDE = "outside"
    ENTRY = "entry"
    BACKEND = "backend"
    OTHER = "other"
    ITSELF = "itself"


class Entry(enum.Enum):
    """Whether the node that is dialled has a backend; none is where no node is dialled."""

    WITH = "with"
    WITHOUT = "without"
    NONE = "-"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A client, where it stands and which kind of node it dials.

    Attributes:
        client: What it is.
        place: Where it stands; ``other`` is a node that is neither the entry node nor the backend's.
        entry: The node that it dials. One with a backend is the backend's node too.
    """

    client: words.ClientKind
    place: Place
    entry: Entry


@dataclass(frozen=True, kw_only=True)
class Dialled:
    """What of a Service is dialled; the policy is the one that speaks of it."""

    target: words.Target
    policy: words.Policy

    @property
    def text(self) -> str:
        """As part of a cell's name."""
        if self.target is words.Target.POD_ADDRESS:
            return "pod-address"
        return f"{self.target.value}-{self.policy.value}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell of the matrix."""

    standing: Standing
    dialled: Dialled
    protocol: words.Protocol
    host_backend: bool

    @property
    def name(self) -> str:
        """Unique in the matrix, for a command line and a report: client@place/entry/target/protocol/backend."""
        return f"{self.path_name}/{self.protocol.value}/{'host' if self.host_backend else 'pod'}"

    @property
    def path_name(self) -> str:
        """The name without what is spoken and what stands behind."""
        standing = self.standing
        where = "" if standing.place is Place.OUTSIDE else f"@{standing.place.value}"
        return f"{standing.client.value}{where}/{standing.entry.value}/{self.dialled.text}"


def _standing(client: words.ClientKind, place: Place, entry: Entry) -> Standing:
    return Standing(client=client, place=place, entry=entry)


_OUTSIDE = (words.ClientKind.EXTERNAL, words.ClientKind.GATEWAY)
_INSIDE = (words.ClientKind.POD, words.ClientKind.HOST)

THROUGH_A_NODE = (
    *(_standing(client, Place.OUTSIDE, entry) for client, entry in product(_OUTSIDE, (Entry.WITH, Entry.WITHOUT))),
    *(_standing(client, place, Entry.WITH) for client, place in product(_INSIDE, (Place.ENTRY, Place.OTHER))),
    *(
        _standing(client, place, Entry.WITHOUT)
        for client, place in product(_INSIDE, (Place.ENTRY, Place.BACKEND, Place.OTHER))
    ),
)
DIRECTLY = tuple(
    _standing(client, place, Entry.NONE) for client, place in product(_INSIDE, (Place.BACKEND, Place.OTHER))
)
HAIRPIN = tuple(_standing(words.ClientKind.POD, Place.ITSELF, entry) for entry in Entry)

NODE_PORTS = tuple(Dialled(target=words.Target.NODE_PORT, policy=policy) for policy in words.Policy)
DIRECT = (
    *(Dialled(target=words.Target.CLUSTER_IP, policy=policy) for policy in words.Policy),
    Dialled(target=words.Target.POD_ADDRESS, policy=words.Policy.CLUSTER),
)

# Not planned: an external or gateway client that dials a ClusterIP or a pod's address, since no route leads there from
# outside; and a NodePort of 127.0.0.1, which depends on kube-proxy's options, and no two dataplanes agree.
ROWS = tuple(
    Row(standing=standing, dialled=dialled, protocol=protocol, host_backend=host_backend)
    for standings, targets in ((THROUGH_A_NODE + HAIRPIN[:2], NODE_PORTS), (DIRECTLY + HAIRPIN[2:], DIRECT))
    for standing, dialled, host_backend, protocol in product(standings, targets, (False, True), words.Protocol)
    # A host-network backend has its node's address, so when it dials itself it is a host-network client there.
    if not (host_backend and standing.place is Place.ITSELF)
)


def _of(wanted: Callable[[Standing], bool]) -> tuple[Row, ...]:
    return tuple(row for row in ROWS if wanted(row.standing))


# What the original walk-through shows: an external client calls customer's NodePort through every node.
WALKTHROUGH = tuple(
    row
    for row in ROWS
    if row.standing.client is words.ClientKind.EXTERNAL and row.protocol is words.Protocol.HTTP and not row.host_backend
)
# Of these, the ones that are answered in every phase, so that waiting for a switch does not wait for time limits.
ANSWERING = tuple(row for row in WALKTHROUGH if row.dialled.policy is words.Policy.CLUSTER)

# The same from inside, where there is no client elsewhere: what reaches the backend from another node's pod.
ANSWERING_INSIDE = tuple(
    row
    for row in ROWS
    if row.standing.client is words.ClientKind.POD
    and row.standing.place is Place.OTHER
    and row.dialled.target is not words.Target.POD_ADDRESS
    and row.dialled.policy is words.Policy.CLUSTER
    and row.protocol is words.Protocol.HTTP
    and not row.host_backend
)

# The matrix in parts that each say one thing about a cluster; every row is in exactly one.
GROUPS: Mapping[str, tuple[Row, ...]] = MappingProxyType(
    {
        "external": _of(lambda standing: standing.client is words.ClientKind.EXTERNAL),
        "gateway": _of(lambda standing: standing.client is words.ClientKind.GATEWAY),
        "pods": _of(lambda standing: standing in THROUGH_A_NODE and standing.client is words.ClientKind.POD),
        "host-network": _of(lambda standing: standing in THROUGH_A_NODE and standing.client is words.ClientKind.HOST),
        "hairpin": _of(lambda standing: standing in HAIRPIN),
        "direct": _of(lambda standing: standing in DIRECTLY),
    }
)


def row(name: str) -> Row:
    """The row of that name; KeyError if there is none."""
    for candidate in ROWS:
        if candidate.name == name:
            return candidate
    raise KeyError(name)
