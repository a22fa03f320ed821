"""A pod's status from what its containers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.lab.kubelet import specs, statuses
from tests.unit.lab.kubelet import objects

NOW = "2026-11-23T05:17:14Z"
UP = statuses.Running(started=NOW)
WAIT = statuses.Waiting(reason="ContainerCreating")


def ended(code: int) -> statuses.Terminated:
    """A run that ended with that code."""
    reason = "Error" if code else "Completed"
    return statuses.Terminated(exit_code=code, reason=reason, started=NOW, finished=NOW, container_id="containerd://1")


def container(
    state: statuses.State, *, last: statuses.Terminated | None = None, ready: bool = False
) -> statuses.ContainerView:
    """A view of one container in that state."""
    spec = specs.pod_of(objects.pod()).containers[0]
    return statuses.ContainerView(
        spec=spec, state=state, last=last, ready=ready, restarts=0, container_id="containerd://1"
    )


def view(
    *containers: statuses.ContainerView,
    init: Sequence[statuses.ContainerView] = (),
    policy: str = "Always",
    ip: str = "",
) -> statuses.PodView:
    """A view of a pod with those containers."""
    pod = specs.pod_of(objects.pod(restartPolicy=policy))
    return statuses.PodView(pod=pod, init=init, containers=containers, ip=ip, host_ip="172.18.0.3", started=NOW)


@pytest.mark.parametrize(
    ("states", "policy", "phase"),
    [
        ([WAIT], "Always", "Pending"),
        ([UP, WAIT], "Always", "Pending"),
        ([UP, UP], "Always", "Running"),
        ([UP, ended(1)], "Never", "Running"),
        ([ended(0)], "Always", "Running"),
        ([ended(0), ended(0)], "Never", "Succeeded"),
        ([ended(0), ended(1)], "Never", "Failed"),
        ([ended(0)], "OnFailure", "Succeeded"),
        ([ended(1)], "OnFailure", "Running"),
    ],
)
def test_phase(states: Sequence[statuses.State], policy: str, phase: str) -> None:
    """The kubelet's own table."""
    assert statuses.phase_of(view(*map(container, states), policy=policy)) == phase


def test_a_container_that_waits_for_its_next_run_does_not_make_the_pod_pending() -> None:
    """A pod in CrashLoopBackOff is Running."""
    crashing = container(statuses.Waiting(reason="CrashLoopBackOff"), last=ended(1))
    assert statuses.phase_of(view(crashing)) == "Running"


@pytest.mark.parametrize(
    ("state", "policy", "phase"),
    [
        (UP, "Always", "Pending"),
        (ended(1), "Always", "Pending"),
        (ended(1), "Never", "Failed"),
        (ended(0), "Always", "Running"),
    ],
)
def test_phase_while_init_containers_run(state: statuses.State, policy: str, phase: str) -> None:
    """The pod is Pending until all have succeeded, or Failed if one never will."""
    assert statuses.phase_of(view(container(UP), init=[container(state)], policy=policy)) == phase


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    return {each["type"]: (each["status"], each.get("reason", "")) for each in status["conditions"]}


def test_conditions_of_a_ready_pod() -> None:
    """All five hold, and the scheduler's is kept as it was."""
    status = statuses.status_of(view(container(UP, ready=True), ip="10.244.82.1"), {}, now=NOW)
    assert set(conditions(status).values()) == {("True", "")}
    kept = next(each for each in status["conditions"] if each["type"] == "PodScheduled")
    assert kept["lastTransitionTime"] == "long ago"
    assert (status["podIP"], status["podIPs"], status["hostIP"]) == (
        "10.244.82.1",
        [{"ip": "10.244.82.1"}],
        "172.18.0.3",
    )


def test_conditions_of_an_unready_pod() -> None:
    """The unready container is named."""
    status = statuses.status_of(view(container(UP)), {}, now=NOW)
    assert conditions(status)["Ready"] == conditions(status)["ContainersReady"] == ("False", "ContainersNotReady")
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [main]"
    assert conditions(status)["PodReadyToStartContainers"] == ("False", "")


def test_a_condition_keeps_its_time_while_it_stays() -> None:
    """A second report of the same keeps the time of the first, even before the API server has answered."""
    first = statuses.status_of(view(container(UP, ready=True), ip="10.244.82.1"), {}, now="first")
    second = statuses.status_of(view(container(UP, ready=True), ip="10.244.82.1"), first, now="second")
    third = statuses.status_of(view(container(UP), ip="10.244.82.1"), second, now="third")
    assert second == first
    times = {each["type"]: each["lastTransitionTime"] for each in third["conditions"]}
    assert (times["Ready"], times["Initialized"]) == ("third", "first")


def test_a_pod_that_ended_is_completed() -> None:
    """Ready is False with the reason that kubectl shows as Completed."""
    status = statuses.status_of(view(container(ended(0)), policy="Never"), {}, now=NOW)
    assert conditions(status)["Ready"] == ("False", "PodCompleted")


def test_container_states_have_kubernetes_form() -> None:
    """Each state is one key with its fields; an init container that is done is ready."""
    done = container(ended(0))
    status = statuses.status_of(view(container(WAIT), init=[done]), {}, now=NOW)
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    first = status["initContainerStatuses"][0]
    assert (first["ready"], first["started"]) == (True, False)
    assert first["state"]["terminated"]["reason"] == "Completed"
