"""felix's health port on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from harness.lab.felix import agent, health


@pytest.fixture
def state() -> list[agent.Health]:
    """What the agent says of itself; the last one counts."""
    return [agent.Health(ready=False, message="waiting for routes to all nodes")]


@pytest.fixture
def url(state: list[agent.Health]) -> Iterator[str]:
    """A health port on any free port."""
    server = health.serve(0, lambda: state[-1])
    yield f"http://{health.ADDRESS}:{server.server_port}"
    server.shutdown()
    server.server_close()


def get(url: str) -> tuple[int, str]:
    """The status and the body."""
    with requests.get(url, timeout=5) as answer:
        return answer.status_code, answer.text


def test_not_ready_says_why(url: str) -> None:
    """503 with the reason, which the kubelet puts into the event."""
    assert get(f"{url}/readiness") == (503, "waiting for routes to all nodes\n")


def test_ready_says_which_dataplane(url: str, state: list[agent.Health]) -> None:
    """200 with the dataplane in force."""
    state.append(agent.Health(ready=True, message="dataplane BPF in force"))
    assert get(f"{url}/readiness") == (200, "dataplane BPF in force\n")


def test_alive_even_when_not_ready(url: str) -> None:
    """Liveness is about the process."""
    assert get(f"{url}/liveness") == (200, "live\n")


def test_other_paths_are_not_found(url: str) -> None:
    """Nothing else is served."""
    assert get(f"{url}/")[0] == 404
