"""The files of a run: complete, versioned, and readable by others."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.core import errors
from harness.model import records, words
from harness.report import files, junit, serial
from tests import builders


def red() -> records.RunRecord:
    """A run with a failure, an error and trouble in it."""
    cell, other = builders.cell(), builders.cell(entry="kind-worker")
    verdicts = (
        builders.verdict(cell, outcome=words.Outcome.FAIL),
        builders.verdict(other, outcome=words.Outcome.INVALID),
        builders.verdict(builders.cell(entry="kind-worker2")),
    )
    return builders.run_record(builders.phase_record(verdicts=verdicts, trouble="late \x00 node"))


def test_the_json_record_is_versioned_and_complete() -> None:
    """A reader finds version, cells, expectation and every sample with its token."""
    found = json.loads(serial.render(builders.run_record(builders.phase_record())))
    assert (found["kind"], found["version"], found["passed"]) == ("sourceip.run", 1, True)
    [phase] = found["phases"]
    assert len(phase["cells"]) == 6
    first = phase["cells"][0]
    assert first["expected"]["sources"][0]["address"] == "10.244.82.0"
    assert first["expected"]["sources"][0]["class"] == "entry-tunnel"
    assert {sample["token"] for sample in first["samples"]} == {"token-0", "token-1"}
    assert first["samples"][0]["accounts"][0]["address"] == "10.244.82.0"


def test_a_silent_cell_says_which_silence_was_expected() -> None:
    """The expectation of policy Local through a node without a backend is in the record."""
    found = serial.document(builders.run_record(builders.phase_record()))
    local = [cell for cell in found["phases"][0]["cells"] if cell["policy"] == "Local"]
    assert local[0]["expected"] == {
        "silence": ["timeout"],
        "because": "dropped: policy Local and no backend on this node",
    }


def test_junit_has_a_case_for_every_cell_and_for_the_phase() -> None:
    """Failures, errors and counts are where every CI looks for them."""
    suite = ElementTree.fromstring(junit.render(red())).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "errors": "1",
        "skipped": "0",
    }
    failed = suite.findall("testcase")[1]
    failure = failed.find("failure")
    assert failure is not None
    assert "expected 10.244.82.0 entry-tunnel" in str(failure.get("message"))
    assert {item.get("name"): item.get("value") for item in failed.iter("property")}["seen"] == "172.18.0.9 unknown"


def test_junit_is_xml_whatever_an_error_said() -> None:
    """Characters that XML can't hold are replaced."""
    assert "late ? node" in junit.render(red())


def test_files_are_written_whole(tmp_path: Path) -> None:
    """The folder is made, and nothing but the report is in it."""
    written = files.write(red(), tmp_path / "new" / "folder")
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["junit.xml", "run.json"]
    assert {path.name for path in written} == {"run.json", "junit.xml"}


def test_a_folder_that_can_not_be_is_a_usage_error(tmp_path: Path) -> None:
    """A file in the way gets one clear line."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(errors.UsageError, match="report directory"):
            files.prepare(folder)
        with pytest.raises(errors.UsageError, match="report directory"):
            files.write(red(), folder)


def test_preparing_leaves_only_the_folder(tmp_path: Path) -> None:
    """A run that is interrupted leaves no scraps of a report."""
    files.prepare(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
