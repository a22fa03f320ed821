"""A kind cluster from nothing to deleted: the commands, the order, and real traffic once it is up."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clusters import cluster
from harness.clusters.kind import provider
from harness.core import process
from harness.kube import client
from harness.lab import plan
from harness.model import words
from harness.probing import client as probing
from tests.kind import worlds


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[worlds.World]:
    """A machine of the test's own."""
    with worlds.made(tmp_path, monkeypatch) as found:
        yield found


def test_a_cluster_comes_up_and_goes_away(world: worlds.World) -> None:
    """Created once with our configuration, loaded, filled with Calico, handed out, and deleted with all of it."""
    said: list[str] = []
    with provider.running(world.options(), say=said.append) as found:
        assert found.provider == "kind"
        assert "Calico v3.32.4 on kind v0.32.0" in found.description
        assert str(found.context).startswith("kind-sourceip-")
        assert_the_api_answers(found)
        assert_the_client_is_outside(found)
    world.assert_empty()
    programs = [" ".join(command[:3]) for command in world.state.commands]
    assert programs.index("kind create cluster") < programs.index("kind load image-archive")
    assert programs.index("kind load image-archive") < programs.index("docker run --detach")
    assert programs[-1].startswith("kind delete cluster") or "docker rm --force" in programs
    assert any("nodes ready" in line for line in said)


def assert_the_api_answers(found: cluster.Cluster) -> None:
    """The kubeconfig's own context leads to the cluster, with our Installation in it."""
    api = client.connect(found.kubeconfig, found.context)
    installation = api.get("/apis/operator.tigera.io/v1/installations/default")
    api.close()
    assert installation["spec"]["calicoNetwork"]["ipPools"][0]["encapsulation"] == "VXLAN"
    assert installation["spec"]["kubeletVolumePluginPath"] == "None"


def assert_the_client_is_outside(found: cluster.Cluster) -> None:
    """The agent runs in the client's container and says that it is refused where nothing listens."""
    gateway = plan.GATEWAY
    assert found.runner is not None
    with probing.running(found.runner) as session:
        dial = probing.Dial(address=gateway, port=1, protocol=words.Protocol.TCP, tokens=("a",), timeout_s=2.0)
        [reply] = session.dial(dial).values()
    assert reply.silence is words.Silence.REFUSED


def test_the_whole_story_on_a_kind_cluster(world: worlds.World, tmp_path: Path) -> None:
    """One command makes the cluster, walks iptables, eBPF and back with real traffic, reports, and deletes it."""
    words_ = ["--samples", "2", "--calico-manifests", str(world.manifests), "--report-dir", str(tmp_path / "report")]
    argv = [sys.executable, "-P", "-m", "harness.cli", "verify", *worlds.WORDS, *words_]
    done = process.run(argv, check=False, timeout_s=240, env={**os.environ, "PYTHONPATH": str(worlds.ROOT)})
    said = done.text + done.stderr.decode()
    assert done.returncode == 0, said
    assert "Calico v3.32.4 on kind v0.32.0" in said
    assert "18 of 18 cells" in said
    assert (tmp_path / "report" / "run.json").is_file()
    world.assert_empty()
