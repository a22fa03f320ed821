"""No single deviation ever passes, and nothing but the evidence decides: order, number of witnesses, or luck."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model import cells, facts, matrix, words
from harness.oracle import judge, predictions
from tests import builders

EVERY_RUN_ALIKE = settings(derandomize=True, database=None, deadline=None, max_examples=100)

KNOWN = builders.known()
BOTH = frozenset({words.Witness.APPLICATION, words.Witness.WIRE})
EXTRA = st.sets(st.sampled_from((words.Witness.WIRE, words.Witness.KERNEL)))
PHASES = st.sampled_from(list(words.Phase))
POLICIES = st.sampled_from(list(words.Policy))
ENTRIES = st.sampled_from([node.name for node in builders.NODES])
CELLS = st.builds(
    lambda phase, policy, entry: builders.cell(phase=phase, policy=policy, entry=entry), PHASES, POLICIES, ENTRIES
)
COUNTS = st.integers(min_value=1, max_value=6)


def seen_by(sample: cells.Sample, kinds: set[words.Witness]) -> cells.Sample:
    """The same sample with more witnesses who say what the application says."""
    more = tuple(dataclasses.replace(told, witness=kind) for told in sample.accounts for kind in sorted(kinds, key=str))
    return dataclasses.replace(sample, accounts=(*sample.accounts, *more))


def right(where: cells.Cell, count: int, kinds: set[words.Witness]) -> list[cells.Sample]:
    """Samples that agree with the expectation, and witnesses with each other."""
    expected = predictions.expect(where, KNOWN)
    return [seen_by(sample, kinds) for sample in builders.right_samples(where, expected, count)]


def judged(
    where: cells.Cell, samples: list[cells.Sample], *, wanted: int, observed: str = "", wire: bool = False
) -> cells.Verdict:
    """The verdict, of a contract or of something that was only observed."""
    expected = dataclasses.replace(predictions.expect(where, KNOWN), observed=observed)
    watching = BOTH if wire else judge.APPLICATION_ONLY
    return judge.judge(where, expected, samples, KNOWN, wanted=wanted, watching=watching)


Deviation = Callable[[cells.Sample, cells.Cell, facts.Address], cells.Sample | None]


def _saw(sample: cells.Sample, where: cells.Cell, other: facts.Address) -> cells.Sample | None:
    """Every witness saw an address that is not the right one."""
    expected = predictions.expect(where, KNOWN)
    if isinstance(expected, cells.NoAnswer) or other in {source.address for source in expected.sources}:
        return None
    told = tuple(dataclasses.replace(item, address=other) for item in sample.accounts)
    return dataclasses.replace(sample, accounts=told)


def _elsewhere(sample: cells.Sample, where: cells.Cell, _other: facts.Address) -> cells.Sample | None:
    """The right address was seen by a pod that is none of the Service's."""
    del where
    told = tuple(dataclasses.replace(item, backend="somewhere/else") for item in sample.accounts)
    return dataclasses.replace(sample, accounts=told) if told else None


def _unseen(sample: cells.Sample, _where: cells.Cell, _other: facts.Address) -> cells.Sample | None:
    """No witness saw an answered sample."""
    return dataclasses.replace(sample, accounts=()) if sample.accounts else None


def _twice(sample: cells.Sample, _where: cells.Cell, _other: facts.Address) -> cells.Sample | None:
    """The application saw it twice."""
    return dataclasses.replace(sample, accounts=(*sample.accounts, sample.accounts[0])) if sample.accounts else None


def _one_disagrees(sample: cells.Sample, _where: cells.Cell, other: facts.Address) -> cells.Sample | None:
    """A further witness saw another address."""
    if not sample.accounts or sample.accounts[0].address == other:
        return None
    odd = dataclasses.replace(sample.accounts[0], witness=words.Witness.KERNEL, address=other)
    return dataclasses.replace(sample, accounts=(*sample.accounts, odd))


def _broken(sample: cells.Sample, _where: cells.Cell, _other: facts.Address) -> cells.Sample | None:
    """The answer is no answer of a working service."""
    return _replied(sample, status=500) if sample.reply.answered else None


def _meaningless(sample: cells.Sample, _where: cells.Cell, _other: facts.Address) -> cells.Sample:
    """Neither an answer nor a silence."""
    return _replied(sample, status=None, silence=None, error="ValueError: ?")


def _other_way(sample: cells.Sample, where: cells.Cell, other: facts.Address) -> cells.Sample:
    """Silence where an answer is due, an answer where silence is."""
    if sample.reply.answered:
        return _replied(sample, status=None, silence=words.Silence.TIMEOUT)
    return builders.answered(sample.token, where, saw=str(other))


def _moved(sample: cells.Sample, _where: cells.Cell, other: facts.Address) -> cells.Sample:
    """The client's socket is not the client's."""
    return _replied(sample, local=(other, 40000)) if other != builders.CLIENT else _replied(sample, peer=(other, 1))


def _replied(sample: cells.Sample, **changes: object) -> cells.Sample:
    reply: cells.Reply = dataclasses.replace(sample.reply, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(sample, reply=reply)


DEVIATIONS: tuple[Deviation, ...] = (
    _saw,
    _elsewhere,
    _unseen,
    _twice,
    _one_disagrees,
    _broken,
    _meaningless,
    _other_way,
    _moved,
)
OTHERS = st.one_of(
    st.sampled_from([node.address for node in KNOWN.nodes]),
    st.sampled_from([node.tunnel for node in KNOWN.nodes if node.tunnel is not None]),
    st.just(builders.CLIENT),
    st.just(ipaddress.ip_address("172.18.0.50")),
    st.ip_addresses(v=4).filter(lambda address: not address.is_unspecified),
)


@given(where=CELLS, count=COUNTS, kinds=EXTRA)
@EVERY_RUN_ALIKE
def test_what_is_predicted_passes_whoever_watches(where: cells.Cell, count: int, kinds: set[words.Witness]) -> None:
    """Every cell can pass, and witnesses that agree change nothing but the number of those who saw it."""
    verdict = judged(where, right(where, count, kinds), wanted=count, wire=words.Witness.WIRE in kinds)
    assert verdict.outcome is words.Outcome.PASS, verdict.sentence
    assert (verdict.right, verdict.total, verdict.reasons) == (count, count, ())


@given(where=CELLS, count=COUNTS, kinds=EXTRA, at=st.integers(0, 5), how=st.sampled_from(DEVIATIONS), other=OTHERS)
@settings(EVERY_RUN_ALIKE, max_examples=400)
def test_one_deviation_in_one_sample_is_never_a_pass(
    where: cells.Cell, count: int, kinds: set[words.Witness], at: int, how: Deviation, other: facts.Address
) -> None:
    """Whatever is wrong with whichever sample, the cell does not pass, and exactly one sample is not right."""
    samples = right(where, count, kinds)
    odd = how(samples[at % count], where, other)
    if odd is not None:
        samples[at % count] = odd
        verdict = judged(where, samples, wanted=count, wire=words.Witness.WIRE in kinds)
        assert verdict.outcome is not words.Outcome.PASS, how.__doc__
        assert (verdict.right, bool(verdict.reasons)) == (count - 1, True)


@given(where=CELLS, count=COUNTS, data=st.data(), how=st.sampled_from(DEVIATIONS), other=OTHERS)
@EVERY_RUN_ALIKE
def test_the_order_of_samples_decides_nothing(
    where: cells.Cell, count: int, data: st.DataObject, how: Deviation, other: facts.Address
) -> None:
    """Right ones or with a wrong one among them: any order gives the same verdict."""
    samples = right(where, count, set())
    samples[0] = how(samples[0], where, other) or samples[0]
    shuffled = data.draw(st.permutations(samples))
    one, two = judged(where, samples, wanted=count), judged(where, shuffled, wanted=count)
    assert (one.outcome, one.right, one.total, one.seen) == (two.outcome, two.right, two.total, two.seen)
    assert set(one.reasons) == set(two.reasons)


@given(where=CELLS, count=COUNTS, kinds=EXTRA, how=st.sampled_from(DEVIATIONS), other=OTHERS)
@EVERY_RUN_ALIKE
def test_witnesses_that_agree_never_make_a_wrong_sample_right(
    where: cells.Cell, count: int, kinds: set[words.Witness], how: Deviation, other: facts.Address
) -> None:
    """More witnesses of the same thing change neither outcome nor count."""
    samples = right(where, count, set())
    samples[0] = how(samples[0], where, other) or samples[0]
    alone = judged(where, samples, wanted=count)
    together = judged(where, [seen_by(sample, kinds) for sample in samples], wanted=count)
    if how is not _twice and how is not _one_disagrees:
        assert (alone.outcome, alone.right) == (together.outcome, together.right)
    assert (alone.outcome is words.Outcome.PASS) is (together.outcome is words.Outcome.PASS)


@given(where=CELLS, count=COUNTS, how=st.sampled_from((_moved, _meaningless, _saw)), other=OTHERS)
@EVERY_RUN_ALIKE
def test_a_warning_softens_a_failure_and_nothing_worse(
    where: cells.Cell, count: int, how: Deviation, other: facts.Address
) -> None:
    """What was only observed warns where a contract fails; an INVALID or an ERROR stays what it is."""
    samples = right(where, count, set())
    samples[0] = how(samples[0], where, other) or samples[0]
    strict = judged(where, samples, wanted=count)
    mild = judged(where, samples, wanted=count, observed="v3.32.1")
    if strict.outcome is words.Outcome.FAIL:
        assert (mild.outcome, mild.warnings) == (words.Outcome.PASS, strict.reasons)
    else:
        assert (mild.outcome, mild.reasons, mild.warnings) == (strict.outcome, strict.reasons, ())
    assert mild.right == strict.right


@given(where=CELLS, count=COUNTS, other=OTHERS, may_reach=st.booleans())
@EVERY_RUN_ALIKE
def test_witnesses_that_disagree_fail_whatever_is_expected(
    where: cells.Cell, count: int, other: facts.Address, may_reach: bool
) -> None:
    """What was only observed softens no disagreement, and nor does a silence that lets a request through."""
    samples = right(where, count, set())
    told = (builders.account(builders.CLIENT), builders.account(other, witness=words.Witness.KERNEL))
    samples[0] = dataclasses.replace(samples[0], accounts=told)
    expected = dataclasses.replace(predictions.expect(where, KNOWN), observed="v3.32.1")
    if isinstance(expected, cells.NoAnswer):
        expected = dataclasses.replace(expected, may_reach=may_reach)
    verdict = judge.judge(where, expected, samples, KNOWN, wanted=count)
    assert (verdict.outcome is words.Outcome.FAIL) is samples[0].disputed
    assert any("witnesses disagree" in reason for reason in verdict.reasons) is samples[0].disputed


@given(where=CELLS, count=COUNTS, missing=st.integers(1, 5))
@EVERY_RUN_ALIKE
def test_fewer_samples_than_asked_for_never_pass(where: cells.Cell, count: int, missing: int) -> None:
    """k of N is counted of the N that was asked for, whatever N samples came back."""
    verdict = judged(where, right(where, count, set()), wanted=count + missing)
    assert (verdict.outcome, verdict.right, verdict.total) == (words.Outcome.ERROR, count, count + missing)


@given(
    phase=PHASES,
    rows=st.lists(st.sampled_from(matrix.ROWS), min_size=1, max_size=40, unique=True),
    taken=st.integers(0, 2),
)
@EVERY_RUN_ALIKE
def test_every_row_is_planned_or_skipped_and_every_plan_is_judged_once(
    phase: words.Phase, rows: list[matrix.Row], taken: int
) -> None:
    """Each row is in the verdicts or in the skips, never in both and never in neither; no cell has two verdicts."""
    try:
        plan = predictions.plan(phase, KNOWN, rows)
    except ValueError:
        # None of these rows has a place in this cluster, and that is refused as a whole.
        return
    first = {
        cell.name: builders.right_samples(cell, expected, 1)
        for cell, expected in plan.planned[:taken]
        if cell.destination.protocol is words.Protocol.HTTP
    }
    verdicts = judge.judge_all(plan, first, KNOWN, wanted=1)
    judged_rows, skipped = {verdict.cell.row for verdict in verdicts}, {item.row for item in plan.skipped}
    assert judged_rows | skipped == set(rows)
    assert not judged_rows & skipped
    assert len({verdict.cell.name for verdict in verdicts}) == len(verdicts) == len(plan.planned)
    assert all(verdict.outcome is words.Outcome.ERROR for verdict in verdicts if verdict.cell.name not in first)
