"""The witnesses on a real lab: they agree where nothing is wrong, and what fools one of them is caught by another.

Every fault is made in the kernel of the lab, where the application, or the harness, can't know of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.checks import scene, source_ip, walk
from harness.clusters import cluster
from harness.clusters import lab as provider
from harness.core import errors, process
from harness.kube import inventory
from harness.lab import lifecycle, state
from harness.model import cells, facts, matrix, words
from harness.probing import client as agents
from harness.witness import stations

_SAMPLES = 5
OUTSIDE = [row.standing for row in matrix.WALKTHROUGH]


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[state.LabState, scene.Scene]]:
    """A lab of this module's own, with yaobank and a watcher on every node."""
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(lifecycle.running(name=f"witness-{os.getpid()}"))
        except errors.CapabilityMissing as error:
            pytest.skip(str(error))
        place = stack.enter_context(cluster.staged(provider.from_state(lab)))
        scene.deploy(place.api, matrix.WALKTHROUGH, timeout_s=60)
        said: list[str] = []
        stack.enter_context(stations.deployed(place.api, timeout_s=30, say=said.append))
        assert said == []
        yield lab, dataclasses.replace(place, patience=dataclasses.replace(place.patience, probe_s=2.0))


@pytest.fixture(scope="module")
def steps(watched: tuple[state.LabState, scene.Scene]) -> walk.Walk:
    """A walk on that lab with few samples."""
    return walk.Walk(watched[1], samples=_SAMPLES)


@pytest.fixture
def echo(watched: tuple[state.LabState, scene.Scene]) -> facts.Facts:
    """An echo server in iptables mode, and the facts in which it is dialled."""
    _, place = watched
    walk.Walk(place, samples=1, phases=(words.Phase.IPTABLES,)).reach(words.Phase.IPTABLES)
    scene.deploy(place.api, matrix.ROWS, timeout_s=60)
    return echoing(place)


@contextlib.contextmanager
def rule(lab: state.LabState, namespace: str, chain: str, *words_: str) -> Iterator[None]:
    """A rule of the nat table in one of the lab's namespaces, until the block ends."""
    enter = ["nsenter", f"--net=/proc/{lab.owner.pid}/root/run/netns/{namespace}"]
    process.run([*enter, "iptables", "-t", "nat", "-I", chain, *words_])
    try:
        yield
    finally:
        process.run([*enter, "iptables", "-t", "nat", "-D", chain, *words_])


def customer(place: scene.Scene) -> str:
    """The network namespace of customer's pod."""
    (pod,) = place.api.items("/api/v1/namespaces/yaobank-customer/pods")
    return f"pod-{pod['metadata']['uid'][:8]}"


def echoing(place: scene.Scene) -> facts.Facts:
    """The lab's facts with the Service of an echo server, which leaves no log, dialled over TCP."""
    wanted = (inventory.Wanted(namespace="echo", service="echo", protocol=words.Protocol.TCP),)
    known = inventory.read(place.api, who=place.who, wanted=wanted)
    return dataclasses.replace(
        known, destinations=tuple(dataclasses.replace(item, target_port=8080) for item in known.destinations)
    )


def reasons(checked: source_ip.Checked, entry: str) -> str:
    """All that is wrong with the cells through a node."""
    verdicts = [item for item in checked.verdicts if item.cell.entry is not None and item.cell.entry.name == entry]
    assert verdicts
    return "\n".join(reason for verdict in verdicts for reason in verdict.reasons)


@contextlib.contextmanager
def impostor(lab: state.LabState, node: str, *, port: int, identity: str) -> Iterator[None]:
    """An echo server on a node that says it is somebody else, and takes what comes for a NodePort there."""
    enter = ["nsenter", f"--net=/proc/{lab.owner.pid}/root/run/netns/{node}"]
    request = json.dumps({"id": "it", "op": "serve", "port": 9999, "identity": identity})
    agent = str(Path(agents.__file__).with_name("agent.py"))
    child = process.start([*enter, sys.executable, agent, request], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert b"serving" in child.stdout.readline()
        with rule(lab, node, "PREROUTING", "-p", "tcp", "--dport", str(port), "-j", "REDIRECT", "--to-ports", "9999"):
            yield
    finally:
        child.terminate()
        child.communicate()


@pytest.mark.ebpf
@pytest.mark.parametrize("phase", [words.Phase.IPTABLES, words.Phase.EBPF])
def test_the_wire_says_the_same_as_the_log(steps: walk.Walk, phase: words.Phase) -> None:
    """Every answered sample of every cell has both accounts, of one address and one backend."""
    record = steps.reach(phase)
    assert record.passed, walk.failures(record, record.verdicts)
    for verdict in record.verdicts:
        assert words.Witness.WIRE in verdict.watching, verdict.cell.name
        for sample in verdict.samples:
            logged, seen = sample.of(words.Witness.APPLICATION), sample.of(words.Witness.WIRE)
            assert [(item.address, item.backend) for item in logged] == [(item.address, item.backend) for item in seen]
            assert len(seen) == int(sample.reply.answered)


@pytest.mark.ebpf
@pytest.mark.parametrize(
    ("phase", "destination", "source"),
    [
        (words.Phase.IPTABLES, "nat KUBE-SEP-", "nat KUBE-POSTROUTING rule 3"),
        (words.Phase.EBPF, "BPF program at ", ""),
    ],
)
def test_every_rewrite_is_attributed(steps: walk.Walk, phase: words.Phase, destination: str, source: str) -> None:
    """The rule or the NAT map's entry for every sample, and no change by nobody known."""
    record = steps.reach(phase)
    for verdict in record.verdicts:
        if isinstance(verdict.expectation, cells.NoAnswer):
            continue
        rewrites = {item.field: item for item in verdict.rewrites}
        changed = verdict.expectation.sources[0].klass is not words.AddressClass.CLIENT
        assert set(rewrites) == ({"destination", "source"} if changed else {"destination"}), verdict.cell.name
        assert rewrites["destination"].by.startswith(destination)
        assert all(item.samples == _SAMPLES for item in verdict.rewrites)
        assert verdict.witnessed[words.Witness.KERNEL] == _SAMPLES
        if changed:
            assert rewrites["source"].by.startswith(source)
            assert f"counter +{_SAMPLES}" in rewrites["source"].evidence


@pytest.mark.ebpf
def test_a_source_that_is_rewritten_in_the_pod_makes_the_witnesses_disagree(
    watched: tuple[state.LabState, scene.Scene], steps: walk.Walk
) -> None:
    """What the application sees is not what arrived: both are told, and neither is taken for the truth."""
    lab, place = watched
    steps.reach(words.Phase.EBPF)
    with rule(lab, customer(place), "INPUT", "-s", lab.client, "-j", "SNAT", "--to-source", "10.9.9.9"):
        checked = source_ip.check(place, words.Phase.EBPF, place.facts(), samples=3, rows=matrix.ANSWERING)
    for node in lab.nodes:
        text = reasons(checked, node)
        assert "witnesses disagree" in text
        assert "saw 10.9.9.9" in text
        assert f"saw {lab.client}" in text
    assert {item.by for verdict in checked.verdicts for item in verdict.rewrites if item.field == "source"} == {
        "nobody known"
    }


@pytest.mark.iptables
def test_an_answer_by_something_else_never_arrived_at_the_backend(
    watched: tuple[state.LabState, scene.Scene], echo: facts.Facts
) -> None:
    """An impostor that gives the right answer, in the right name, is found out by the backend's wire alone."""
    lab, place = watched
    (destination,) = echo.destinations
    (backend,) = destination.backends
    rows = [row for row in matrix.ROWS if row.standing in OUTSIDE and row.protocol is words.Protocol.TCP]
    rows = [row for row in rows if row.dialled.policy is words.Policy.CLUSTER and not row.host_backend]
    with impostor(lab, "kind-control-plane", port=destination.node_port, identity=backend.name):
        checked = source_ip.check(place, words.Phase.IPTABLES, echo, samples=3, rows=rows)
    assert reasons(checked, "kind-control-plane").startswith(
        "answered, but the request never arrived on the backend's wire"
    )
    assert reasons(checked, backend.node) == ""


_FLOOD = """
import socket
from harness.core import process
from harness.witness import watcher
process.run(["ip", "link", "set", "lo", "up"])
watcher.BUFFER = int({buffer})
capture = watcher.Capture("127.0.0.1", [9999])
sink, out = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
sink.bind(("127.0.0.1", 9999))
for number in range(500):
    out.sendto(b"token-%d\\n" % number, ("127.0.0.1", 9999))
    out.sendto(b"other-%d\\n" % number, ("127.0.0.1", 9998))
capture.read()
print(len(capture.kept), capture.dropped())
"""


@pytest.mark.parametrize(("buffer", "complete"), [(1 << 24, True), (1 << 12, False)])
def test_a_capture_that_could_not_keep_up_says_so(buffer: int, complete: bool) -> None:
    """Each packet for the port is kept once, or counted as lost by the kernel; never neither."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace of its own needs root")
    argv = ["unshare", "--net", sys.executable, "-c", _FLOOD.format(buffer=buffer)]
    done = process.run(argv, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    kept, lost = (int(word) for word in done.text.split())
    assert kept + lost == 500
    assert (lost == 0) is complete
