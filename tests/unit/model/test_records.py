"""What a record comes to, and what it counts."""

from __future__ import annotations

import dataclasses
import re

import pytest

from harness.clusters import run
from harness.core import errors
from harness.model import cells, matrix, records, words
from tests import builders

BLOCKING = records.Environment(cause="a masquerade", where="kind-worker", text="it is there", blocking=True)


def whole() -> records.RunRecord:
    """A run of all phases in which everything passed."""
    return dataclasses.replace(
        builders.run_record(*[builders.phase_record(phase) for phase in words.Phase]), wanted=tuple(words.Phase)
    )


def test_a_whole_run_passes() -> None:
    """Every phase that was wanted is there, with its controls."""
    assert whole().outcome is words.Outcome.PASS


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"phases": whole().phases[:2]}, words.Outcome.ERROR),
        ({"phases": ()}, words.Outcome.ERROR),
        ({"interrupted": "in phase ebpf: ended by Ctrl-C"}, words.Outcome.ERROR),
        ({"environment": (BLOCKING,)}, words.Outcome.INVALID),
        ({"environment": (dataclasses.replace(BLOCKING, blocking=False),)}, words.Outcome.PASS),
    ],
)
def test_what_is_missing_or_in_the_way_is_never_green(change: dict[str, object], outcome: words.Outcome) -> None:
    """A phase that never ran and a run that was ended are errors; only what blocks makes a run INVALID."""
    assert dataclasses.replace(whole(), **change).outcome is outcome  # type: ignore[arg-type]  # one field each


@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        ({"positive": True, "unreachable": True}, words.Outcome.INVALID),
        ({"positive": True, "unreachable": True, "negative": False}, words.Outcome.INVALID),
        ({"positive": True, "unreachable": True, "negative": True, "further": True}, words.Outcome.PASS),
        ({"positive": True, "unreachable": True, "negative": True, "further": False}, words.Outcome.INVALID),
    ],
)
def test_a_control_that_lacks_or_misbehaves_makes_a_phase_invalid(
    held: dict[str, bool], outcome: words.Outcome
) -> None:
    """The three must be there, and whatever was controlled must have been so."""
    controls = tuple(records.Control(name=name, held=good, text="") for name, good in held.items())
    assert dataclasses.replace(builders.phase_record(), controls=controls).outcome is outcome


def test_no_control_has_a_second_try() -> None:
    """A control that misbehaved and then held has misbehaved, also where nothing was sampled."""
    controls = (*builders.held_controls(), records.Control(name="positive", held=False, text=""))
    assert dataclasses.replace(builders.phase_record(), controls=controls).outcome is words.Outcome.INVALID
    nothing = builders.phase_record(verdicts=())
    assert dataclasses.replace(nothing, controls=controls).outcome is words.Outcome.INVALID


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (words.Outcome.PASS, 0),
        (words.Outcome.FAIL, 1),
        (words.Outcome.ERROR, 1),
        (words.Outcome.INVALID, 3),
    ],
)
def test_each_outcome_has_its_exit_code(outcome: words.Outcome, code: int) -> None:
    """INVALID is neither the green's nor the red's."""
    assert outcome.exit_code == code


def test_skips_and_warnings_are_counted() -> None:
    """Rows of each phase by their reason, capabilities, and cells that warn."""
    phase = builders.phase_record()
    left_out = cells.Skipped(
        phase=phase.phase, row=matrix.ROWS[0], reason=words.SkipReason.NO_PLACE, detail="no such node"
    )
    warning = dataclasses.replace(phase.verdicts[0], warnings=("seen otherwise",))
    phase = dataclasses.replace(phase, skipped=(left_out,) * 2, verdicts=(warning, *phase.verdicts[1:]))
    record = dataclasses.replace(builders.run_record(phase, phase), skipped={"ebpf": "no bpf() here"})
    assert record.skips == {words.SkipReason.NO_PLACE: 4, words.SkipReason.CAPABILITY: 1}
    assert record.warnings == 2


@pytest.mark.parametrize(
    ("ended", "phases", "said"),
    [
        (KeyboardInterrupt(), 0, "before the first phase, at .*: ended by Ctrl-C"),
        (KeyboardInterrupt("SIGTERM"), 1, "in phase iptables, at .*: ended by SIGTERM"),
        (errors.ParseError("two\nlines"), 2, "in phase ebpf, at .*: ParseError: two lines"),
    ],
)
def test_an_interruption_says_when_and_why(ended: BaseException, phases: int, said: str) -> None:
    """One sentence in one line."""
    assert re.fullmatch(said, run.interruption(ended, whole().phases[:phases]))
