"""What is waited for while Calico comes up, held against what a real cluster's TigeraStatus said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from harness.clusters.kind import calico
from harness.core import errors
from harness.kube import client
from tests import recordings


def test_every_recorded_status_has_a_text() -> None:
    """In every state of the recorded timeline, and a bad one is told with its message."""
    lines = (recordings.path() / "timeline" / "tigerastatuses.jsonl").read_text().splitlines()
    texts = {calico.status_text(json.loads(line)["object"]) for line in lines}
    assert any(text.startswith("calico Degraded (") and "not ready" in text for text in texts)
    assert "calico Available" in texts
    assert "ippools Available" in texts


@pytest.mark.parametrize(
    ("nodes", "ready", "calico_nodes", "up"),
    [(3, 3, 3, True), (3, 2, 3, False), (3, 3, 2, False), (3, 3, None, False), (0, 0, 0, False)],
)
def test_a_network_is_there_when_every_node_has_it(nodes: int, ready: int, calico_nodes: int | None, up: bool) -> None:
    """Nodes and calico-node decide, and TigeraStatus does not."""
    state = calico.State(nodes=nodes, nodes_ready=ready, calico_nodes=calico_nodes, statuses=("calico Degraded",))
    assert state.ready is up


class Stuck(client.Client):
    """The API of a cluster of which one node never gets a network."""

    def __init__(self) -> None:
        pass

    def items(self, path: str, params: client.Params = ()) -> list[client.Object]:
        """Three nodes, one of them not ready."""
        assert path == "/api/v1/nodes"
        return [{"status": {"conditions": [{"type": "Ready", "status": ready}]}} for ready in ("True", "True", "False")]

    def find(self, path: str) -> client.Object | None:
        """calico-node is on two of them, and its status says so."""
        if path.endswith("/daemonsets/calico-node"):
            return {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "numberAvailable": 2}}
        return {"items": []}


def test_a_node_that_stays_without_a_network_is_told_by_what_was_seen_last() -> None:
    """The wait ends by its deadline, and the last state is in the error's text and was told on the way."""
    said: list[str] = []
    with pytest.raises(errors.WaitTimeout, match="2 of 3 nodes ready, calico-node on 2"):
        calico.wait_for_network(Stuck(), timeout_s=0.0, say=said.append)
    assert said == ["2 of 3 nodes ready, calico-node on 2"]


NODES = {"items": [{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}]}
CALICO_NODE = {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "numberAvailable": 1}}
OPERATOR = {
    "metadata": {"generation": 1},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
}
BUSY = (
    errors.ApiError(500, "InternalError", "etcdserver: request timed out"),
    errors.ApiError(429, "TooManyRequests", "the server has received too many requests"),
    errors.ApiError(0, "Unreachable", "GET /: Connection aborted."),
)


class Busy(client.Client):
    """An API that has no time for anything when it is first asked for it."""

    def __init__(self, error: errors.ApiError) -> None:
        self.error = error
        self.asked: set[str] = set()
        self.applied: list[str] = []

    def _pass(self, what: str) -> None:
        if what not in self.asked:
            self.asked.add(what)
            raise self.error

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """What calico is awaited by."""
        self._pass(path)
        found: dict[str, client.Object] = {
            "nodes": NODES,
            "calico-node": CALICO_NODE,
            "tigera-operator": OPERATOR,
            "tigerastatuses": {},
        }
        return found[path.rpartition("/")[2]]

    def apply(self, obj: Mapping[str, Any]) -> client.Object:
        """Take it."""
        self._pass(obj["kind"])
        self.applied.append(obj["kind"])
        return dict(obj)


@pytest.mark.parametrize("error", BUSY, ids=lambda error: error.reason)
def test_an_api_that_is_busy_with_definitions_only_delays(
    error: errors.ApiError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each object is applied once it can be, operator and network are awaited all the same, and it is told."""
    monkeypatch.setattr(calico, "_DELAY_S", 0.0)
    api, told = Busy(error), list[str]()
    calico.install(
        api, [("a.yaml", b"{apiVersion: v1, kind: Namespace, metadata: {name: a}}")], timeout_s=5.0, say=told.append
    )
    assert api.applied == ["Namespace", "Installation"]
    assert str(error) in told
    assert told[-1].startswith("1 of 1 nodes ready")


def test_an_api_that_refuses_is_not_awaited() -> None:
    """What was refused for a reason is refused again."""
    with pytest.raises(errors.ApiError, match="invalid"):
        calico.apply_all(Busy(errors.ApiError(422, "Invalid", "invalid")), [{"apiVersion": "v1", "kind": "A"}])
