"""A machine for one test: stand-ins on PATH, Calico manifests that a lab takes, and proof that nothing is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.clusters.kind import options
from harness.lab import lifecycle, state
from tests.kind import standing

ROOT = Path(__file__).resolve().parents[2]
# A release of which no checksum is known, so that the hand-made manifests may stand for its own.
VERSION = "v3.32.4"
WORDS = ("--cluster", "kind", "--calico-version", VERSION, "--allow-unpinned")

OPERATOR = """\
apiVersion: v1
kind: Namespace
metadata:
  name: tigera-operator
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: tigera-operator
  namespace: tigera-operator
spec:
  selector: {matchLabels: {k8s-app: tigera-operator}}
  template:
    metadata: {labels: {k8s-app: tigera-operator}}
    spec:
      hostNetwork: true
      tolerations: [{operator: Exists}]
      containers:
        - {name: tigera-operator, image: "sourceip/tools:1", command: [sleep, infinity]}
"""
DEFINITIONS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: definitions, namespace: default}
data: {kind: "stands for the definitions, which a lab is born with"}
"""


@dataclass(frozen=True, kw_only=True)
class World:
    """One test's machine.

    Attributes:
        folder: The stand-ins' state.
        manifests: Calico's manifests.
        state: The stand-ins' world.
    """

    folder: Path
    manifests: Path

    @property
    def state(self) -> standing.State:
        """The world as it is now."""
        return standing.State(self.folder)

    def break_(self, *steps: str) -> None:
        """Let these steps fail from now on."""
        (self.folder / "broken").write_text(" ".join(steps))

    def options(self, **others: object) -> options.KindOptions:
        """What a user would say on this machine."""
        chosen = {"calico_version": VERSION, "calico_manifests": self.manifests, "allow_unpinned": True, **others}
        return options.KindOptions(**chosen)  # type: ignore[arg-type]

    def assert_empty(self) -> None:
        """Nothing that a run made is left."""
        assert self.state.world["clusters"] == {}
        assert self.state.world["containers"] == {}
        assert [lab.name for lab in state.labs(state.root_from_environment())] == []
        # The kubernetes package keeps a user's certificate in a file of its own until the program ends.
        left = [path.name for path in self.folder.parent.joinpath("tmp").iterdir()]
        assert [name for name in left if name.startswith("sourceip")] == []
        assert not Path(".pytest-kind").exists()


@contextlib.contextmanager
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A machine whose stand-ins are first on PATH and whose temporary files and labs are the test's own."""
    folder, programs, manifests, temporary, here = (
        tmp_path / name for name in ("world", "bin", "manifests", "tmp", "here")
    )
    for path in (folder, programs, manifests, temporary, here):
        path.mkdir()
    for name in ("kind", "docker"):
        _program(programs / name, f"tests.kind.{name}")
    (manifests / "tigera-operator.yaml").write_text(OPERATOR)
    (manifests / "v1_crd_projectcalico_org.yaml").write_text(DEFINITIONS)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SOURCEIP_STANDINS", str(folder))
    # pytest's own folders have long names, and a lab has Unix sockets in its.
    labs = Path(tempfile.mkdtemp(prefix="labs-"))
    monkeypatch.setenv("SOURCEIP_STATE_DIR", str(labs))
    monkeypatch.setenv("SOURCEIP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.delenv("KIND_EXPERIMENTAL_PROVIDER", raising=False)
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", None)
    try:
        yield World(folder=folder, manifests=manifests)
    finally:
        for lab in state.labs(labs):
            lifecycle.stop(lab.name, root=labs)
        shutil.rmtree(labs)


def _program(path: Path, module: str) -> None:
    path.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m {module} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
