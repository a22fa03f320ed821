"""Playing mutations on one lab, phase by phase, so that the dataplane is switched as seldom as can be."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

from harness.checks import scene
from harness.checks.environment import look
from harness.clusters import run, selection
from harness.core import cleanup, errors
from harness.model import named, words
from harness.probing import client as probing
from harness.selftest import catching, lab_answers, lab_bench, lab_ebpf, lab_iptables, mutations, trial

MUTATIONS = (*lab_iptables.MUTATIONS, *lab_answers.MUTATIONS, *lab_ebpf.MUTATIONS)
Say = Callable[[str], None]

# The walk-through, and what an echo server says over TCP and UDP.
CELLS = ",".join(
    (
        "external/*/NodePort-*/HTTP/pod",
        "external/*/NodePort-Cluster/TCP/pod",
        "external/*/NodePort-Cluster/UDP/pod",
        "host@other/with/NodePort-Cluster/TCP/pod",
    )
)
# What is wrong for good does not get right by being waited for; a switch is, and has its time.
_STEADY_S = 1.0
_SWITCH_S = 10.0
_PROBE_S = 2.0
_BACK_S = 30.0


def try_all(chosen: Sequence[lab_bench.OfCluster], untried: dict[str, str], *, say: Say) -> Iterator[trial.Tried]:
    """Every one of these mutations on a lab of its own, which is green before, between the phases, and at the end.

    Args:
        chosen: What to try.
        untried: Takes the names of those that this machine can't have, with the reason.
        say: Hears of progress.

    Raises:
        RedBaseline: The lab is not green, or not green again.
        HarnessError: There is no lab, or something could not be undone.
    """
    options = selection.Options(cluster="lab", samples=lab_bench.SAMPLES, cells=CELLS)
    with run.started(options, say=say) as current:
        for phase in words.Phase:
            mine = [item for item in chosen if item.phase is phase]
            if phase in current.phases:
                yield from _in_phase(current, phase, mine, untried, say)
            else:
                untried.update({item.name: "; ".join(current.cluster.missing.values()) for item in mine})


def _in_phase(
    current: run.Run, phase: words.Phase, mine: Sequence[lab_bench.OfCluster], untried: dict[str, str], say: Say
) -> Iterator[trial.Tried]:
    if not mine:
        return
    before = [item for item in mine if item.before]
    yield from _tried(current, before, untried, say, patience_s=_SWITCH_S)
    _require_green(current, phase, say)
    yield from _tried(current, [item for item in mine if not item.before], untried, say, patience_s=_STEADY_S)
    _require_green(current, phase, say)


def _tried(
    current: run.Run, mine: Sequence[lab_bench.OfCluster], untried: dict[str, str], say: Say, *, patience_s: float
) -> Iterator[trial.Tried]:
    for item in mine:
        try:
            yield _try(current, item, say, patience_s=patience_s)
        except errors.CapabilityMissing as error:
            untried[item.name] = str(error)
            say(f"{item.name} is not tried: {error}")


def _try(current: run.Run, mutation: lab_bench.OfCluster, say: Say, *, patience_s: float) -> trial.Tried:
    began = time.monotonic()
    bench = lab_bench.bench_of(current)
    wanted = mutation.on(bench)
    say(f"{mutation.phase.value}: {mutation.name}: {mutation.does}")
    # Where the run must pass all the same, it is given the time that a healthy one has on a busy machine.
    passes = wanted.catch is None or wanted.catch.outcome is words.Outcome.PASS
    with lab_bench.inflicted(wanted, bench):
        patient = _BACK_S if passes else patience_s
        seen = _seen(current, wanted, patience_s=patient)
    return trial.tried(wanted, seen, began)


def _seen(current: run.Run, wanted: lab_bench.OfCluster, *, patience_s: float) -> catching.Seen:
    """What a run on the lab comes to; the environment is looked at where it is what must notice, or must not."""
    patience = dataclasses.replace(current.place.patience, switch_s=patience_s, probe_s=_PROBE_S)
    found = dataclasses.replace(current.place, patience=patience)
    looks = wanted.catch is None or wanted.catch.by is mutations.By.ENVIRONMENT
    try:
        with _probed(current, found, fresh=wanted.fresh) as place:
            record = trial.recorded(
                place,
                current.cluster,
                (wanted.phase,),
                rows=named.rows(CELLS),
                samples=wanted.samples,
                environment=look.look(place, tell=lambda _text: None) if looks else (),
            )
    except errors.HarnessError as error:
        return catching.of_refusal(error)
    return catching.of_record(record)


@contextlib.contextmanager
def _probed(current: run.Run, place: scene.Scene, *, fresh: bool) -> Iterator[scene.Scene]:
    """The scene, with a probe of its own if that is asked for; the run's own probe never uses a source port again."""
    if not fresh or current.cluster.runner is None:
        yield place
        return
    with probing.running(current.cluster.runner) as probe:
        yield dataclasses.replace(place, probe=probe)


def _nothing(_bench: lab_bench.Bench, _undo: cleanup.CleanupStack) -> None:
    """What a healthy lab is mutated by."""


def _require_green(current: run.Run, phase: words.Phase, say: Say) -> None:
    healthy = lab_bench.OfCluster(name="", does="", origin="", phase=phase, inflict=_nothing, catch=None)
    trial.require_green(_seen(current, healthy, patience_s=_BACK_S), f"the lab in phase {phase.value}")
    say(f"{phase.value}: the lab is green, and nothing of a mutation is left")
