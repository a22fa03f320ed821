"""``sourceip report`` makes every form from a record, and refuses what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import cli
from harness.report import files, junit, terminal
from tests import sample_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an invalid run."""
    found = tmp_path_factory.mktemp("report")
    files.write(sample_runs.invalid(), found)
    return found


def test_it_prints_what_the_run_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text is the run's own, with the folder's name in what to look at next; showing a bad run is no failure."""
    assert cli.main(["report", str(folder / "run.json")]) == 0
    shown = capsys.readouterr().out
    assert shown == terminal.render(sample_runs.invalid(), folder=folder)
    assert "1140 of 1140 cells" in shown


def test_it_writes_the_other_forms(folder: Path, tmp_path: Path) -> None:
    """A file made later equals the one that the run made."""
    asked = ["--junit", str(tmp_path / "j.xml"), "--html", str(tmp_path / "p.html")]
    assert cli.main(["report", str(folder / "run.json"), *asked]) == 0
    assert (tmp_path / "p.html").read_text() == (folder / "report.html").read_text()
    assert (tmp_path / "j.xml").read_text() == (folder / "junit.xml").read_text() == junit.render(sample_runs.invalid())


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "sourceip.run", "version": 1}', None])
def test_no_record_is_one_line_and_two(text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is empty, of another kind or version, or not there."""
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    assert cli.main(["report", str(path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert str(path) in line


def test_a_file_that_can_not_be_written_is_one_line_and_two(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder of the new file is not there."""
    assert cli.main(["report", str(folder / "run.json"), "--junit", str(folder / "no" / "j.xml")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "No such file" in line
