"""The check itself: sample every cell of a phase, match every sample to its log line, judge."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from harness.checks import scene
from harness.core import errors
from harness.model import cells, facts, words
from harness.oracle import judge, predictions
from harness.probing import client as probing
from harness.witness import accounts

# A line is written before its answer is sent; what takes time is its way into the log.
_LOG_S = 5.0


def verdicts(place: scene.Scene, phase: words.Phase, known: facts.Facts, *, samples: int) -> tuple[cells.Verdict, ...]:
    """Sample every planned cell of a phase and judge it.

    All cells are sampled side by side, and so are the samples of a cell, so that a phase takes as long as its longest
    time limit and not as the sum of them.

    Args:
        place: The cluster and the client.
        phase: What is expected to be in force.
        known: The facts of this phase.
        samples: How many samples a cell gets; at least one.

    Raises:
        CapabilityMissing: A cell is planned of which nothing is known, so nothing can be expected of it.
        ApiError: A log could not be read.
        ProbeError: The probe failed.
    """
    try:
        plan = predictions.plan(phase, known)
    except (cells.NoPrediction, ValueError) as error:
        raise errors.CapabilityMissing("prediction", str(error)) from error
    dials = [_dial(place, cell, expected, samples) for cell, expected in plan]
    replies = probing.dial_all(place.probe, dials)
    logged = _logged(place, known, replies)
    taken = {cell.name: _samples(found, logged) for (cell, _), found in zip(plan, replies, strict=True)}
    return judge.judge_all(plan, taken, known, wanted=samples)


def _dial(place: scene.Scene, cell: cells.Cell, expected: cells.Expectation, samples: int) -> probing.Dial:
    patience = place.patience
    return probing.Dial(
        address=cell.entry.address,
        port=cell.destination.node_port,
        protocol=cell.destination.protocol,
        tokens=tuple(str(uuid.uuid4()) for _ in range(samples)),
        timeout_s=patience.unanswered_s if isinstance(expected, cells.NoAnswer) else patience.probe_s,
    )


def _logged(place: scene.Scene, known: facts.Facts, replies: Sequence[Mapping[str, cells.Reply]]) -> accounts.Accounts:
    backends = [pod for destination in known.destinations for pod in destination.backends]
    tokens = [token for found in replies for token in found]
    answered = [token for found in replies for token, reply in found.items() if reply.answered]
    return accounts.collect(place.api, backends, tokens=tokens, answered=answered, timeout_s=_LOG_S)


def _samples(found: Mapping[str, cells.Reply], logged: accounts.Accounts) -> tuple[cells.Sample, ...]:
    return tuple(cells.Sample(token=token, reply=reply, logged=logged[token]) for token, reply in found.items())
