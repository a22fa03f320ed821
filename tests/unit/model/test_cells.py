"""The words refuse what would pass whatever is seen."""

from __future__ import annotations

import pytest

from harness.model import cells, records, words
from tests import builders


def test_an_answer_without_a_source_is_an_error() -> None:
    """An expectation that allows nothing in particular can't be made."""
    with pytest.raises(ValueError, match="without a source"):
        cells.Answer(sources=())


def test_a_silence_of_no_kind_is_an_error() -> None:
    """An expectation of silence says which silence."""
    with pytest.raises(ValueError, match="which silence"):
        cells.NoAnswer(how=frozenset(), because="")


def test_the_name_of_a_cell_is_unique_in_its_run() -> None:
    """Phase, node and Service are all in the name."""
    names = {
        builders.cell(phase=phase, entry=node.name, policy=policy).name
        for phase in words.Phase
        for node in builders.NODES
        for policy in words.Policy
    }
    assert len(names) == 3 * 3 * 2


def test_the_sentence_names_cell_expected_and_seen() -> None:
    """One line is enough to know what went wrong and where."""
    verdict = builders.verdict(builders.cell(), outcome=words.Outcome.FAIL)
    for part in ("iptables", "kind-control-plane", "10.244.82.0 entry-tunnel", "172.18.0.9 unknown", "0 of 2"):
        assert part in verdict.sentence


@pytest.mark.parametrize(
    ("record", "passed"),
    [
        pytest.param(builders.phase_record(), True, id="all right"),
        pytest.param(builders.phase_record(trouble="one node is late"), False, id="never in force"),
        pytest.param(builders.phase_record(verdicts=()), False, id="nothing was checked"),
        pytest.param(
            builders.phase_record(verdicts=(builders.verdict(builders.cell(), outcome=words.Outcome.INVALID),)),
            False,
            id="a control misbehaved",
        ),
    ],
)
def test_a_phase_passes_only_if_everything_did(record: records.PhaseRecord, passed: bool) -> None:
    """Trouble, an empty plan and any verdict but PASS are red."""
    assert record.passed is passed


def test_a_run_without_a_phase_has_not_passed() -> None:
    """A run that measured nothing proves nothing."""
    assert not builders.run_record().passed
    assert builders.run_record(builders.phase_record()).passed
