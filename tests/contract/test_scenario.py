"""The scenario as pytest runs it: what is green, red and skipped, and what the terminal says of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.core import process

ROOT = Path(__file__).resolve().parents[2]


def scenario(kind: str, *words: str) -> process.Completed:
    """Run the scenario's tests on a hand-made cluster of that kind, in a pytest of their own."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.fake_runs", "--samples", "2"]
    environment = {**os.environ, "SOURCEIP_FAKE": kind, "PYTHONPATH": str(ROOT)}
    return process.run([*argv, "tests/source_ip/test_nodeport.py", *words], cwd=ROOT, check=False, env=environment)


def test_a_right_cluster_is_green_and_shows_the_table() -> None:
    """All phases under both policies, one table, no switch more than two."""
    done = scenario("right")
    assert done.returncode == 0, done.text
    assert "6 passed" in done.text
    assert "dataplane: a hand-made cluster" in done.text
    assert "PASS: 18 of 18 cells, 36 of 36 samples, 3 phase(s)" in done.text


def test_a_wrong_cell_is_red_with_its_sentence_and_no_traceback(tmp_path: Path) -> None:
    """The failing test is the phase's and the policy's; JUnit has every cell as a property."""
    done = scenario("wrong", "--junitxml", str(tmp_path / "pytest.xml"), "--report-dir", str(tmp_path / "report"))
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 failed, 4 passed" in done.text, done.text
    assert "expected 172.18.0.5 client, seen 172.18.0.9 unknown" in done.text
    assert "Traceback" not in done.text
    properties = ElementTree.parse(tmp_path / "pytest.xml").getroot().iter("property")
    assert any("172.18.0.9 unknown" in str(item.get("value")) for item in properties)
    assert (tmp_path / "report" / "junit.xml").is_file()


def test_without_ebpf_only_its_phases_are_skipped() -> None:
    """The first phase needs no eBPF, though it is part of the walk; the skip says why."""
    done = scenario("no-ebpf")
    assert "2 passed, 4 skipped" in done.text, done.text
    assert "ebpf: no bpf() here" in done.text


def test_a_machine_that_can_not_have_a_lab_skips_with_the_reason() -> None:
    """Nothing fails, nothing passes, and the remedy is named."""
    done = scenario("no-lab")
    assert done.returncode == 0, done.text
    assert "6 skipped" in done.text
    assert "run it with sudo" in done.text
