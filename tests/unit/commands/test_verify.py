"""``sourceip verify`` on a hand-made cluster: exit code, table, files, and what is skipped."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.checks import walk
from harness.clusters import cluster, run, selection
from harness.commands import verify
from harness.core import errors
from harness.probing import runners
from tests import fake_cluster

Arrange = Callable[..., fake_cluster.Api]


@pytest.fixture
def arrange(monkeypatch: pytest.MonkeyPatch) -> Arrange:
    """Put a fake cluster in the place of every provider."""

    def arranged(*, missing: dict[str, str] | None = None) -> fake_cluster.Api:
        api = fake_cluster.Api()

        @contextlib.contextmanager
        def started(options: selection.Options, *, say: run.Say) -> Iterator[run.Run]:
            place = fake_cluster.place(api)
            found = cluster.Cluster(
                provider="lab",
                description="a hand-made cluster",
                kubeconfig=Path("none"),
                runner=runners.Runner(prefix=()),
                who=place.who,
                missing=missing or {},
            )
            steps = walk.Walk(
                place,
                samples=options.samples,
                tell=say,
                observe=fake_cluster.observe,
                clock=fake_cluster.Clock(),
            )
            yield run.Run(cluster=found, place=place, walk=steps, samples=options.samples, started="now")

        monkeypatch.setattr(run, "started", started)
        return api

    return arranged


def arguments(*words: str) -> argparse.Namespace:
    """What the command line makes of these words."""
    parser = argparse.ArgumentParser()
    verify.add_arguments(parser)
    return parser.parse_args(list(words))


def test_a_right_cluster_is_green(arrange: Arrange, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, three phases, and the total time of the whole process."""
    arrange()
    assert verify.run(arguments("--samples", "2")) == 0
    shown = capsys.readouterr().out
    assert "PASS: 18 of 18 cells, 36 of 36 samples, 3 phase(s)" in shown
    assert "switch to BPF" in shown
    assert "total" in shown


def test_a_wrong_cluster_is_red_and_names_the_cell(arrange: Arrange, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, with cell, expected and seen."""
    arrange().sees["BPF"]["kind-worker2", "Cluster"] = "10.244.110.128"
    assert verify.run(arguments("--samples", "2")) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "kind-worker2:30180 (customer, Cluster, HTTP): expected 172.18.0.5 client, seen 10.244.110.128" in shown


def test_without_ebpf_it_is_iptables_only_and_says_so(arrange: Arrange, capsys: pytest.CaptureFixture[str]) -> None:
    """The phase that can be run is run; the others are skipped with the reason, and nothing is switched."""
    api = arrange(missing={"ebpf": "no bpf() on this machine"})
    assert verify.run(arguments("--samples", "2")) == 0
    assert "SKIPPED ebpf: no bpf() on this machine" in capsys.readouterr().out
    assert api.patches == []


def test_the_files_are_written(arrange: Arrange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The record has what the table has."""
    arrange()
    assert verify.run(arguments("--samples", "2", "--report-dir", str(tmp_path / "out"))) == 0
    assert json.loads((tmp_path / "out" / "run.json").read_text())["timings_s"]["total"] > 0
    assert "junit.xml" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--samples", "0"), ("--cluster", "moon"), ("--report-dir", __file__)])
def test_bad_values_are_usage_errors(arrange: Arrange, words: tuple[str, ...]) -> None:
    """They are refused before a cluster is started."""
    api = arrange()
    with pytest.raises(errors.UsageError):
        verify.run(arguments(*words))
    assert api.log == []


def test_the_total_counts_from_the_start_of_the_process() -> None:
    """The interpreter's own start-up is part of what a user waits for."""
    assert 0 < time.monotonic() - verify.process_started() < 24 * 3600
