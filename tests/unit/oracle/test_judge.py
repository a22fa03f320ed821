"""The judge misses nothing: each test is a way in which a checker has been fooled before."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest

from harness.model import cells, words
from harness.oracle import judge, predictions
from tests import builders

N = 20


def judged(where: cells.Cell, samples: list[cells.Sample], *, wanted: int = N) -> cells.Verdict:
    """The verdict on these samples of one cell."""
    known = builders.known()
    return judge.judge(where, predictions.expect(where, known), samples, known, wanted=wanted)


def all_right(where: cells.Cell) -> list[cells.Sample]:
    """Samples that agree with what is predicted for that cell."""
    return builders.right_samples(where, predictions.expect(where, builders.known()), N)


def with_one(where: cells.Cell, odd: cells.Sample) -> list[cells.Sample]:
    """Samples of which the last is odd."""
    return [*all_right(where)[:-1], odd]


@pytest.mark.parametrize("phase", list(words.Phase))
@pytest.mark.parametrize("policy", list(words.Policy))
@pytest.mark.parametrize("entry", [node.name for node in builders.NODES])
def test_samples_as_predicted_pass(phase: words.Phase, policy: words.Policy, entry: str) -> None:
    """Every planned cell of the scenario can pass."""
    where = builders.cell(phase=phase, policy=policy, entry=entry)
    verdict = judged(where, all_right(where))
    assert (verdict.outcome, verdict.right, verdict.total) == (words.Outcome.PASS, N, N), verdict.sentence


def test_one_wrong_sample_of_many_fails() -> None:
    """Nineteen of twenty is not right, and the odd address is shown."""
    where = builders.cell()
    verdict = judged(where, with_one(where, builders.answered("odd", where, saw="172.18.0.2")))
    assert (verdict.outcome, verdict.right) == (words.Outcome.FAIL, N - 1)
    assert "172.18.0.2 entry-node" in verdict.seen_text


def test_an_address_that_begins_like_the_right_one_fails() -> None:
    """172.18.0.50 is not 172.18.0.5."""
    where = builders.cell(phase=words.Phase.EBPF)
    assert judged(where, [builders.answered("t", where, saw="172.18.0.50")], wanted=1).outcome is words.Outcome.FAIL


def test_no_masquerade_where_one_is_due_fails() -> None:
    """Seeing the client in iptables mode is as wrong as hiding it in eBPF mode."""
    where = builders.cell()
    assert judged(where, [builders.answered("t", where, saw="172.18.0.5")], wanted=1).outcome is words.Outcome.FAIL


def test_a_masquerade_by_the_wrong_node_fails() -> None:
    """Another node's tunnel address has the right class of network and is still not the entry node's."""
    where = builders.cell()
    verdict = judged(where, [builders.answered("t", where, saw="10.244.110.128")], wanted=1)
    assert verdict.outcome is words.Outcome.FAIL
    assert "10.244.110.128" in verdict.sentence


def test_an_answer_without_a_log_line_fails() -> None:
    """Something answered, but it was not the application."""
    where = builders.cell()
    verdict = judged(where, with_one(where, builders.answered("odd", where, saw=None)))
    assert verdict.outcome is words.Outcome.FAIL
    assert "no line in the log" in verdict.sentence


def test_two_log_lines_for_one_sample_fail() -> None:
    """A retry or a replay is not one sample."""
    where = builders.cell()
    odd = builders.answered("odd", where, saw="10.244.82.0", lines=2)
    verdict = judged(where, with_one(where, odd))
    assert verdict.outcome is words.Outcome.FAIL
    assert "2 lines in the log" in verdict.sentence


def test_the_right_address_with_a_broken_chain_fails() -> None:
    """HTTP 500 with the right address in the log is no working service."""
    where = builders.cell()
    odd = builders.answered("odd", where, saw="10.244.82.0", status=500)
    verdict = judged(where, with_one(where, odd))
    assert verdict.outcome is words.Outcome.FAIL
    assert "HTTP 500" in verdict.sentence


def test_an_unanswered_sample_fails() -> None:
    """One timeout among answers is a failure, not noise."""
    where = builders.cell()
    assert judged(where, with_one(where, builders.silent("odd", words.Silence.TIMEOUT))).right == N - 1


def test_refused_where_a_timeout_is_due_fails() -> None:
    """How a path stays silent tells the dataplanes apart."""
    where = builders.cell(policy=words.Policy.LOCAL)
    verdict = judged(where, [builders.silent("t", words.Silence.REFUSED)], wanted=1)
    assert verdict.outcome is words.Outcome.FAIL
    assert "refused instead of timeout" in verdict.sentence


def test_a_silent_client_whose_request_arrived_fails() -> None:
    """The application logged a sample that the client never saw answered: the path is not closed."""
    where = builders.cell(policy=words.Policy.LOCAL)
    reached = dataclasses.replace(
        builders.silent("t", words.Silence.TIMEOUT),
        accounts=(builders.account(builders.CLIENT),),
    )
    verdict = judged(where, [reached], wanted=1)
    assert verdict.outcome is words.Outcome.FAIL
    assert "the application was reached" in verdict.sentence


def test_an_answer_that_makes_no_sense_is_an_error() -> None:
    """An unparsable answer is neither an answer nor a silence, so it can be neither right nor wrong."""
    where = builders.cell()
    odd = cells.Sample(token="t", reply=cells.Reply(status=None, silence=None, error="ValueError: ?"))
    assert judged(where, [odd], wanted=1).outcome is words.Outcome.ERROR


def test_another_address_of_the_client_makes_the_run_invalid() -> None:
    """If the client's own socket has another address, nothing that is seen proves anything."""
    where = builders.cell()
    odd = builders.answered("odd", where, saw="10.244.82.0", client=ip_address("172.18.0.6"))
    assert judged(where, with_one(where, odd)).outcome is words.Outcome.INVALID


def test_a_changed_peer_name_makes_the_run_invalid() -> None:
    """Connect-time load balancing stays inside the nodes; on an external client the client is not external."""
    where = builders.cell()
    good = all_right(where)[0]
    moved = dataclasses.replace(good.reply, peer=(builders.CUSTOMER.address, 80))
    verdict = judged(where, [dataclasses.replace(good, reply=moved)], wanted=1)
    assert verdict.outcome is words.Outcome.INVALID


def test_samples_that_were_never_taken_are_an_error() -> None:
    """A cell of nineteen samples is not a cell of twenty."""
    where = builders.cell()
    verdict = judged(where, all_right(where)[:-1])
    assert verdict.outcome is words.Outcome.ERROR
    assert verdict.total == N


def test_a_token_that_was_used_twice_is_an_error() -> None:
    """Two samples with one token can't be told apart in the log."""
    where = builders.cell()
    samples = all_right(where)
    assert judged(where, [*samples[:-1], samples[0]]).outcome is words.Outcome.ERROR


def test_every_planned_cell_gets_exactly_one_verdict() -> None:
    """A cell that nobody sampled is an error of its own, not a gap."""
    known = builders.known()
    plan = predictions.plan(words.Phase.IPTABLES, known, builders.rows())
    first, expected = plan.planned[0]
    taken = {first.name: builders.right_samples(first, expected, 2)}
    verdicts = judge.judge_all(plan, taken, known, wanted=2)
    assert [verdict.cell for verdict in verdicts] == [cell for cell, _ in plan.planned]
    assert [verdict.outcome for verdict in verdicts] == [words.Outcome.PASS] + [words.Outcome.ERROR] * 5


def test_samples_of_an_unplanned_cell_are_refused() -> None:
    """Samples that belong to no plan mean that plan and run differ."""
    known = builders.known()
    plan = predictions.plan(words.Phase.IPTABLES, known, builders.rows())
    with pytest.raises(ValueError, match="not planned"):
        judge.judge_all(plan, {"elsewhere": []}, known, wanted=1)


def test_a_cell_that_is_planned_twice_is_refused() -> None:
    """Two cells of one name would share their samples."""
    known = builders.known()
    plan = predictions.plan(words.Phase.IPTABLES, known, builders.rows())
    doubled = predictions.Plan(planned=(*plan.planned, plan.planned[0]))
    with pytest.raises(ValueError, match="exactly once"):
        judge.judge_all(doubled, {}, known, wanted=1)


def test_a_backend_on_another_node_must_show_its_own_address() -> None:
    """The address that is right for one replica is wrong for the other."""
    where = builders.with_destination(
        builders.cell(),
        builders.destination(
            backends=(
                builders.CUSTOMER,
                dataclasses.replace(builders.CUSTOMER, name="customer-2", node="kind-control-plane"),
            )
        ),
    )
    assert judged(where, [builders.answered("t", where, saw="172.18.0.2")], wanted=1).outcome is words.Outcome.FAIL
