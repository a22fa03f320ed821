"""The table shows expected beside seen, marks what differs and fits the terminal."""

from __future__ import annotations

import dataclasses

import pytest

from harness.model import cells, matrix, words
from harness.report import folding, style, terminal
from tests import builders, sample_runs


def red_phase() -> str:
    """The text of a run with one wrong cell."""
    wrong = builders.verdict(builders.cell(), outcome=words.Outcome.FAIL)
    return terminal.render(builders.run_record(builders.phase_record(verdicts=(wrong,))))


def test_every_line_fits_a_hundred_columns() -> None:
    """Even with trouble, long addresses and long reasons."""
    phases = [
        builders.phase_record(words.Phase.IPTABLES),
        builders.phase_record(words.Phase.EBPF, trouble="not within 20 s; last seen: " + "a node without it, " * 20),
    ]
    text = terminal.render(builders.run_record(*phases)) + red_phase()
    assert max(len(line) for line in text.splitlines()) <= style.WIDTH


def test_what_the_dataplane_really_is_comes_first() -> None:
    """A lab never looks like Calico."""
    text = terminal.render(builders.run_record(builders.phase_record()))
    assert text.strip().splitlines()[0] == "dataplane: lab reference dataplane (not Calico)"


def test_expected_stands_beside_seen() -> None:
    """One row has the cell, what had to be seen, what was seen and how often."""
    [row] = [line for line in red_phase().splitlines() if line.startswith("kind-control-plane ")]
    for part in ("Cluster", "10.244.82.0 entry-tunnel", "! 172.18.0.9 unknown", "0/2", "FAIL"):
        assert part in row


def test_a_wrong_cell_has_its_sentence() -> None:
    """The sentence below the table is enough for a bug report."""
    assert "FAIL iptables: external 172.18.0.5 -> kind-control-plane:30180" in red_phase()


@pytest.mark.parametrize("outcome", [words.Outcome.FAIL, words.Outcome.INVALID, words.Outcome.ERROR])
def test_whatever_did_not_pass_is_counted_as_such(outcome: words.Outcome) -> None:
    """The last line counts only what passed."""
    wrong = builders.verdict(builders.cell(), outcome=outcome)
    text = terminal.render(builders.run_record(builders.phase_record(verdicts=(wrong,))))
    assert text.splitlines()[-1].startswith(f"{outcome.value}: 0 of 1 cells")


def test_colour_is_for_terminals_only() -> None:
    """A file or a pipe gets plain text."""
    record = builders.run_record(builders.phase_record())
    assert "\x1b" not in terminal.render(record)
    assert "\x1b[32m" in terminal.render(record, colour=True)


def test_a_skip_is_said_loudly() -> None:
    """What was left out stands there with its reason."""
    record = dataclasses.replace(builders.run_record(builders.phase_record()), skipped={"ebpf": "no bpf() here"})
    assert "SKIPPED ebpf: no bpf() here" in terminal.render(record)


def test_measured_times_are_shown() -> None:
    """Times and memory stand below the tables."""
    text = terminal.render(builders.run_record(builders.phase_record()))
    assert "lab up" in text
    assert "4.20 s" in text
    assert "346 MiB" in text


def test_a_short_run_shows_every_cell() -> None:
    """The walk-through has a line a cell, with the entry node's name first."""
    text = terminal.render(builders.run_record(builders.phase_record()))
    assert sum(line.startswith("kind-") for line in text.splitlines()) == 6


def test_a_whole_matrix_is_folded_and_the_phases_stand_side_by_side() -> None:
    """A line a way through the cluster, which says whose address is expected in each phase and how many passed."""
    text = terminal.render(sample_runs.run(samples=1))
    [line] = [line for line in text.splitlines() if line.startswith("external/with/NodePort-Local ")]
    assert line.split() == ["external/with/NodePort-Local", *["client", "8/8"] * 3]
    assert len(text.splitlines()) < 150


def test_whatever_did_not_pass_is_listed_in_full() -> None:
    """Every failing cell of a whole matrix is in the list above the verdict, protocols together."""
    text = terminal.render(sample_runs.red())
    table = text[text.index("phase, cell") : text.index("=== verdict")]
    bad = [line for line in table.splitlines() if line.endswith((" FAIL", " ERR"))]
    assert len(bad) == len(folding.groups(sample_runs.red())) == 7
    assert "! client 0/16" in text


def test_left_out_rows_are_counted_by_reason() -> None:
    """A row without a place is in the report with what is missing."""
    green = sample_runs.run(samples=1, phases=(words.Phase.IPTABLES,))
    skipped = tuple(
        cells.Skipped(phase=words.Phase.IPTABLES, row=row, reason=words.SkipReason.NO_PLACE, detail="no such node")
        for row in matrix.ROWS[:3]
    )
    record = dataclasses.replace(green, phases=(dataclasses.replace(green.phases[0], skipped=skipped),))
    text = terminal.render(record)
    assert "SKIPPED 3 row(s): no place: no such node" in text
    assert "rows left out: 3; 3 x no place: no such node" in text


def test_a_warning_is_shown_and_counted_and_does_not_fail() -> None:
    """What was only observed once is said, with what it was observed on."""
    odd = builders.verdict(builders.cell())
    expected = dataclasses.replace(odd.expectation, observed="v3.32.1")
    warned = dataclasses.replace(odd, expectation=expected, warnings=("customer saw 172.18.0.9",))
    text = terminal.render(builders.run_record(builders.phase_record(verdicts=(warned,))))
    assert "WARNING iptables: external/without/NodePort-Cluster, HTTP: customer saw 172.18.0.9" in text
    assert "observed on v3.32.1" in text
    assert "1 with a warning" in text
    assert text.splitlines()[-1].startswith("PASS: ")


def test_nothing_in_a_record_can_drive_the_terminal() -> None:
    """Escape sequences in an error or a pod's words are shown as text."""
    wrong = dataclasses.replace(
        builders.verdict(builders.cell(), outcome=words.Outcome.FAIL),
        reasons=("\x1b[2Jforged\rPASS",),
        seen={"\x1b]0;title\x07": 2},
    )
    record = builders.run_record(builders.phase_record(verdicts=(wrong,), trouble="\x1b[31m"))
    text = terminal.render(record)
    assert not {"\x1b", "\r", "\x07"} & set(text)
    assert "\\x1b[2Jforged\\rPASS" in text
