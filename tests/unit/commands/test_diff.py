"""``sourceip diff``: text and JSON of what changed, and the exit code that a script can branch on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import cli
from harness.commands import diff
from harness.report import serial, style
from tests import sample_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The records of a green run and of a red one, each in a directory."""
    found = []
    for name, record in (("green", sample_runs.run()), ("red", sample_runs.red())):
        folder = tmp_path_factory.mktemp(name)
        (folder / "run.json").write_text(serial.render(record))
        found.append(folder)
    return found[0], found[1]


def test_a_run_is_the_same_as_itself(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """0, the last line says so; a record may be named by its file or by its directory."""
    assert cli.main(["diff", str(runs[1]), str(runs[1] / "run.json")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "SAME"


def test_what_changed_fits_a_terminal(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """1; no line is longer than a terminal, and the cells that changed alike share one with their number."""
    assert cli.main(["diff", *map(str, runs)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= style.WIDTH
    assert lines[-1].startswith("DIFFERENT: ")
    assert any(
        line.startswith("seen") and "172.18.0.5 client" in line and "172.18.0.2 entry-node" in line for line in lines
    )


def test_json_has_every_change_by_itself(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A line of the table that stands for many cells is that many entries."""
    assert cli.main(["diff", *map(str, runs), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["version"], found["same"]) == ("sourceip.diff", 1, False)
    wrong = [item for item in found["differences"] if item["what"] == "outcome" and item["after"] == "FAIL"]
    red = [verdict for phase in sample_runs.red().phases for verdict in phase.verdicts]
    assert {item["where"] for item in wrong if item["where"]} == {
        verdict.cell.name.partition(": ")[2] for verdict in red if verdict.outcome.value == "FAIL"
    }


@pytest.mark.parametrize("text", [None, "{}", "no JSON"])
def test_an_unreadable_record_is_one_line_and_two(
    text: str | None, runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there, or is no record: nothing is compared."""
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    assert cli.main(["diff", str(runs[0]), str(path)]) == 2
    said = capsys.readouterr()
    [line] = said.err.splitlines()
    assert str(path) in line
    assert not said.out


def test_long_texts_show_where_they_begin_to_differ() -> None:
    """What two long values share is left out, down to the beginning of the word that differs."""
    same = "nat KUBE-POSTROUTING rule 3 " * 5
    before, after = diff.shortened(f"{same}10.244.1.1 and on", f"{same}10.244.1.2 and on")
    assert (before, after) == ("… 10.244.1.1 and on", "… 10.244.1.2 and on")
