"""What is waited for while Calico comes up, held against what a real cluster's TigeraStatus said."""

from __future__ import annotations

import json

import pytest

from harness.clusters.kind import calico
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
