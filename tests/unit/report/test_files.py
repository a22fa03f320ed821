"""The files of a run: complete, versioned, and readable by others."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.core import errors
from harness.model import records, words
from harness.report import files, junit
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


def test_junit_has_a_case_for_every_cell_and_for_the_phase() -> None:
    """Failures, errors and counts are where every CI looks for them."""
    suite = ElementTree.fromstring(junit.render(red())).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "2",
        "errors": "1",
        "skipped": "0",
    }
    [failure] = suite.findall("testcase[properties]/failure")
    [failed] = suite.findall("testcase[properties][failure]")
    assert "expected 10.244.82.0 entry-tunnel" in str(failure.get("message"))
    assert {item.get("name"): item.get("value") for item in failed.iter("property")}["seen"] == "172.18.0.9 unknown"


def test_junit_is_xml_whatever_an_error_said() -> None:
    """Characters that XML can't hold are replaced."""
    assert "late ? node" in junit.render(red())


def test_files_are_written_whole(tmp_path: Path) -> None:
    """The folder is made, and nothing but the report is in it."""
    written = files.write(red(), tmp_path / "new" / "folder")
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "junit.xml",
        "report.html",
        "run.json",
    ]
    assert {path.name for path in written} == {"run.json", "junit.xml", "report.html"}


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


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    """A reader finds the old file, and no scrap of the new one."""
    (tmp_path / "run.json").mkdir()
    with pytest.raises(errors.UsageError, match=r"run\.json"):
        files.write(red(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_half_a_surrogate_loses_no_report(tmp_path: Path) -> None:
    """What no encoding can hold is written by its code."""
    files.put(tmp_path / "x", "a \udc80 b")
    assert (tmp_path / "x").read_text() == "a \\udc80 b"


def test_a_reader_of_the_old_file_never_sees_a_part_of_the_new(tmp_path: Path) -> None:
    """The new file takes the old one's place; it is not written into it."""
    files.put(tmp_path / "x", "old and whole")
    with (tmp_path / "x").open() as reading:
        files.put(tmp_path / "x", "new")
        assert reading.read() == "old and whole"
    assert (tmp_path / "x").read_text() == "new"
