"""The scenario as pytest runs it: what is green, red and skipped, and what the terminal says of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.core import process
from harness.model import records, words
from harness.report import serial

ROOT = Path(__file__).resolve().parents[2]


def scenario(kind: str, *options: str, require: str = "") -> process.Completed:
    """Run the scenario's tests on a hand-made cluster of that kind, in a pytest of their own."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.fake_runs", "--samples", "2"]
    environment = {**os.environ, "SOURCEIP_FAKE": kind, "SOURCEIP_REQUIRE": require, "PYTHONPATH": str(ROOT)}
    return process.run([*argv, "tests/source_ip/test_nodeport.py", *options], cwd=ROOT, check=False, env=environment)


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


def test_no_session_is_greener_than_its_report() -> None:
    """Every chosen test passes, the report has wrong cells that none of them asked for, and the exit code says so."""
    done = scenario("late", "-k", "Local")
    assert "3 passed" in done.text, done.text
    assert "FAIL ebpf: external/without/NodePort-Cluster" in " ".join(done.text.split()), done.text
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


def test_what_was_skipped_altogether_is_not_red() -> None:
    """A machine without eBPF that is asked for nothing else has measured nothing, and the skips say why."""
    done = scenario("no-ebpf", "-k", "test_ebpf_shows_the_client")
    assert "2 skipped" in done.text, done.text
    assert done.returncode == 0


def test_without_ebpf_only_its_phases_are_skipped() -> None:
    """The first phase needs no eBPF, though it is part of the walk; the skip says why."""
    done = scenario("no-ebpf")
    assert "2 passed, 4 skipped" in done.text, done.text
    assert "ebpf: no bpf() here" in done.text


def test_where_ebpf_is_required_its_absence_is_red() -> None:
    """A machine that should have it says so, and then nothing of ours hides behind a skip."""
    done = scenario("no-ebpf", require="ebpf")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "ebpf is required here: no bpf() here" in done.text


def test_a_machine_that_can_not_have_a_lab_skips_with_the_reason() -> None:
    """Nothing fails, nothing passes, and the remedy is named."""
    done = scenario("no-lab")
    assert done.returncode == 0, done.text
    assert "6 skipped" in done.text
    assert "run it with sudo" in done.text


def written(folder: Path) -> records.RunRecord:
    """The record that a run left."""
    return serial.parse((folder / "run.json").read_text())


def verify(kind: str, *options: str) -> process.Completed:
    """The command line on a hand-made cluster of that kind, in a process of its own."""
    argv = [sys.executable, "-m", "tests.fake_runs", "verify", "--samples", "2", *options]
    return process.run(argv, cwd=ROOT, check=False, env={**os.environ, "SOURCEIP_FAKE": kind, "PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize(("kind", "said"), [("hidden", "control positive misbehaved"), ("translated", "ENVIRONMENT")])
def test_a_run_that_proves_nothing_is_neither_green_nor_red(kind: str, said: str) -> None:
    """Exit code 3 from both, and every test says INVALID with what is in the way."""
    done = scenario(kind)
    assert done.returncode == verify(kind).returncode == 3, done.text
    assert f"INVALID: {said}" in done.text
    assert "INVALID" in done.text.partition("= source addresses =")[2]
    assert "passed" not in done.text


@pytest.mark.parametrize(
    ("how", "code", "why"),
    [("SIGINT", 130, "ended by Ctrl-C"), ("SIGTERM", 143, "ended by SIGTERM"), ("lost", 1, "ApiError: 0 Unreachable")],
)
def test_what_was_measured_before_the_end_is_written(tmp_path: Path, how: str, code: int, why: str) -> None:
    """A signal or a lost API in the middle of a phase: the phase before it is in the record, which says what came."""
    done = verify(how, "--report-dir", str(tmp_path))
    assert done.returncode == code, done.text
    found = written(tmp_path)
    assert [phase.phase for phase in found.phases] == [words.Phase.IPTABLES, words.Phase.EBPF]
    assert [len(phase.verdicts) for phase in found.phases] == [6, 0]
    assert found.phases[0].passed
    assert found.phases[1].trouble == "begun and not finished"
    assert found.wanted == tuple(words.Phase)
    assert found.outcome is words.Outcome.ERROR
    assert found.interrupted.startswith("in phase ebpf, at ")
    assert why in found.interrupted
    assert f"INTERRUPTED {found.interrupted}" in " ".join(done.text.split())
    assert not list(tmp_path.glob(".*.part"))


def test_an_interrupted_pytest_writes_what_it_has(tmp_path: Path) -> None:
    """pytest's own exit code for an interruption, and the record says that it was."""
    done = scenario("SIGINT", "--report-dir", str(tmp_path))
    assert done.returncode == pytest.ExitCode.INTERRUPTED, done.text
    found = written(tmp_path)
    assert found.interrupted.startswith("in phase ebpf, at ")
    assert [len(phase.verdicts) for phase in found.phases] == [6, 0]


def test_a_lost_cluster_is_an_error_of_the_phase_that_was_begun(tmp_path: Path) -> None:
    """pytest goes on after it, no test of that phase passes, and the phase is not tried a second time."""
    done = scenario("lost", "--report-dir", str(tmp_path))
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in done.text, done.text
    assert "ebpf: begun and not finished" in done.text
