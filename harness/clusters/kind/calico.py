"""Calico by its operator: definitions, operator, an Installation of our own, and the wait for a network on every node.

What decides is observed: nodes ready, calico-node rolled out. TigeraStatus is shown on the way and decides nothing,
since it turns Degraded several times in every healthy start (the recordings' finding 7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.core import errors, timeouts, waiting
from harness.kube import client, conditions, manifests

INSTALLATION = manifests.MANIFESTS / "calico" / "installation.yaml"
_OPERATOR = "/apis/apps/v1/namespaces/tigera-operator/deployments/tigera-operator"
_CALICO_NODE = "/apis/apps/v1/namespaces/calico-system/daemonsets/calico-node"
_STATUSES = "/apis/operator.tigera.io/v1/tigerastatuses"
_DEFINED_S = timeouts.DEFAULT.defined_s
_DELAY_S = 1.0
# This client's words for a kind that discovery does not have, and the API's for a group that it does not have.
_UNDEFINED = ("has no kind", "could not find the requested resource", "page not found")

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class State:
    """How far a cluster has come.

    Attributes:
        nodes_ready: The nodes that are ready.
        nodes: All nodes.
        calico_nodes: The calico-node pods that are available; None while the operator has not made the DaemonSet.
        statuses: What TigeraStatus says, by name, for people.
        trouble: Why the API could not be asked just now; empty if it could.
    """

    nodes_ready: int
    nodes: int
    calico_nodes: int | None
    statuses: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def ready(self) -> bool:
        """Every node is ready and has its calico-node."""
        return bool(self.nodes) and self.nodes_ready == self.nodes == self.calico_nodes

    def __str__(self) -> str:
        if self.trouble:
            return self.trouble
        told = f"; TigeraStatus: {', '.join(self.statuses)}" if self.statuses else ""
        return f"{self.nodes_ready} of {self.nodes} nodes ready, calico-node on {self.calico_nodes or 0}{told}"


def install(api: client.Client, files: Sequence[tuple[str, bytes]], *, timeout_s: float, say: Say) -> None:
    """Apply the operator's manifests and our Installation, and wait until every node has a network.

    Raises:
        ApiError: The API refused.
        ParseError: A manifest is none.
        WaitTimeout: It did not come in time; the last state is in the text.
    """
    for name, data in files:
        say(f"applying {name}")
        apply_all(api, manifests.objects_of(data, name), timeout_s=min(timeout_s, _DEFINED_S))
    waiting.wait_until(
        lambda: _operator(api),
        lambda found: isinstance(found, dict) and conditions.deployment_is_available(found),
        what="tigera-operator available",
        timeout_s=timeout_s,
        delay_s=_DELAY_S,
    )
    apply_all(api, manifests.load(INSTALLATION))
    wait_for_network(api, timeout_s=timeout_s, say=say)


def _operator(api: client.Client) -> client.Object | str:
    """The operator's Deployment, or why there is none to see."""
    try:
        return api.find(_OPERATOR) or "no Deployment tigera-operator"
    except errors.ApiError as error:
        if not error.is_momentary:
            raise
        return str(error)


def apply_all(api: client.Client, objects: Sequence[client.Object], *, timeout_s: float = _DEFINED_S) -> None:
    """Apply objects in order; one whose kind was defined a moment ago is awaited, and so is an API that is busy.

    Raises:
        ApiError: The API refused.
        WaitTimeout: A kind was never defined, or the API had no time for it.
    """
    for item in objects:
        waiting.wait_until(
            lambda item=item: _applied(api, item),  # type: ignore[misc]
            lambda trouble: not trouble,
            what=f"the kind {item['kind']} of {item['apiVersion']}",
            timeout_s=timeout_s,
            delay_s=_DELAY_S,
        )


def _applied(api: client.Client, item: client.Object) -> str:
    """Why it could not be applied just now; empty if it was."""
    try:
        api.apply(item)
    except errors.ApiError as error:
        # Between a definition and the API's knowing its kind there is a moment.
        undefined = error.code == 404 and any(words in error.message for words in _UNDEFINED)
        if not undefined and not error.is_momentary:
            raise
        return str(error)
    return ""


def wait_for_network(api: client.Client, *, timeout_s: float, say: Say) -> None:
    """Wait until every node is ready and has its calico-node, and tell of every change on the way.

    Raises:
        WaitTimeout: It did not come in time.
    """
    told: list[str] = []

    def observe() -> State:
        found = _state_or_trouble(api)
        if str(found) not in told[-1:]:
            told.append(str(found))
            say(str(found))
        return found

    waiting.wait_until(
        observe, lambda found: found.ready, what="a network on every node", timeout_s=timeout_s, delay_s=_DELAY_S
    )


def _state_or_trouble(api: client.Client) -> State:
    try:
        return state(api)
    except errors.ApiError as error:
        if not error.is_momentary:
            raise
        return State(nodes_ready=0, nodes=0, calico_nodes=None, trouble=str(error))


def state(api: client.Client) -> State:
    """How far the cluster has come; raises ApiError."""
    nodes = api.items("/api/v1/nodes")
    daemonset = api.find(_CALICO_NODE)
    status = daemonset.get("status", {}) if daemonset and conditions.is_current(daemonset) else {}
    return State(
        nodes_ready=sum(conditions.node_is_ready(node) for node in nodes),
        nodes=len(nodes),
        calico_nodes=status.get("numberAvailable"),
        statuses=statuses(api),
    )


def statuses(api: client.Client) -> tuple[str, ...]:
    """What each TigeraStatus says, in a few words; none while the kind is not there. Raises ApiError."""
    found = api.find(_STATUSES)
    return tuple(status_text(item) for item in (found or {}).get("items") or ())


def status_text(item: client.Object) -> str:
    """One TigeraStatus in a few words: the condition that speaks, with its message where it is bad. Pure."""
    true = {
        entry["type"]: entry for entry in item.get("status", {}).get("conditions") or () if entry["status"] == "True"
    }
    name = item["metadata"]["name"]
    for kind in ("Degraded", "Progressing", "Available"):
        if kind in true:
            message = f" ({true[kind].get('message', '')})" if kind == "Degraded" else ""
            return f"{name} {kind}{message}"
    return f"{name} unknown"
