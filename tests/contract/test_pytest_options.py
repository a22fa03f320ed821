"""pytest from the root: the markers select the phases, and options that can't be are refused in one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.core import process

ROOT = Path(__file__).resolve().parents[2]


def collected(*words: str) -> process.Completed:
    """What pytest says of these words, without running a test."""
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *words]
    return process.run(argv, cwd=ROOT, check=False)


@pytest.mark.parametrize(("marker", "count"), [("iptables", 8), ("ebpf", 24)])
def test_a_marker_selects_its_phases(marker: str, count: int) -> None:
    """``iptables`` is the first phase, of the walk-through and of the matrix; ``ebpf`` the whole walk."""
    found = collected("-m", marker, "tests/source_ip")
    assert len([line for line in found.text.splitlines() if "::" in line]) == count, found.text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--cluster", "moon"), "--cluster moon: one of auto, lab, kind, existing"),
        (("--cluster", "existing"), "--cluster existing: --kubeconfig FILE names the cluster"),
        (("--kind-config", "nowhere.yaml"), "--kind-config nowhere.yaml: no such file"),
        (("--calico-manifests", "nowhere"), "--calico-manifests nowhere: no such folder"),
        (("--image-archive", "nowhere.tar"), "--image-archive nowhere.tar: no such file"),
        (("--evidence",), "--evidence: needs --report-dir DIR"),
        (("--samples", "0"), "--samples 0: 1 to 10000"),
        (("--samples", "-3"), "--samples -3: 1 to 10000"),
        (("--samples", "99999999999999999999"), "--samples 99999999999999999999: 1 to 10000"),
        (("--samples", "many"), "--samples many: not a number"),
        (("--cells", "external/nowhere"), "--cells: no cell 'external/nowhere'; sourceip plan lists them"),
    ],
)
def test_options_that_can_not_be_are_refused(words: tuple[str, ...], line: str) -> None:
    """One line and exit code 2, as on the command line."""
    refused = collected(*words, "tests/source_ip")
    said = refused.text + refused.stderr.decode()
    assert refused.returncode == 2
    assert line in said
    assert len(said.splitlines()) == 1, said


def test_a_cluster_that_was_named_and_can_not_be_had_is_no_green_run(tmp_path: Path) -> None:
    """Without an engine ``--cluster=kind`` ends with one line that says what is missing, and 2; nothing is skipped."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/source_ip", "-m", "ebpf"]
    refused = process.run([*argv, "--cluster=kind"], cwd=ROOT, check=False, env={**os.environ, "PATH": str(tmp_path)})
    said = refused.text + refused.stderr.decode()
    assert refused.returncode == 2, said
    [line] = [line for line in said.splitlines() if "container engine" in line]
    assert "--cluster kind: container engine: docker: no such program; podman: no such program" in line
    assert "skipped" not in said
