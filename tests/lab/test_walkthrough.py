"""The original walk-through, command by command and unchanged, with the machine's own kubectl against a lab."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from harness.commands import lab_up
from harness.core import process
from harness.lab import lifecycle, state
from tests import recordings
from tests.lab import kubectls

_VISIT = re.compile(r"(?P<phase>\S+)\s+via (?P<node>\S+)\s+log: (?P<seen>\S+)\s+client: (?P<client>\S+)")
_PHASES = ("iptables", "ebpf", "reverted")
# The script itself decides after so many rounds in a row that hold.
_ROUNDS = 3
_TIMEOUT_S = 240.0

Visits = Mapping[tuple[str, str], tuple[str, ...]]


@pytest.fixture(scope="module")
def own_lab() -> Iterator[state.LabState]:
    """A lab of its own: the walk-through leaves a ConfigMap behind."""
    with lifecycle.running(name=f"walk-{os.getpid()}") as started:
        yield started


def visits(text: str) -> Visits:
    """The addresses logged in the rounds that settled each phase, by phase and node."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        if match := _VISIT.fullmatch(line):
            found.setdefault((match["phase"], match["node"]), []).append(match["seen"])
    return {where: tuple(seen[-_ROUNDS:]) for where, seen in found.items()}


def expected(kubectl: kubectls.Kubectl, client: str) -> Visits:
    """What the recorded cluster showed, with this cluster's addresses.

    In iptables mode a remote backend sees the entry node's tunnel address and a local one its InternalIP (the
    recordings' finding 1); in eBPF mode every backend sees the client.
    """
    pods = kubectl.json("get", "pods", "-n", "yaobank-customer")["items"]
    backend = pods[0]["spec"]["nodeName"]
    wanted: dict[tuple[str, str], tuple[str, ...]] = {}
    for node in kubectl.json("get", "nodes")["items"]:
        name = node["metadata"]["name"]
        tunnel = node["metadata"]["annotations"]["projectcalico.org/IPv4VXLANTunnelAddr"]
        internal = next(entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP")
        for phase in _PHASES:
            seen = client if phase == "ebpf" else internal if name == backend else tunnel
            wanted[phase, name] = (seen,) * _ROUNDS
    return wanted


def test_walkthrough_passes_unchanged(own_lab: state.LabState, tmp_path: Path) -> None:
    """Exit 0, and the log shows the addresses that the real cluster's log showed, phase by phase."""
    if not kubectls.available():
        pytest.skip("this machine has no kubectl")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KUBECONFIG": str(own_lab.kubeconfig),
        "CLIENT": lab_up.client_prefix(own_lab),
        "WAIT_S": "45",
    }
    script = recordings.acceptance() / "walkthrough.sh"
    done = process.run(["bash", str(script)], env=environment, timeout_s=_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.text + done.stderr.decode()
    seen = visits(done.text)
    assert seen == expected(kubectls.Kubectl(own_lab.kubeconfig, tmp_path), own_lab.client)
    assert seen["iptables", "kind-control-plane"] == ("10.244.82.0",) * _ROUNDS


def test_recorded_walkthrough_reads_the_same() -> None:
    """The reading of the lab's text holds for the real cluster's."""
    seen = visits((recordings.path() / "walkthrough.txt").read_text())
    for phase in ("iptables", "reverted"):
        assert seen[phase, "kind-control-plane"] == ("10.244.82.0",) * _ROUNDS
    assert {addresses for (phase, _), addresses in seen.items() if phase == "ebpf"} == {("172.18.0.5",) * _ROUNDS}
