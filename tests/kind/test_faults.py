"""A kind run that dies at any step says what happened, in one sentence, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.clusters.kind import provider
from harness.core import errors, process, timeouts
from harness.lab import lifecycle
from harness.probing import client as probing
from tests.kind import worlds

Prepare = Callable[[worlds.World, pytest.MonkeyPatch], dict[str, object]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[worlds.World]:
    """A machine of the test's own."""
    with worlds.made(tmp_path, monkeypatch) as found:
        yield found


def broken(*steps: str) -> Prepare:
    """A stand-in fails at these steps."""

    def prepare(world: worlds.World, _monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
        world.break_(*steps)
        return {}

    return prepare


def without_kind(_world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """No kind anywhere on PATH."""
    programs = Path(os.environ["PATH"].partition(":")[0])
    programs.joinpath("kind").unlink()
    monkeypatch.setenv("PATH", str(programs))
    return {}


def without_engine(_world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Neither docker nor podman on PATH."""
    programs = Path(os.environ["PATH"].partition(":")[0])
    programs.joinpath("docker").unlink()
    monkeypatch.setenv("PATH", str(programs))
    return {}


def with_manifest(text: str) -> Prepare:
    """The operator's manifest is that text."""

    def prepare(world: worlds.World, _monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
        world.manifests.joinpath("tigera-operator.yaml").write_text(text)
        return {}

    return prepare


def without_manifest(world: worlds.World, _monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The folder lacks a file."""
    world.manifests.joinpath("tigera-operator.yaml").unlink()
    return {}


def with_options(**chosen: object) -> Prepare:
    """The user says something else."""
    return lambda _world, _monkeypatch: dict(chosen)


def full_disk(_world: worlds.World, _monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The kubeconfig is written where there is no room."""
    return {"kubeconfig": Path("/dev/full")}


NEVER_AVAILABLE = worlds.OPERATOR.replace("sourceip/tools:1", "nowhere/nothing:1")
UNKNOWN_KIND = worlds.DEFINITIONS.replace("kind: ConfigMap", "kind: ConfigMop")
NO_OBJECT = "kind: ConfigMap\n"

FAULTS = [
    pytest.param(without_engine, "no such program", id="no engine"),
    pytest.param(broken("engine"), "Is the docker daemon running?", id="the engine does not answer"),
    pytest.param(without_kind, "--kind-bin", id="no kind"),
    pytest.param(broken("version"), "names no version", id="kind says no version"),
    pytest.param(with_options(calico_version="3.28"), "3.29 to 3.33", id="a version that is not supported"),
    pytest.param(with_options(calico_version="3.33"), "no patch release of it is pinned", id="nothing is pinned"),
    pytest.param(with_options(allow_unpinned=False), "--allow-unpinned", id="no checksum is known"),
    pytest.param(with_options(calico_version="v3.32.1"), "must be 192f8b2d", id="a file is not what it must be"),
    pytest.param(without_manifest, "No such file", id="a manifest is missing"),
    pytest.param(broken("create"), "ended with 1", id="kind can't create"),
    pytest.param(full_disk, "ended with 1", id="no room for the kubeconfig"),
    pytest.param(broken("build"), "no route to registry", id="the image can't be built"),
    pytest.param(
        with_options(tools_image="ours:1"), "neither docker nor an --image-archive", id="the image is nowhere"
    ),
    pytest.param(broken("save"), "no such image", id="the image can't be saved"),
    pytest.param(broken("load"), "content digest not found", id="the image can't be loaded"),
    pytest.param(with_manifest("{"), "tigera-operator.yaml", id="a manifest is no YAML"),
    pytest.param(with_manifest(NO_OBJECT), "needs apiVersion", id="a manifest holds no object"),
    pytest.param(with_manifest(UNKNOWN_KIND), "the kind ConfigMop of v1: not within", id="a kind is never defined"),
    pytest.param(with_manifest(NEVER_AVAILABLE), "tigera-operator available: not within", id="the operator never runs"),
    pytest.param(broken("exec"), "container is not running", id="a node refuses"),
    pytest.param(broken("run"), "can't be started", id="the client can't be started"),
    pytest.param(broken("address"), "has no address", id="the client has no address"),
]
IMPATIENT = dataclasses.replace(timeouts.DEFAULT, cluster_s=3.0)


@pytest.mark.parametrize(("prepare", "said"), FAULTS)
def test_a_fault_is_told_and_leaves_nothing(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch, prepare: Prepare, said: str
) -> None:
    """Whatever step fails, its own words come out and everything that was made is gone."""
    chosen = prepare(world, monkeypatch)
    with (
        pytest.raises(errors.HarnessError) as caught,
        provider.running(world.options(**chosen), say=lambda _text: None, patience=IMPATIENT),
    ):
        pytest.fail("it came up all the same")
    assert said in f"{caught.value}"
    world.assert_empty()


def test_a_cluster_that_somebody_else_made_is_refused_and_kept(world: worlds.World) -> None:
    """The name is taken, so nothing is made and nothing is deleted."""
    found = world.state
    found.world["clusters"]["theirs"] = {"image": "", "lab": ""}
    found.save()
    with (
        pytest.raises(errors.UsageError, match="this run did not make it"),
        provider.running(world.options(name="theirs"), say=lambda _text: None),
    ):
        pytest.fail("it was taken over")
    assert list(world.state.world["clusters"]) == ["theirs"]


def test_an_interruption_while_kind_creates_leaves_nothing(world: worlds.World) -> None:
    """Ctrl-C goes on as what it is, after everything is removed."""
    world.break_("create-interrupted")
    with pytest.raises(KeyboardInterrupt), provider.running(world.options(), say=lambda _text: None):
        pytest.fail("it came up all the same")
    world.assert_empty()


@pytest.mark.parametrize("error", [RuntimeError("a check failed"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_whatever_ends_the_run_the_cluster_is_deleted(world: worlds.World, error: BaseException) -> None:
    """What is raised while the cluster is used comes out unchanged."""
    with pytest.raises(type(error)), provider.running(world.options(), say=lambda _text: None):
        raise error
    world.assert_empty()


def test_an_engine_that_dies_during_the_run_is_told(world: worlds.World) -> None:
    """The client's container can't be entered any more: the probe says so, and the cluster is still deleted."""
    with provider.running(world.options(), say=lambda _text: None) as found:
        world.break_("exec")
        assert found.runner is not None
        with pytest.raises(probing.ProbeError, match="container is not running"), probing.running(found.runner):
            pytest.fail("an agent started in a container that is not running")
    world.assert_empty()


def test_a_deletion_that_fails_is_told(world: worlds.World) -> None:
    """A cluster that could not be deleted is named, and every other step of the clean-up has run."""
    with (
        pytest.raises(errors.CleanupError, match="kind cluster sourceip"),
        provider.running(world.options(), say=lambda _text: None),
    ):
        world.break_("delete")
    assert world.state.world["containers"] == {}


def test_a_cluster_that_is_kept_stays(world: worlds.World) -> None:
    """With --keep-cluster nothing of the cluster is removed; only the run's own scratch files are."""
    kubeconfig = Path("kept.kubeconfig")
    with provider.running(world.options(keep=True, kubeconfig=kubeconfig), say=lambda _text: None) as found:
        name = (found.context or "").removeprefix("kind-")
    assert list(world.state.world["clusters"]) == [name]
    assert list(world.state.world["containers"]) == [f"{name}-client"]
    assert kubeconfig.is_file()
    assert shutil.which("kind") is not None


def test_an_api_that_goes_in_the_middle_of_a_switch_is_told_and_leaves_nothing(world: worlds.World) -> None:
    """The cluster dies while eBPF mode is awaited: one line says so, nothing is proven, and all of it is removed."""
    argv = [sys.executable, "-P", "-m", "harness.cli", "verify", *worlds.WORDS, "--calico-manifests"]
    child = process.start(
        [*argv, str(world.manifests), "--samples", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(worlds.ROOT)},
    )
    assert child.stdout is not None
    with child.stdout:
        said: list[str] = []
        for line in child.stdout:
            said.append(line.decode())
            if "switching to BPF" in said[-1]:
                [found] = world.state.world["clusters"].values()
                lifecycle.stop(found["lab"])
    assert child.wait(60) == 1, said
    text = "".join(said)
    assert "Unreachable" in text or "the probe" in text, text
    assert "PASS: " not in text
    world.assert_empty()
