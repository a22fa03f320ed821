"""The witness's pods as the harness sees them: what they run, what they answer, and a cluster that has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from harness.core import errors
from harness.kube import client
from harness.witness import stations
from tests import fake_cluster


class Refusing(fake_cluster.Api):
    """A cluster that lets no privileged pod in."""

    def apply(self, obj: Mapping[str, Any]) -> client.Object:
        """Refuse it as the PodSecurity admission plugin does."""
        raise errors.ApiError(403, "Forbidden", f'{obj["kind"]} violates PodSecurity "baseline:latest": privileged')

    def delete(self, path: str) -> None:
        """There is nothing to delete."""
        assert path == "/api/v1/namespaces/sourceip-witness"


def test_a_cluster_that_refuses_witnesses_is_no_error() -> None:
    """The run goes on, and the reason is said once."""
    said: list[str] = []
    with stations.deployed(Refusing(), timeout_s=1.0, say=said.append):
        assert len(said) == 1
    assert said == [
        'no witness on the wire: 403 Forbidden: Namespace violates PodSecurity "baseline:latest": privileged'
    ]


def test_a_cluster_without_witnesses_has_no_stations() -> None:
    """An API that does not know them says so, and that is nowhere."""
    assert stations.stations(fake_cluster.Api()) == {}


def test_the_pods_run_the_watchers_own_text() -> None:
    """The file's name in the manifest is replaced by its text, which Kubernetes must not expand anything in."""
    command = stations.objects()[1]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[-1] == stations.SOURCE.read_text()
    assert "$(" not in command[-1]
    # The kernel's limit for one argument of a program is 128 KiB.
    assert len(command[-1]) < 128 << 10


def test_an_answer_is_its_lines() -> None:
    """One JSON value a line, the last one an object."""
    assert stations.lines(b'["t",1]\n{"seen":1}\n') == (["t", 1], {"seen": 1})


@pytest.mark.parametrize("answer", [b"", b'["t",1]\n', b"Traceback\n", b'{"error":"ValueError: no watch"}\n'])
def test_an_answer_that_is_cut_or_refused_is_an_error(answer: bytes) -> None:
    """An answer without its last line could have lost others, so nothing of it counts."""
    with pytest.raises(stations.WitnessError):
        stations.lines(answer)


def test_one_node_that_fails_leaves_the_others() -> None:
    """What fails on a node is left out of the answer."""

    def work(node: str, value: int) -> int:
        if node == "b":
            raise stations.WitnessError("gone")
        return value + 1

    assert stations.everywhere(work, {"a": 1, "b": 2, "c": 3}) == {"a": 2, "c": 4}
