"""Awaiting the agents themselves: a switch that forwards already may still be replacing them, node by node.

The recordings show it on the way back: new connections were right 6 to 17 s after the patch, and the DaemonSet's
rolling update ended after 150 s. Who samples in between asks a node for its evidence while its agent is away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.checks import scene
from harness.core import errors, waiting
from harness.dataplane import agents
from harness.kube import client, conditions

_DELAY_S = 0.2
_REVISION = "controller-revision-hash"


def settle(place: scene.Scene, *, tell: Callable[[str], object], clock: waiting.Clock = waiting.REAL) -> None:
    """Wait until no node's agent is being replaced; a wait in vain is told, and the evidence says the rest.

    Raises:
        ApiError: The API refused, and not only for a moment.
    """
    nodes = frozenset(node.name for node in place.facts().asked)
    told: list[str] = []

    def observe() -> str:
        found = _observed(place.api, nodes)
        if found and not told:
            told.append(found)
            tell(f"waiting for the rolling update of calico-node: {found}")
        return found

    try:
        waiting.wait_until(
            observe,
            lambda found: not found,
            what="every calico-node of one revision and ready",
            timeout_s=place.patience.switch_s,
            delay_s=_DELAY_S,
            clock=clock,
        )
    except errors.WaitTimeout as error:
        tell(str(error))


def _observed(api: client.Client, nodes: frozenset[str]) -> str:
    try:
        return unsettled(agents.listed(api), nodes)
    except errors.ApiError as error:
        if error.is_momentary:
            return str(error)
        raise


def unsettled(pods: Sequence[client.Object], nodes: frozenset[str]) -> str:
    """What of these nodes' agents is still under way; empty if all are ready and of one revision. Pure."""
    theirs = [item for item in pods if item["spec"].get("nodeName") in nodes]
    ready = {item["spec"]["nodeName"] for item in theirs if conditions.pod_is_ready(item)}
    going = {item["spec"]["nodeName"] for item in theirs if not conditions.pod_is_ready(item)}
    away = sorted((nodes - ready) | going)
    if away:
        return f"not ready on {', '.join(away)}"
    revisions = {(item["metadata"].get("labels") or {}).get(_REVISION) for item in theirs}
    return f"{len(revisions)} revisions at once" if len(revisions) > 1 else ""
