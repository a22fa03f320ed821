"""The table shows expected beside seen, marks what differs and fits the terminal."""

from __future__ import annotations

import dataclasses

import pytest

from harness.model import words
from harness.report import terminal
from tests import builders


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
    assert max(len(line) for line in text.splitlines()) <= terminal.WIDTH


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
    assert text.splitlines()[-1].startswith("FAIL: 0 of 1 cells")


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
