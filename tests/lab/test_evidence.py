"""A red lab leaves a bundle that explains it: rules, connections, objects, logs, packets, and no planted secret."""

from __future__ import annotations

import dataclasses
import os
import struct
from pathlib import Path

import pytest

from harness.checks import sampling, scene, walk
from harness.clusters import cluster
from harness.clusters import lab as provider
from harness.core import errors, process
from harness.evidence import bundle, collectors
from harness.lab import lifecycle, state
from harness.model import matrix, records, words
from harness.witness import stations

PLANTED = "hunter2-Zm9vYmFy"
CUSTOMER = "/apis/apps/v1/namespaces/yaobank-customer/deployments/customer"
MASQUERADE = ["-m", "comment", "--comment", "kubernetes service traffic requiring SNAT", "-j", "MASQUERADE"]


@pytest.mark.iptables
def test_a_red_phase_leaves_a_bundle_that_explains_it(tmp_path: Path) -> None:
    """The node without its masquerade is asked first, and its packets show the client's address on the way out."""
    try:
        with (
            lifecycle.running(name=f"evidence-{os.getpid()}") as lab,
            cluster.staged(provider.from_state(lab)) as place,
        ):
            plant(place)
            remove_masquerade(lab)
            with stations.deployed(place.api, timeout_s=30.0, say=lambda _text: None, keep=True):
                record = red(place)
                count = collect(place, record, tmp_path)
    except errors.CapabilityMissing as error:
        pytest.skip(str(error))
    assert count > 30
    node = tmp_path / "nodes" / "kind-control-plane"
    assert "KUBE-POSTROUTING" in (node / "iptables-save.txt").read_text()
    assert "vxlan.calico" in (node / "ip-link.txt").read_text()
    assert packets(tmp_path / "pcap" / "kind-control-plane.pcap") > 2
    assert "customer" in (tmp_path / "api" / "pods.json").read_text()
    assert_no_secret(tmp_path)


def plant(place: scene.Scene) -> None:
    """Put a secret where people put them: into a variable of a Deployment, which its pods have too."""
    variable = {"name": "DB_PASSWORD", "value": PLANTED}
    containers = [{"name": "customer", "env": [variable]}]
    place.api.patch(
        CUSTOMER, {"spec": {"template": {"spec": {"containers": containers}}}}, "application/strategic-merge-patch+json"
    )
    scene.deploy(place.api, matrix.WALKTHROUGH, timeout_s=30.0)


def remove_masquerade(lab: state.LabState) -> None:
    """Take the rule that hides clients from one node's kernel."""
    space = f"--net=/proc/{lab.owner.pid}/root/run/netns/kind-control-plane"
    rule = ["-D", "KUBE-POSTROUTING", *MASQUERADE, "--random-fully"]
    process.run(["nsenter", space, "iptables", "-t", "nat", *rule])


def red(place: scene.Scene) -> records.PhaseRecord:
    """The first phase, which must not pass."""
    impatient = dataclasses.replace(place, patience=dataclasses.replace(place.patience, switch_s=3.0, probe_s=2.0))
    record = walk.Walk(impatient, samples=2).reach(words.Phase.IPTABLES)
    assert not record.passed
    return record


def collect(place: scene.Scene, record: records.PhaseRecord, folder: Path) -> int:
    """The bundle of that phase's first cell through the broken node."""
    [failed, *_] = [
        verdict.cell
        for verdict in record.verdicts
        if verdict.outcome is not words.Outcome.PASS
        and verdict.cell.entry is not None
        and verdict.cell.entry.name == "kind-control-plane"
    ]
    return collectors.collect(
        place.api,
        folder,
        title="a test",
        failed=failed,
        redial=lambda cell: sampling.once(place.at, cell, place.patience),
    )


def packets(path: Path) -> int:
    """How many packets a capture holds; an assertion if it is no capture."""
    data = path.read_bytes()
    assert struct.unpack_from("<I", data)[0] == 0xA1B2C3D4
    at, count = 24, 0
    while at < len(data):
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
        count += 1
    return count


def assert_no_secret(folder: Path) -> None:
    """The planted value is in no file, though the variable's name is in one."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if PLANTED.encode() in path.read_bytes()]
    assert "DB_PASSWORD" in (folder / "api" / "deployments.json").read_text()
    assert (folder / bundle.INDEX).is_file()
