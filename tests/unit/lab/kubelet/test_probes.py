"""Readiness probes: what an outcome adds up to."""

from __future__ import annotations

import dataclasses

import pytest

from harness.lab.kubelet import probes, specs
from tests.unit.lab.kubelet import objects


def probe(**thresholds: int) -> specs.Probe:
    """A probe with those thresholds."""
    found = specs.pod_of(objects.pod(readinessProbe={"tcpSocket": {"port": 80}})).containers[0].readiness
    assert found is not None
    return dataclasses.replace(found, **thresholds)  # type: ignore[arg-type]


def readiness(outcomes: str, **thresholds: int) -> str:
    """What a row of outcomes makes of it: ``+`` for success or ready, ``-`` for failure or not."""
    tally, found = probes.Tally(), ""
    for each in outcomes:
        tally = tally.after(each == "+", probe(**thresholds))
        found += "+" if tally.ready else "-"
    return found


@pytest.mark.parametrize(
    ("outcomes", "thresholds", "wanted"),
    [
        ("--+", {}, "--+"),
        ("+--+---", {}, "++++++-"),
        ("+-", {"failure_threshold": 1}, "+-"),
        ("++-++", {"success_threshold": 2, "failure_threshold": 1}, "-+--+"),
    ],
)
def test_thresholds(outcomes: str, thresholds: dict[str, int], wanted: str) -> None:
    """Only as many outcomes in a row as the threshold says change the readiness."""
    assert readiness(outcomes, **thresholds) == wanted


@pytest.mark.parametrize(("port", "number"), [(8080, 8080), ("web", 80), ("81", 81), ("none", 0)])
def test_ports_by_name_and_number(port: int | str, number: int) -> None:
    """A name is one of the container's ports; an unknown one is a port that never answers."""
    container = specs.pod_of(objects.pod(ports=[{"name": "web", "containerPort": 80}])).containers[0]
    assert probes.port_of(container, port) == number
