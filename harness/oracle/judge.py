"""From samples to verdicts. Pure: no clock, no cluster, no luck.

Every sample must agree. One wrong sample of N fails the cell, an unanswered or doubly logged sample is a failure,
and a planned cell without samples is an error of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.model import cells, facts, words
from harness.oracle import classes, predictions

HTTP_OK = 200


def judge_all(
    plan: predictions.Plan, samples: Mapping[str, Sequence[cells.Sample]], known: facts.Facts, *, wanted: int
) -> tuple[cells.Verdict, ...]:
    """Exactly one verdict for every planned cell, in the plan's order.

    Args:
        plan: The cells with their expectations.
        samples: What was sampled, by the cell's name.
        known: The facts that the plan was made from.
        wanted: How many samples a cell must have.

    Raises:
        ValueError: Samples of a cell that was never planned, or a cell that was planned twice.
    """
    names = Counter(cell.name for cell, _ in plan)
    strangers = sorted(set(samples) - set(names)) + [name for name, count in names.items() if count > 1]
    if strangers:
        raise ValueError(f"not planned exactly once: {', '.join(strangers)}")
    return tuple(judge(cell, expected, samples.get(cell.name, ()), known, wanted=wanted) for cell, expected in plan)


def judge(
    cell: cells.Cell,
    expected: cells.Expectation,
    samples: Sequence[cells.Sample],
    known: facts.Facts,
    *,
    wanted: int,
) -> cells.Verdict:
    """The verdict for one cell."""
    faults = [_fault(sample, cell, expected, known) for sample in samples]
    reasons = Counter(fault for fault in faults if fault is not None)
    right = sum(fault is None for fault in faults)
    missing = wanted - len(samples)
    if missing > 0:
        reasons[(words.Outcome.ERROR, f"{missing} of {wanted} samples were never taken")] += missing
    doubles = len(samples) - len({sample.token for sample in samples})
    if doubles:
        reasons[(words.Outcome.ERROR, f"{doubles} tokens were used twice")] += doubles
    return cells.Verdict(
        cell=cell,
        expectation=expected,
        outcome=_worst([outcome for outcome, _ in reasons]),
        right=right,
        total=max(len(samples), wanted),
        seen=Counter(_seen(sample, cell, known) for sample in samples),
        reasons=tuple(f"{text} ({count} x)" if count > 1 else text for (_, text), count in reasons.items()),
        samples=tuple(samples),
    )


_Fault = tuple[words.Outcome, str]


def _worst(outcomes: Sequence[words.Outcome]) -> words.Outcome:
    # A control that misbehaved makes everything else meaningless, so INVALID outranks the rest.
    for outcome in (words.Outcome.INVALID, words.Outcome.ERROR, words.Outcome.FAIL):
        if outcome in outcomes:
            return outcome
    return words.Outcome.PASS


def _fault(sample: cells.Sample, cell: cells.Cell, expected: cells.Expectation, known: facts.Facts) -> _Fault | None:
    control = _control_fault(sample.reply, cell, known)
    if control is not None:
        return words.Outcome.INVALID, control
    if isinstance(expected, cells.NoAnswer):
        text = _silence_fault(sample, expected)
    else:
        text = _answer_fault(sample, cell, expected)
    return (words.Outcome.FAIL, text) if text is not None else None


def _control_fault(reply: cells.Reply, cell: cells.Cell, known: facts.Facts) -> str | None:
    if reply.local is not None and reply.local[0] != known.client.address:
        return f"the client's own socket is on {reply.local[0]}, not on {known.client.address}"
    dialled = (cell.entry.address, cell.destination.node_port)
    if reply.peer is not None and reply.peer != dialled and cell.client is words.ClientKind.EXTERNAL:
        return f"the client's socket is connected to {reply.peer[0]}:{reply.peer[1]}, which nobody dialled"
    return None


def _silence_fault(sample: cells.Sample, expected: cells.NoAnswer) -> str | None:
    if sample.logged:
        return "the application was reached"
    if sample.reply.silence in expected.how:
        return None
    return f"{_reply_text(sample.reply)} instead of {expected.text}"


def _answer_fault(sample: cells.Sample, cell: cells.Cell, expected: cells.Answer) -> str | None:
    reply = sample.reply
    if not reply.answered:
        return f"no answer: {_reply_text(reply)}"
    if cell.destination.protocol is words.Protocol.HTTP and reply.status != HTTP_OK:
        return f"HTTP {reply.status} instead of {HTTP_OK}"
    if len(sample.logged) != 1:
        return "answered, but no line in the log" if not sample.logged else f"{len(sample.logged)} lines in the log"
    line = sample.logged[0]
    if any(source.address == line.address and source.backend == line.backend for source in expected.sources):
        return None
    return f"{line.backend} saw {line.address} instead of {expected.text}"


def _reply_text(reply: cells.Reply) -> str:
    if reply.silence is not None:
        return reply.silence.value
    return reply.error or (f"HTTP {reply.status}" if reply.status is not None else "an answer")


def _seen(sample: cells.Sample, cell: cells.Cell, known: facts.Facts) -> str:
    if not sample.logged:
        return _reply_text(sample.reply)
    shown = [f"{line.address} {classes.classify(line.address, cell, known).value}" for line in sample.logged]
    return " + ".join(shown)
