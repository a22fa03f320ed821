"""Who watches a run: every witness that there is, of which a cluster may let in fewer."""

from __future__ import annotations

from harness.kube import client
from harness.witness import application, kernel_table, wire, witnesses


def all_of(api: client.Client) -> tuple[witnesses.Witness, ...]:
    """The application, and whoever has a station on the nodes."""
    return (application.Application(api=api), wire.Wire(api=api), kernel_table.KernelTable(api=api))
