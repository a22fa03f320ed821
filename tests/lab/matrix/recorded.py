"""The recorded matrix, parsed once: cells by phase, with everything that their samples showed."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests import recordings
from tests.lab.matrix import outcomes, roles

PHASES = ("iptables", "ebpf", "ebpf-noctlb", "ebpf-dsr", "reverted")


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """Who dials what, by which protocol.

    Attributes:
        client: ``external``, ``gateway``, a Deployment of a client (``pod-cp``, ``host-w2``), or ``self-`` and the
            Deployment of a backend.
        service: The Service.
        via: The node whose address is dialled, ``clusterip`` or ``podip``.
        protocol: ``HTTP``, ``TCP``, ``UDP`` or ``UDP-unconnected``.
        port: The port that is dialled.
    """

    client: str
    service: str
    via: str
    protocol: str
    port: int

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.client} -> {self.service} by {self.via} {self.protocol}"


@functools.cache
def cells(phase: str) -> Mapping[Cell, frozenset[outcomes.Outcome]]:
    """The recorded cells of a phase, each with what was seen in it: more than one thing where samples disagreed."""
    found = json.loads((recordings.path() / "matrix" / f"{phase}.json").read_text())
    owners = roles.Owners(roles={address: names[0] for address, names in found["owner"].items()})
    return {
        _cell(item): frozenset(outcomes.recorded(sample, owners) for sample in item["samples"])
        for item in found["cells"]
    }


def _cell(item: Mapping[str, Any]) -> Cell:
    return Cell(
        client=item["client"],
        service=item["service"],
        via=item["via"],
        protocol=item["protocol"],
        port=int(item["dial"].rpartition(":")[2]),
    )
