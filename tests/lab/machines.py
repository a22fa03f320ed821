"""A machine of a test's own: processes, mounts, network, ``/run`` and a folder for temporary files.

What a lab leaves behind on a machine can only be told where nothing else comes and goes. So these tests make a
machine that nobody else is on: namespaces, held by a process that does nothing but collect orphans.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import process, waiting
from harness.lab.topology import kernel

# A folder of every machine with a short name, since a lab's sockets have paths below it; a test mounts a disk of its
# own there, in a mount namespace of its own.
OWN_DISK = "/mnt"
PROJECT = Path(__file__).resolve().parents[2]
SETTLE_S = 10.0
"""The kernel removes an abandoned network namespace in the background."""
_HOLD = "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(flush=True); signal.pause()"
_KILL = """
import os, select, signal, sys
owner = os.pidfd_open(int(sys.argv[1]))
signal.pidfd_send_signal(owner, signal.SIGKILL)
assert select.select([owner], [], [], 30)[0]
"""

Snapshot = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine that commands can be run on.

    Attributes:
        holder: The process that holds it.
        prefix: What every lab's name on it begins with, since cgroups are the real machine's.
        temporary: Its folder for temporary files.
    """

    holder: process.Child
    prefix: str
    temporary: Path

    def start(
        self, *words: str, before_exec: Callable[[], None] | None = None, env: Mapping[str, str] | None = None
    ) -> process.Child:
        """Start a program with both outputs in one pipe, as the leader of a session of its own."""
        with _children_in(f"/proc/{self.holder.pid}/ns/pid"):
            return process.start(
                words,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._env(env),
                cwd=PROJECT,
                new_session=True,
                before_exec=_joining(self.holder.pid, before_exec),
            )

    def run(
        self, *words: str, before_exec: Callable[[], None] | None = None, env: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a program to its end; its exit code and what it said."""
        child = self.start(*words, before_exec=before_exec, env=env)
        said = child.communicate(timeout=process.DEFAULT_TIMEOUT_S)[0]
        return child.returncode, said.decode()

    def sourceip(
        self, *words: str, before_exec: Callable[[], None] | None = None, env: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run ``sourceip`` to its end; its exit code and what it said."""
        return self.run(*sourceip(*words), before_exec=before_exec, env=env)

    def lab_name(self, name: str) -> str:
        """A name for a lab that no other machine has."""
        return f"{self.prefix}-{name}"

    def state(self, name: str) -> dict[str, Any]:
        """What ``lab.json`` of a lab in the default state directory says."""
        code, said = self.run("cat", f"/run/sourceip/{self.lab_name(name)}/lab.json")
        assert code == 0, said
        found: dict[str, Any] = json.loads(said)
        return found

    def kill_owner(self, name: str) -> None:
        """What no program can defend itself against, to a lab's owner; returns when the kernel is done with it."""
        self.kill(self.state(name)["owner"]["pid"])

    def kill(self, pid: int) -> None:
        """SIGKILL for a process of the machine, and its end."""
        assert self.run(sys.executable, "-c", _KILL, str(pid)) == (0, "")

    def snapshot(self) -> Snapshot:
        """Everything that a lab could leave behind."""
        words = (sys.executable, "-P", "-m", "tests.lab.snapshots", self.prefix, "/run", str(self.temporary))
        code, said = self.run(*words)
        assert code == 0, said
        found: Snapshot = json.loads(said)
        return found

    def assert_as_before(self, before: Snapshot) -> None:
        """Nothing has come and nothing has gone since that snapshot; what is under way may take a moment."""
        waiting.wait_until(
            lambda: differences(before, self.snapshot()),
            lambda found: not found,
            what="a machine without traces",
            timeout_s=SETTLE_S,
            delay_s=0.1,
        )

    def _env(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name != "SOURCEIP_STATE_DIR"}
        own = {"PYTHONPATH": str(PROJECT), "TMPDIR": str(self.temporary), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**inherited, **own, **(extra or {})}


def sourceip(*words: str) -> tuple[str, ...]:
    """How ``sourceip`` is run from the project's folder."""
    return (sys.executable, "-P", "-m", "harness.cli", *words)


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """What came (+) and what went (-)."""
    lines = []
    for kind, old in before.items():
        new = after[kind]
        lines += [f"{kind}: + {item}" for item in new if item not in old]
        lines += [f"{kind}: - {item}" for item in old if item not in new]
    return lines


@contextmanager
def running(temporary: Path) -> Iterator[Machine]:
    """A machine, and its end."""
    holder = _held()
    try:
        yield Machine(holder=holder, prefix=f"t{os.getpid()}", temporary=temporary)
    finally:
        holder.kill()
        holder.communicate()


def _held() -> process.Child:
    kernel.libc()
    with _children_in(None):
        holder = process.start(
            [sys.executable, "-I", "-S", "-c", _HOLD], stdout=subprocess.PIPE, new_session=True, before_exec=_settle
        )
    assert holder.stdout is not None
    holder.stdout.readline()
    with _network_of(holder.pid):
        process.run(["ip", "link", "set", "lo", "up"])
    return holder


def _settle() -> None:
    kernel.end_with_parent(signal.SIGKILL)
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", "/proc", "proc", 0)
    kernel.mount("tmpfs", "/run", "tmpfs", 0, "mode=0755")


@contextmanager
def _children_in(file: str | None) -> Iterator[None]:
    """Let children of this process be in another PID namespace: a new one, or the one behind that file."""
    here = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if file is None:
            kernel.unshare(kernel.CLONE_NEWPID)
        else:
            with _opened(file) as there:
                kernel.setns(there, kernel.CLONE_NEWPID)
        try:
            yield
        finally:
            kernel.setns(here, kernel.CLONE_NEWPID)
    finally:
        os.close(here)


@contextmanager
def _network_of(pid: int) -> Iterator[None]:
    with _opened("/proc/thread-self/ns/net") as here, _opened(f"/proc/{pid}/ns/net") as there:
        kernel.setns(there, kernel.CLONE_NEWNET)
        try:
            yield
        finally:
            kernel.setns(here, kernel.CLONE_NEWNET)


@contextmanager
def _opened(file: str) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _joining(pid: int, more: Callable[[], None] | None) -> Callable[[], None]:
    # The child sees another /proc than this process, so the namespaces are opened by a number valid here.
    files = [(f"/proc/{pid}/ns/{kind}", flag) for kind, flag in _JOINED]

    def enter() -> None:
        descriptors = [(os.open(file, os.O_RDONLY | os.O_CLOEXEC), flag) for file, flag in files]
        for descriptor, flag in descriptors:
            kernel.setns(descriptor, flag)
        os.chdir(PROJECT)
        if more is not None:
            more()

    return enter


_JOINED = (("net", kernel.CLONE_NEWNET), ("uts", kernel.CLONE_NEWUTS), ("mnt", kernel.CLONE_NEWNS))


def lines_of(child: process.Child) -> Iterator[str]:
    """The lines that a program writes, as they come."""
    assert child.stdout is not None
    for line in child.stdout:
        yield line.decode().rstrip("\n")


def interrupt(child: process.Child, number: int = signal.SIGINT) -> None:
    """What Ctrl-C does: the signal for the whole group in the foreground."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)
