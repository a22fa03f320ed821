"""Runs on a cluster that somebody else owns, by callers who may do what is documented and nothing else."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import cli
from harness.clusters.existing import namespaces, rights
from harness.core import process
from harness.dataplane import calico
from harness.kube import shaping
from harness.lab.owner import credentials
from harness.model import words
from tests.existing import labs

OWN = "sourceip-"


@pytest.fixture
def untouched(theirs: labs.Theirs) -> Iterator[None]:
    """After a test the cluster has what it had before, and nothing of the run."""
    before = theirs.namespaces, theirs.theirs
    yield
    assert (theirs.namespaces, theirs.theirs) == before


@pytest.mark.usefixtures("untouched")
def test_a_reader_verifies_what_is_in_force(theirs: labs.Theirs) -> None:
    """Green in the dataplane that is there, with no other phase, and not one object of theirs changed."""
    code, said = labs.run(theirs.words(credentials.READER, "--read-only", "--client-cmd", theirs.client_cmd))
    assert code == 0, said
    assert "will change: nothing that is not the run's own" in said
    assert "SKIPPED ebpf: Iptables is in force, and only --allow-switch changes that" in said
    assert "PASS: 6 of 6 cells" in said
    assert "switching" not in said


@pytest.mark.usefixtures("untouched")
def test_pytest_runs_the_phase_in_force_and_skips_the_others(theirs: labs.Theirs) -> None:
    """What will be made is shown before it is, and the other phases are skipped by their reason."""
    chosen = theirs.options(credentials.READER, "--client-cmd", theirs.client_cmd, "--cells", "walkthrough")
    code, said = labs.run([str(labs.ROOT / "tests/source_ip/test_nodeport.py"), *chosen], module="pytest")
    assert code == 0, said
    assert "will create: namespaces sourceip-" in said
    assert "2 passed, 4 skipped" in said
    assert "ebpf: Iptables is in force, and only --allow-switch changes that" in said


@pytest.mark.usefixtures("untouched")
def test_pytest_refuses_a_caller_without_the_rights(theirs: labs.Theirs) -> None:
    """The table is shown, and the session ends once and with 2."""
    chosen = theirs.options(credentials.READER, "--client-cmd", theirs.client_cmd, "--allow-switch")
    code, said = labs.run([str(labs.ROOT / "tests/source_ip/test_nodeport.py"), *chosen], module="pytest")
    assert code == 2, said
    assert ["patch", "installations.operator.tigera.io", "default", "all", "switch"] in map(
        str.split, said.splitlines()
    )
    assert said.count("rights are missing, listed above; nothing was made") == 1


@pytest.mark.usefixtures("untouched")
def test_without_a_client_outside_the_cells_inside_are_verified(theirs: labs.Theirs) -> None:
    """The controls are played by a pod; what needs an outsider is left out with its own reason."""
    code, said = labs.run(theirs.words(credentials.READER, "--read-only", "--cells", "pod@other*,external*"))
    assert code == 0, said
    assert "client: inside the cluster only" in said
    assert "row(s): capability: there is no client outside the cluster; --client-cmd names one" in said
    assert "controls: 3 of 3 held" in said


@pytest.mark.usefixtures("untouched")
def test_missing_rights_are_refused_before_anything_is_made(theirs: labs.Theirs) -> None:
    """A reader who wants to switch is shown what is missing, and no namespace was ever there."""
    code, said = labs.run(theirs.words(credentials.READER, "--allow-switch", "--client-cmd", theirs.client_cmd))
    assert code == 2
    assert ["patch", "installations.operator.tigera.io", "default", "all", "switch"] in map(
        str.split, said.splitlines()
    )
    assert "will create" not in said
    assert "nothing was made" in said.splitlines()[-1]


@pytest.mark.usefixtures("untouched")
def test_a_context_that_was_not_named_is_refused(theirs: labs.Theirs) -> None:
    """The file's current context is not taken."""
    said_words = theirs.words(credentials.READER, "--read-only", "--context", "")
    code, said = labs.run(said_words)
    assert (code, len(said.splitlines())) == (2, 1)
    assert f"has {theirs.context}" in said


@pytest.mark.usefixtures("untouched")
def test_a_client_command_that_does_not_work_is_one_line(theirs: labs.Theirs) -> None:
    """Nothing was made for a client that can't dial."""
    code, said = labs.run(theirs.words(credentials.READER, "--client-cmd", "ssh-to-nowhere host"))
    assert (code, len(said.splitlines())) == (2, 1)
    assert "--client-cmd ssh-to-nowhere host: it runs no python3 there" in said


@pytest.mark.usefixtures("untouched")
def test_a_caller_who_may_make_nothing_sees_the_dataplane(
    theirs: labs.Theirs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the NodePorts that are there each node's dataplane is shown, and that nothing was measured."""
    monkeypatch.setattr(rights, "missing", lambda _api, _asked: rights.MAKING)
    assert cli.main(theirs.words(credentials.READER, "--read-only")) == 2
    said = capsys.readouterr()
    assert len(re.findall(r"^kind-\S+ +Iptables", said.out, re.MULTILINE)) == 3
    assert "sourceip: workloads: " in said.err


def test_a_switch_is_allowed_and_everything_is_put_back(theirs: labs.Theirs, caplog: pytest.LogCaptureFixture) -> None:
    """Three green phases; then fields, ConfigMap and selector are as they were; and every right was used."""
    before = theirs.namespaces, theirs.theirs[0]
    with caplog.at_level(logging.DEBUG, "harness.kube"):
        code = cli.main(
            theirs.words(
                credentials.SWITCHER, "--allow-switch", "--switch", "manual", "--client-cmd", theirs.client_cmd,
                "--cells", "external*,pod@other/-/ClusterIP-Cluster",
            )
        )  # fmt: skip
    assert code == 0
    assert (theirs.namespaces, theirs.theirs[0]) == before
    used = set(requests(record.getMessage() for record in caplog.records))
    assert used - expected() == set()
    assert expected() - used == UNSEEN


# Nothing shows a review, an exec or a patch of what was there by its method and path alone; what a lab has no operator
# pod for, and APIs that it lacks, are not used on it.
UNSEEN = {
    ("create", "configmaps"), ("create", "daemonsets"), ("create", "deployments"), ("create", "namespaces"),
    ("create", "pods/exec"), ("create", "serviceaccounts"), ("create", "services"), ("get", "pods/exec"),
    ("patch", "deployments/tigera-operator"),
}  # fmt: skip


def expected() -> set[tuple[str, str]]:
    """Verb and resource of every right, and the operator's Deployment by its name."""
    found = rights.wanted(switching=True)
    return {(right.verb, kind_of(right.resource, right.name)) for right in found}


def kind_of(resource: str, name: str) -> str:
    """A resource; the operator's own Deployment is told from the run's."""
    return f"{resource}/{name}" if name == "tigera-operator" else resource


def requests(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Verb and resource of each request that the client has logged, discovery and reviews left out."""
    for line in lines:
        found = re.fullmatch(r"(GET|PATCH|DELETE) /(?:api|apis/[^/]+)/v\d/(\S+): \d+", line)
        if found is None:
            continue
        parts = found[2].split("/")
        if parts[0] == "namespaces" and len(parts) > 2:
            parts = parts[2:]
        resource, name, part = [*parts, "", ""][:3]
        verb = {"PATCH": "patch", "DELETE": "delete"}.get(found[1], "get" if name else "list")
        yield verb, kind_of(f"{resource}/{part}" if part else resource, name)


@pytest.mark.usefixtures("untouched_settings")
def test_ctrl_c_in_the_middle_of_a_switch_puts_everything_back(theirs: labs.Theirs) -> None:
    """The dataplane that was found is awaited by proof before anything else is taken away."""
    chosen = theirs.words(credentials.SWITCHER, "--allow-switch", "--client-cmd", theirs.client_cmd)
    code, said = labs.run(chosen, "TigeraStatus calico: ", labs.interrupt)
    assert code == 130, said
    assert "switching back to Iptables" in said
    assert "back to what was found: kind-control-plane: Iptables" in said
    assert "in phase ebpf" in said


@pytest.fixture
def untouched_settings(theirs: labs.Theirs) -> Iterator[None]:
    """After a test with a switch: the same settings, and nothing of the run."""
    before = theirs.namespaces, theirs.theirs[0]
    yield
    assert (theirs.namespaces, theirs.theirs[0]) == before


@pytest.mark.usefixtures("untouched")
def test_a_client_that_dies_leaves_nothing(theirs: labs.Theirs, tmp_path: Path) -> None:
    """A failure in the middle of a phase is an error, and the namespaces are gone all the same."""
    client, pid = tmp_path / "client", tmp_path / "pid"
    client.write_text(f'#!/bin/sh\necho $$ > {pid}\nexec {theirs.client_cmd} "$@"\n')
    client.chmod(0o755)

    def kill(_child: process.Child) -> None:
        process.run(["kill", "-9", pid.read_text().strip()])

    chosen = theirs.words(credentials.READER, "--client-cmd", str(client))
    code, said = labs.run(chosen, "samples a cell", kill)
    assert code == 1, said
    assert f"removed: namespaces {OWN}" in said


def test_what_another_run_left_is_named_and_cleaned_on_request(
    theirs: labs.Theirs, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run names it and leaves it; ``sourceip clean`` lists it, and then removes it."""
    mark = dict([shaping.MARKED.split("=")])
    left = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sourceip-dead-echo", "labels": mark}}
    theirs.api.apply(left)
    told: list[str] = []
    namespaces.tell_left(namespaces.left(theirs.api), told.append)
    assert told == ["of other runs, and left alone: namespaces sourceip-dead-echo; sourceip clean removes them"]
    where = ["clean", "--kubeconfig", str(theirs.lab.kubeconfig), "--context", theirs.context]
    assert cli.main([*where, "--dry-run"]) == 0
    assert "sourceip-dead-echo" in theirs.namespaces
    assert cli.main(where) == 0
    assert "sourceip-dead-echo" not in theirs.namespaces
    assert cli.main(where) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing is left of any run"
    assert "yaobank-customer" in theirs.namespaces


def test_a_reader_verifies_bpf_where_that_is_in_force(theirs: labs.Theirs) -> None:
    """The eBPF phase alone, against its own book, and the cluster stays in eBPF mode."""
    calico.switch(theirs.api, words.Dataplane.BPF)
    # The operator takes kube-proxy away in its own time, so that only what was asked for is compared.
    before = theirs.namespaces, theirs.theirs[0].network
    code, said = labs.run(theirs.words(credentials.READER, "--read-only", "--client-cmd", theirs.client_cmd))
    assert code == 0, said
    assert "ebpf (BPF, as found)" in said
    assert "SKIPPED iptables: BPF is in force, and only --allow-switch changes that" in said
    assert (theirs.namespaces, theirs.theirs[0].network) == before
