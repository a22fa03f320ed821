"""One run: a cluster, its scene, yaobank on it, and the walk over its phases; the one path of pytest and the CLI."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from harness.checks import in_force, sampling, scene, walk
from harness.checks.environment import look
from harness.clusters import cluster, selection
from harness.dataplane import evidence
from harness.evidence import bundle, collectors
from harness.model import cells, records, words
from harness.report import files
from harness.witness import stations

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run under way.

    Attributes:
        cluster: What it runs on.
        place: The scene.
        walk: The phases so far.
        samples: Samples a cell.
        started: When it began, ISO 8601 in UTC.
        timings_s: Measured times by name, added to as they come.
        environment: What was found before the first phase that is not the dataplane.
    """

    cluster: cluster.Cluster
    place: scene.Scene
    walk: walk.Walk
    samples: int
    started: str
    timings_s: dict[str, float] = field(default_factory=dict)
    environment: tuple[records.Environment, ...] = ()

    @property
    def phases(self) -> tuple[words.Phase, ...]:
        """The phases that this run can have."""
        found = self.walk.phases
        return found if "ebpf" not in self.cluster.missing else tuple(p for p in found if p is words.Phase.IPTABLES)

    def lacks(self, phase: words.Phase) -> str:
        """Why this run can't have a phase; empty if it can."""
        if phase in self.phases:
            return ""
        name = "ebpf" if phase is words.Phase.EBPF else "iptables"
        return self.cluster.missing.get(name) or "; ".join(self.cluster.missing.values())

    @property
    def blocked(self) -> tuple[str, ...]:
        """Why nothing that would be measured here would mean anything; empty if nothing is known to be in the way."""
        return tuple(f"INVALID: {finding.sentence}" for finding in self.environment if finding.blocking)

    def record(self, *, wanted: Sequence[words.Phase] = (), ended: BaseException | None = None) -> records.RunRecord:
        """All that is known so far, as the record that reports are made from.

        Args:
            wanted: The phases that the run is to have had.
            ended: What has ended the run before its end.
        """
        switches: dict[str, float] = {}
        for phase in self.walk.done:
            if phase.switched and phase.converged_s is not None and phase.proven_s is not None:
                name = f"switch to {phase.phase.dataplane.value}"
                switches[name] = phase.converged_s
                switches[f"{name}, proven on every node"] = phase.proven_s
        return records.RunRecord(
            provider=self.cluster.provider,
            description=self.cluster.description,
            client=self.cluster.who,
            samples=self.samples,
            started=self.started,
            phases=self.walk.done,
            timings_s={**self.timings_s, **switches},
            memory_mib=self.cluster.memory_mib(),
            skipped=dict(self.cluster.missing),
            wanted=tuple(wanted),
            environment=self.environment,
            interrupted=interruption(ended, self.walk.done) if ended is not None else "",
        )


def interruption(ended: BaseException, done: Sequence[records.PhaseRecord]) -> str:
    """When and why a run did not come to its end, in one sentence."""
    if isinstance(ended, KeyboardInterrupt):
        why = f"ended by {ended.args[0] if ended.args else 'Ctrl-C'}"
    else:
        why = f"{type(ended).__name__}: {' '.join(str(ended).split())}"
    where = f"in phase {done[-1].phase.value}" if done else "before the first phase"
    return f"{where}, at {_now()}: {why}"


def _now() -> str:
    return datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def recorded(
    run: Run, keep: Callable[[records.RunRecord], None], *, wanted: Sequence[words.Phase] = ()
) -> Iterator[None]:
    """Keep the record of a run at the block's end, however it comes to it, while the cluster is still up."""

    def kept(_kind: object, error: BaseException | None, _trace: object) -> None:
        keep(run.record(wanted=wanted, ended=error))

    with contextlib.ExitStack() as stack:
        stack.push(kept)
        yield


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C, so that a run that is ended writes what it has and takes its cluster along."""

    def end(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt("SIGTERM")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def started(options: selection.Options, *, say: Say) -> Iterator[Run]:
    """A run whose cluster is up and whose yaobank is ready; at the end the cluster is as it was found.

    Raises:
        UsageError: The options ask for what can't be.
        CapabilityMissing: This machine can't have that cluster.
        HarnessError: The cluster or yaobank did not come up.
    """
    if options.report_dir is not None:
        files.prepare(options.report_dir)
    now = _now()
    with selection.opened(options, say=say) as opened, cluster.staged(opened, options.rows) as place:
        found = opened
        timings = {f"{found.provider} up": found.up_s} if found.up_s is not None else {}
        began = time.monotonic()
        scene.deploy(place.api, options.rows, timeout_s=found.patience.rollout_s)
        timings["yaobank ready"] = round(time.monotonic() - began, 3)
        found, phases = _possible(found, place)
        seen = look.look(place, tell=say)
        steps = walk.Walk(
            place,
            samples=options.samples,
            rows=options.rows,
            tell=say,
            examine=evidence.collect,
            told=options.way,
            phases=phases,
            confined=found.confined,
            after=_collecting(place, options, say),
        )
        with _watched(found, place, say), _restored(found, steps):
            yield Run(
                cluster=found,
                place=place,
                walk=steps,
                samples=options.samples,
                started=now,
                timings_s=timings,
                environment=seen,
            )


def _possible(found: cluster.Cluster, place: scene.Scene) -> tuple[cluster.Cluster, tuple[words.Phase, ...]]:
    """The phases that a run on this cluster can have, and the cluster with why it can't have the others."""
    if not found.confined:
        return found, tuple(words.Phase) if "ebpf" not in found.missing else (words.Phase.IPTABLES,)
    phase = in_force.phase(place)
    other = "iptables" if phase is words.Phase.EBPF else "ebpf"
    why = f"{phase.dataplane.value} is in force, and only --allow-switch changes that"
    return dataclasses.replace(found, missing={**found.missing, other: why}), (phase,)


def _collecting(place: scene.Scene, options: selection.Options, say: Say) -> Callable[[records.PhaseRecord], None]:
    def collect(record: records.PhaseRecord) -> None:
        if record.passed and not options.evidence:
            return
        if options.report_dir is None:
            say(f"{record.phase.value} is red; --report-dir DIR would have kept the evidence")
            return
        folder = options.report_dir / "evidence" / record.phase.value
        count = collectors.collect(
            place.api,
            folder,
            title=f"evidence of phase {record.phase.value}, {record.outcome.value}",
            failed=_first_wrong(record),
            redial=lambda cell: sampling.once(place.at, cell, place.patience),
        )
        say(f"{record.phase.value}: {record.outcome.value}; {count} findings in {folder / bundle.INDEX}")

    return collect


def _first_wrong(record: records.PhaseRecord) -> cells.Cell | None:
    wrong = (verdict.cell for verdict in record.verdicts if verdict.outcome is not words.Outcome.PASS)
    return next(wrong, None)


def _watched(found: cluster.Cluster, place: scene.Scene, say: Say) -> contextlib.AbstractContextManager[None]:
    return stations.deployed(place.api, timeout_s=found.patience.rollout_s, say=say, keep=found.disposable)


@contextlib.contextmanager
def _restored(found: cluster.Cluster, steps: walk.Walk) -> Iterator[None]:
    try:
        yield
    finally:
        if not found.disposable:
            steps.restore()
