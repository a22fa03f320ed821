"""What of the selftest's lab part needs no lab."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.checks import walk
from harness.clusters import cluster, run, selection
from harness.core import cleanup, errors
from harness.model import words
from harness.probing import runners
from harness.selftest import catching, evidence, lab_bench, lab_relay, lab_trial, mutations, table, trial, world
from tests import fake_cluster


def a_run(**changes: object) -> run.Run:
    """A run on a hand-made cluster."""
    place = fake_cluster.place(fake_cluster.Api())
    found = cluster.Cluster(
        provider="existing",
        description="",
        kubeconfig=Path("none"),
        runner=runners.Runner(prefix=()),
        who=place.who,
    )
    found = dataclasses.replace(found, **changes)  # type: ignore[arg-type]
    return run.Run(cluster=found, place=place, walk=walk.Walk(place, samples=1), samples=1, started="")


@pytest.mark.parametrize("changes", [{}, {"provider": "kind", "disposable": True}, {"provider": "lab"}])
def test_only_a_lab_that_goes_away_is_changed(changes: dict[str, object]) -> None:
    """Nothing is ever made wrong on somebody's cluster."""
    with pytest.raises(errors.UsageError, match="a selftest changes what it runs on"):
        lab_bench.bench_of(a_run(**changes))


def test_names_are_unique_among_all() -> None:
    """A mutation can be asked for by its name, wherever it acts."""
    names = [item.name for item in (*evidence.MUTATIONS, *lab_trial.MUTATIONS)]
    assert len(set(names)) == len(names)


def test_every_hole_of_the_others_is_tried() -> None:
    """The twelve holes of other suites, by number."""
    origins = " ".join(item.origin for item in (*evidence.MUTATIONS, *lab_trial.MUTATIONS))
    assert {int(number) for number in re.findall(r"hole (\d+):", origins)} >= set(range(1, 13))


def test_what_the_kernel_cannot_is_counted_and_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without BPF the mutations of eBPF mode are named with the reason, and none counts as caught."""

    @contextlib.contextmanager
    def started(_options: selection.Options, *, say: run.Say) -> Iterator[run.Run]:
        say("up")
        yield a_run(missing={"ebpf": "no bpf() here"})

    monkeypatch.setattr(run, "started", started)
    untried: dict[str, str] = {}
    chosen = [item for item in lab_trial.MUTATIONS if item.phase is words.Phase.EBPF]
    assert list(lab_trial.try_all(chosen, untried, say=lambda _text: None)) == []
    assert untried == {item.name: "no bpf() here" for item in chosen}
    said = table.render([], untried)
    assert "NOT TRIED snat-entry: no bpf() here" in said
    assert said.splitlines()[-1] == f"SELFTEST FAIL: 0 of 0 caught, {len(chosen)} not tried"
    assert json.loads(table.document([], untried))["passed"] is False


def test_what_a_program_of_the_selftests_lacks_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that cannot put a program before others leaves that mutation untried, by name, and tries the rest."""

    def attempt(_run: run.Run, mutation: lab_bench.OfCluster, _say: run.Say, *, patience_s: float) -> trial.Tried:
        if mutation.name == "wrong-tunnel":
            raise errors.CapabilityMissing("lab_liar", f"no TCX within {patience_s} s")
        return trial.tried(mutation, catching.Seen(outcome=words.Outcome.FAIL, complaints=()), 0.0)

    @contextlib.contextmanager
    def started(_options: selection.Options, *, say: run.Say) -> Iterator[run.Run]:
        say("up")
        yield a_run()

    monkeypatch.setattr(run, "started", started)
    monkeypatch.setattr(lab_trial, "_try", attempt)
    monkeypatch.setattr(lab_trial, "_require_green", lambda *_args: None)
    untried: dict[str, str] = {}
    chosen = [item for item in lab_trial.MUTATIONS if item.name in ("wrong-tunnel", "relay")]
    tried = lab_trial.try_all(chosen, untried, say=lambda _text: None)
    assert [item.mutation.name for item in tried] == ["relay"]
    assert list(untried) == ["wrong-tunnel"]


def test_what_is_inflicted_is_undone_whatever_happens() -> None:
    """Newest first, also when the run in between fails."""
    undone: list[str] = []

    def inflict(_bench: lab_bench.Bench, undo: cleanup.CleanupStack) -> None:
        undo.push("first", lambda: undone.append("first"))
        undo.push("second", lambda: undone.append("second"))

    mutation = dataclasses.replace(lab_trial.MUTATIONS[0], inflict=inflict)
    with pytest.raises(errors.HarnessError), lab_bench.inflicted(mutation, a_bench()):
        raise errors.HarnessError("in between")
    assert undone == ["second", "first"]


def test_the_text_of_a_catch_names_the_labs_own_nodes() -> None:
    """Where customer is depends on the lab, so the names are filled in when it is there."""
    mutation = next(item for item in lab_trial.MUTATIONS if item.name == "snat-other").on(a_bench())
    assert mutation.catch is not None
    assert mutation.catch.text.startswith("kind-control-plane:30180 (customer, Cluster, HTTP): expected 172.18.0.5")
    assert mutation.catch.text.endswith("seen 172.18.0.4 other-node, 0 of 3")


def a_bench() -> lab_bench.Bench:
    """The bench of a lab that is not there."""
    current = a_run()
    known = current.place.facts()
    return lab_bench.Bench(
        lab=None,  # type: ignore[arg-type]
        run=current,
        backend=known.destinations[0].backends[0],
        echo=world.ECHO,
        here=known.node("kind-worker"),
        far=known.node("kind-control-plane"),
        third=known.node("kind-worker2"),
        there=known.node("kind-worker"),
    )


def test_a_lab_that_is_not_green_is_not_mutated() -> None:
    """The sentence says what is wrong with it."""
    said = catching.Complaint(by=mutations.By.VERDICT, text="it is broken")
    seen = catching.Seen(outcome=words.Outcome.FAIL, complaints=(said,))
    with pytest.raises(trial.RedBaseline, match=r"the lab .* is not green .*: it is broken"):
        trial.require_green(seen, "the lab in phase ebpf")


def test_a_proxy_says_for_whom_it_asks() -> None:
    """Behind the request line, and only where there are headers."""
    request = b"GET /?probe=t HTTP/1.1\r\nHost: x\r\n\r\n"
    assert lab_relay.forwarding(request, "172.18.0.5").split(b"\r\n")[1] == b"X-Forwarded-For: 172.18.0.5"
    assert lab_relay.forwarding(b"token\n", "172.18.0.5") == b"token\n"


def test_a_proxy_forges_what_an_echo_says() -> None:
    """Every other answer passes as it is."""
    said = json.loads(lab_relay.forged(b'{"seen": "10.244.82.0", "token": "t"}\n', "172.18.0.5"))
    assert said == {"seen": "172.18.0.5", "token": "t"}
    assert lab_relay.forged(b"HTTP/1.1 200 OK\r\n\r\n", "172.18.0.5") == b"HTTP/1.1 200 OK\r\n\r\n"
