"""What a lab runs, and who may call its API."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.lab import state
from harness.lab.owner import credentials, isolation, programs

LAB = state.LabState(
    name="x",
    directory=Path("/run/sourceip/x"),
    owner=state.Process(pid=1, started=1),
    nodes=("kind-control-plane", "kind-worker"),
    addresses=("172.18.0.2", "172.18.0.3"),
    client="172.18.0.4",
)


def test_a_lab_has_an_api_server_controllers_and_a_kubelet_a_node() -> None:
    """Each runs where the contract says, and the API server gets its sockets."""
    with socket.socket() as outer, socket.socket() as inner:
        found = {each.name: each for each in programs.of_lab(LAB, [outer, inner])}
        descriptors = (outer.fileno(), inner.fileno())
    assert set(found) == {"apiserver", "controllers", "kubelet-kind-control-plane", "kubelet-kind-worker"}
    assert found["apiserver"].descriptors == descriptors
    assert found["apiserver"].arguments == (
        *("--listen-fd", str(descriptors[0])),
        *("--listen-fd", str(descriptors[1])),
    )
    assert {found[name].namespace for name in ("apiserver", "controllers")} == {"kind-control-plane"}
    kubelet = found["kubelet-kind-worker"]
    assert (kubelet.namespace, kubelet.node, kubelet.arguments) == (
        "kind-worker",
        "kind-worker",
        ("--node", "kind-worker"),
    )


def test_programs_find_the_project_and_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is on Python's path, and the system's folders on the shell's, whatever the caller had."""
    monkeypatch.setenv("PATH", "/opt/bin")
    values = programs.environment({"EXTRA": "1"})
    assert values["PATH"] == "/opt/bin:/usr/sbin:/sbin"
    assert (Path(values["PYTHONPATH"]) / "harness" / "lab" / "owner").is_dir()
    assert values["EXTRA"] == "1"


def test_everyone_who_calls_has_an_identity_of_its_own() -> None:
    """Names are those of the contract, and users those of Kubernetes' components."""
    users = {each.name: each.user for each in credentials.callers(LAB.nodes)}
    assert users == {
        "admin": "kubernetes-admin",
        "kubelet-kind-control-plane": "system:node:kind-control-plane",
        "kubelet-kind-worker": "system:node:kind-worker",
        "kube-proxy": "system:serviceaccount:kube-system:kube-proxy",
        "calico-node": "system:serviceaccount:calico-system:calico-node",
        "tigera-operator": "system:serviceaccount:tigera-operator:tigera-operator",
        "controller-manager": "system:kube-controller-manager",
        "sourceip-reader": "system:serviceaccount:sourceip:sourceip-reader",
        "sourceip-switcher": "system:serviceaccount:sourceip:sourceip-switcher",
    }


def test_the_server_is_known_by_every_name_that_is_used() -> None:
    """From outside, from nodes and from pods."""
    assert {"127.0.0.1", "172.18.0.2", "10.96.0.1", "kind-control-plane", "kubernetes"} <= set(credentials.SERVER_NAMES)


def test_what_lies_below_run_stays_visible() -> None:
    """Only folders below /run need help when /run becomes private, each once."""
    paths = [Path("/run/sourceip/x"), Path("/opt"), Path("/run"), Path("/run/sourceip/x")]
    assert isolation.below_run(paths) == [Path("/run/sourceip/x")]
