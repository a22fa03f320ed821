"""From samples to verdicts. Pure: no clock, no cluster, no luck.

Every sample must agree, and every witness with it. One wrong sample of N fails the cell; an unanswered sample, one
that two witnesses tell differently and one that a witness in place never saw are failures; and a planned cell without
samples is an error of the run. Where the expectation is no contract, but only what was once observed and never
explained, a sample that differs is a warning. A control that misbehaves and witnesses that disagree are none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.model import cells, facts, words
from harness.oracle import accounts, classes, predictions

HTTP_OK = 200
APPLICATION_ONLY = frozenset({words.Witness.APPLICATION})

Watching = Mapping[str, frozenset[words.Witness]]
_Fault = tuple[words.Outcome, str]
_OUTSIDE = (words.ClientKind.EXTERNAL, words.ClientKind.GATEWAY)


def judge_all(
    plan: predictions.Plan,
    samples: Mapping[str, Sequence[cells.Sample]],
    known: facts.Facts,
    *,
    wanted: int,
    watching: Watching | None = None,
) -> tuple[cells.Verdict, ...]:
    """Exactly one verdict for every planned cell, in the plan's order.

    Args:
        plan: The cells with their expectations.
        samples: What was sampled, by the cell's name.
        known: The facts that the plan was made from.
        wanted: How many samples a cell must have.
        watching: Which witnesses were in place, by the cell's name; the application alone where nothing is said.

    Raises:
        ValueError: Samples of a cell that was never planned, or a cell that was planned twice.
    """
    names = Counter(cell.name for cell, _ in plan.planned)
    strangers = sorted(set(samples) - set(names)) + [name for name, count in names.items() if count > 1]
    if strangers:
        raise ValueError(f"not planned exactly once: {', '.join(strangers)}")
    return tuple(
        judge(
            cell,
            expected,
            samples.get(cell.name, ()),
            known,
            wanted=wanted,
            watching=(watching or {}).get(cell.name, APPLICATION_ONLY),
        )
        for cell, expected in plan.planned
    )


def judge(
    cell: cells.Cell,
    expected: cells.Expectation,
    samples: Sequence[cells.Sample],
    known: facts.Facts,
    *,
    wanted: int,
    watching: frozenset[words.Witness] = APPLICATION_ONLY,
) -> cells.Verdict:
    """The verdict for one cell."""
    faults = [_fault(sample, cell, expected, watching) for sample in samples]
    reasons = Counter(fault for fault in faults if fault is not None) + _accounting(samples, wanted)
    both = zip(samples, faults, strict=True)
    warnings = Counter(fault for sample, fault in both if fault is not None and _only_warns(sample, fault, expected))
    reasons -= warnings
    return cells.Verdict(
        cell=cell,
        expectation=expected,
        outcome=words.worst(outcome for outcome, _ in reasons),
        right=sum(fault is None for fault in faults),
        total=max(len(samples), wanted),
        seen=Counter(_seen(sample, cell, known) for sample in samples),
        reasons=_texts(reasons),
        samples=tuple(samples),
        warnings=_texts(warnings),
        watching=watching,
        witnessed={witness: sum(bool(sample.of(witness)) for sample in samples) for witness in words.Witness},
    )


def _accounting(samples: Sequence[cells.Sample], wanted: int) -> Counter[_Fault]:
    found: Counter[_Fault] = Counter()
    missing = wanted - len(samples)
    if missing > 0:
        found[(words.Outcome.ERROR, f"{missing} of {wanted} samples were never taken")] = missing
    doubles = len(samples) - len({sample.token for sample in samples})
    if doubles:
        found[(words.Outcome.ERROR, f"{doubles} tokens were used twice")] = doubles
    return found


def _only_warns(sample: cells.Sample, fault: _Fault, expected: cells.Expectation) -> bool:
    # Which address is right may be unknown; that one witness of two is wrong is not.
    return bool(expected.observed) and fault[0] is words.Outcome.FAIL and not sample.disputed


def _texts(faults: Counter[_Fault]) -> tuple[str, ...]:
    return tuple(f"{text} ({count} x)" if count > 1 else text for (_, text), count in faults.items())


def _fault(
    sample: cells.Sample, cell: cells.Cell, expected: cells.Expectation, watching: frozenset[words.Witness]
) -> _Fault | None:
    control = _client_fault(sample.reply, cell)
    if control is not None:
        return words.Outcome.INVALID, control
    if sample.reply.error and sample.reply.silence is None:
        # Neither an answer nor a silence: whatever it was, it can't be held against an expectation.
        return words.Outcome.ERROR, f"an answer without a meaning: {sample.reply.error}"
    if isinstance(expected, cells.NoAnswer):
        text = accounts.disagreement(sample) or _silence_fault(sample, expected)
    else:
        text = _answer_fault(sample, cell, expected, watching)
    return (words.Outcome.FAIL, text) if text is not None else None


def _client_fault(reply: cells.Reply, cell: cells.Cell) -> str | None:
    """Why the client is not the client that was planned; only outside the cluster are its own words binding."""
    if cell.client.kind not in _OUTSIDE:
        return None
    if reply.local is not None and not _is_unbound(reply.local[0]) and reply.local[0] != cell.client.address:
        return f"the client's own socket is on {reply.local[0]}, not on {cell.client.address}"
    if reply.peer is not None and reply.peer != cell.path.dialled:
        return f"the client's socket is connected to {reply.peer[0]}:{reply.peer[1]}, which nobody dialled"
    return None


def _is_unbound(address: facts.Address) -> bool:
    # A datagram socket that is not connected has a port, but no address of its own.
    return address.is_unspecified


def _silence_fault(sample: cells.Sample, expected: cells.NoAnswer) -> str | None:
    if sample.accounts and not expected.may_reach:
        return f"the application was reached, says {_names(sample.accounts)}"
    if sample.reply.silence in expected.how:
        return None
    return f"{_reply_text(sample.reply)} instead of {expected.text}"


def _answer_fault(
    sample: cells.Sample, cell: cells.Cell, expected: cells.Answer, watching: frozenset[words.Witness]
) -> str | None:
    reply = sample.reply
    if not reply.answered:
        return f"no answer: {_reply_text(reply)}"
    if reply.token is not None and reply.token != sample.token:
        return "answered by something that is not the backend: the answer is to another question"
    if reply.sender is not None and reply.sender != cell.path.dialled:
        return f"the answer came from {reply.sender[0]}:{reply.sender[1]}, which nobody dialled"
    if cell.destination.protocol is words.Protocol.HTTP and reply.status != HTTP_OK:
        return f"HTTP {reply.status} instead of {HTTP_OK}"
    return accounts.fault(sample, watching) or _address_fault(sample, expected)


def _address_fault(sample: cells.Sample, expected: cells.Answer) -> str | None:
    account = sample.accounts[0]
    if any(source.address == account.address and source.backend == account.backend for source in expected.sources):
        return None
    return f"{account.backend} saw {account.address} instead of {expected.text}"


def _reply_text(reply: cells.Reply) -> str:
    if reply.silence is not None:
        return reply.silence.value
    return reply.error or (f"HTTP {reply.status}" if reply.status is not None else "an answer")


def _names(told: Iterable[cells.Account]) -> str:
    return ", ".join(sorted({f"the {account.witness.value}" for account in told}))


def _seen(sample: cells.Sample, cell: cells.Cell, known: facts.Facts) -> str:
    if not sample.accounts:
        return _reply_text(sample.reply)
    addresses = dict.fromkeys(account.address for account in sample.accounts)
    return " + ".join(f"{address} {classes.classify(address, cell.path, known).value}" for address in addresses)
