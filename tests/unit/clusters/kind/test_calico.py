"""What is waited for while Calico comes up, held against what a real cluster's TigeraStatus said."""

from __future__ import annotations

import json

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
