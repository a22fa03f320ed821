"""A lab as somebody else's cluster: callers who may do what the manifests grant, and runs by the command line."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from harness.clusters import lab as lab_provider
from harness.clusters.existing import changes
from harness.core import process
from harness.kube import client
from harness.lab import state
from harness.lab.owner import credentials

ROOT = Path(__file__).resolve().parents[2]
_RUN_S = 240.0
Act = Callable[[process.Child], None]


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """Somebody's cluster.

    Attributes:
        lab: What it really is.
        api: Its admin's access, which no run has.
    """

    lab: state.LabState
    api: client.Client

    @property
    def context(self) -> str:
        """The one context of its kubeconfigs."""
        return f"sourceip-{self.lab.name}"

    @property
    def client_cmd(self) -> str:
        """What enters the client's network namespace."""
        return shlex.join(lab_provider.client_runner(self.lab).prefix)

    def options(self, user: str, *more: str) -> list[str]:
        """The options of a run by that caller."""
        kubeconfig = self.lab.directory / "agents" / f"{user}.kubeconfig"
        named = ["--kubeconfig", str(kubeconfig), "--context", self.context, "--tools-image", "sourceip/tools:1"]
        return ["--cluster", "existing", *named, "--samples", "2", *more]

    def words(self, user: str = credentials.READER, *more: str) -> list[str]:
        """The command line of that run."""
        return ["verify", *self.options(user, *more)]

    @property
    def namespaces(self) -> set[str]:
        """All that there are."""
        return {item["metadata"]["name"] for item in self.api.items("/api/v1/namespaces")}

    @property
    def theirs(self) -> tuple[changes.Found, dict[str, str]]:
        """What is not a run's: the settings that a switch changes, and every object that could be changed by one."""
        found = changes.found(self.api)
        kept = {}
        for path in (
            "/apis/operator.tigera.io/v1/installations",
            "/apis/apps/v1/daemonsets",
            "/apis/apps/v1/deployments",
        ):
            for item in self.api.items(path):
                meta = item["metadata"]
                name = f"{path.rpartition('/')[2]} {meta.get('namespace', '')}/{meta['name']}"
                kept[name] = f"{meta['uid']} generation {meta.get('generation')}"
        return found, kept


def started(words: list[str], module: str = "harness.cli") -> process.Child:
    """A run under way, with both of its outputs in one pipe."""
    return process.start(
        [sys.executable, "-P", "-u", "-m", module, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # What this machine must be able to do is no matter of a run on a cluster of somebody else's.
        env={**os.environ, "SOURCEIP_REQUIRE": "", "PYTHONPATH": str(ROOT)},
    )


def run(words: list[str], when: str = "", act: Act | None = None, *, module: str = "harness.cli") -> tuple[int, str]:
    """A run to its end: exit code and all that it said; ``act`` is done when a line has ``when`` in it."""
    child = started(words, module)
    watchdog = threading.Timer(_RUN_S, child.kill)
    watchdog.start()
    said = []
    with contextlib.closing(_stream(child)) as lines:
        for line in lines:
            said.append(line.decode())
            if when and when in said[-1] and act is not None:
                act(child)
                act = None
    code = child.wait(_RUN_S)
    watchdog.cancel()
    return code, "".join(said)


def _stream(child: process.Child) -> Generator[bytes, None, None]:
    assert child.stdout is not None
    with child.stdout:
        yield from child.stdout


def interrupt(child: process.Child) -> None:
    """Ctrl-C."""
    child.send_signal(signal.SIGINT)
