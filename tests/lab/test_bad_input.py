"""Bad input gets one clear line on standard error and exit code 2, never a traceback, and leaves nothing."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.lab.topology import kernel
from tests.lab import machines

_PR_CAPBSET_DROP = 24
_CAP_SYS_ADMIN = 21


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[machines.Machine]:
    """A machine that nobody else is on."""
    with machines.running(tmp_path_factory.mktemp("machine")) as made:
        yield made


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something that can't be.

    Attributes:
        name: What is wrong.
        words: The arguments of ``sourceip``.
        says: What the line must name.
    """

    name: str
    words: tuple[str, ...]
    says: tuple[str, ...]


CASES = (
    Case(name="upper case", words=("lab", "up", "--name", "Upper"), says=("invalid name", "'Upper'")),
    Case(name="a path", words=("lab", "up", "--name", "../x"), says=("invalid name", "'../x'")),
    Case(name="too long", words=("lab", "up", "--name", "x" * 33), says=("invalid name",)),
    Case(name="no number", words=("lab", "up", "--workers", "many"), says=("--workers", "'many'")),
    Case(name="too many", words=("lab", "up", "--workers", "1000"), says=("workers", "1000", "0 to 16")),
    Case(name="negative", words=("lab", "up", "--workers=-1"), says=("workers", "-1")),
    Case(name="unknown option", words=("lab", "up", "--colour", "red"), says=("--colour",)),
    Case(name="unknown command", words=("lab", "sideways"), says=("lab sideways", "--help")),
    Case(name="no such lab to end", words=("lab", "down", "--name", "nosuch"), says=("no lab named 'nosuch'",)),
    Case(name="no such lab to show", words=("lab", "status", "--name", "nosuch"), says=("no lab named 'nosuch'",)),
    Case(name="no such lab to enter", words=("lab", "client", "--name", "nosuch", "--", "true"), says=("'nosuch'",)),
    Case(name="no such kubeconfig", words=("lab", "kubeconfig", "--name", "nosuch"), says=("'nosuch'",)),
    Case(name="no command", words=("lab", "client"), says=("no command",)),
    Case(name="a folder of no folder", words=("lab", "up", "--state-dir", "/nosuch/x"), says=("/nosuch/x", "No such")),
    Case(
        name="a folder with too long a path",
        words=("lab", "up", "--state-dir", "/tmp/" + "x" * 80),
        says=("too long for a Unix socket",),
    ),
    Case(name="a folder that is a file", words=("lab", "up", "--state-dir", "/etc/passwd"), says=("/etc/passwd",)),
)


def refused(
    machine: machines.Machine,
    *words: str,
    before_exec: Callable[[], None] | None = None,
    env: dict[str, str] | None = None,
) -> str:
    """Run ``sourceip``, which must refuse in one line and leave nothing; the line."""
    before = machine.snapshot()
    code, said = machine.sourceip(*words, before_exec=before_exec, env=env)
    machine.assert_as_before(before)
    assert code == 2, said
    # argparse says how the command is used before it says what is wrong.
    lines = [line for line in said.splitlines() if not line.startswith(("usage:", " ", "["))]
    assert len(lines) == 1, said
    assert lines[0].startswith("sourceip"), said
    return lines[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_input_is_refused(machine: machines.Machine, case: Case) -> None:
    """Every wrong word is named in the one line."""
    line = refused(machine, *case.words)
    assert all(text in line for text in case.says), line


def test_a_taken_name_is_refused(machine: machines.Machine) -> None:
    """A second lab of one name is refused, with the command that frees the name; the first lives on."""
    name = machine.lab_name("taken")
    words = ("lab", "up", "--name", name, "--workers", "0", "--without-yaobank")
    assert machine.sourceip(*words)[0] == 0
    assert f"sourceip lab down --name {name}" in refused(machine, *words)
    elsewhere = refused(machine, *words, "--state-dir", str(machine.temporary / "other"))
    assert "another state directory" in elsewhere
    unknown = refused(machine, "lab", "node", "--name", name, "kind-worker9", "--", "true")
    assert "no node 'kind-worker9'" in unknown
    assert "kind-control-plane" in unknown
    assert machine.sourceip("lab", "status", "--name", name)[0] == 0
    assert machine.sourceip("lab", "down", "--name", name)[0] == 0


# Everything is loaded first: an interpreter in root's home can't be read by anybody else.
_AS_NOBODY = """
import argparse, os, sys
import harness.cli, harness.commands.lab_down, harness.commands.lab_up
os.setgid(65534)
os.setuid(65534)
sys.exit(harness.cli.main(sys.argv[1:]))
"""


def _lose_namespaces() -> None:
    # The bounding set is what root gets when it executes a program.
    if kernel.libc().prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(_CAP_SYS_ADMIN), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_CAPBSET_DROP")


@pytest.mark.parametrize("command", [("up",), ("down",)], ids=" ".join)
def test_not_root_is_refused(machine: machines.Machine, command: tuple[str, ...]) -> None:
    """Who is not root hears so, and what to do."""
    before = machine.snapshot()
    code, line = machine.run(sys.executable, "-P", "-c", _AS_NOBODY, "lab", *command)
    assert code == 2
    assert line.count("\n") == 1
    machine.assert_as_before(before)
    assert "root" in line
    assert "sudo" in line


def test_no_namespaces_is_refused(machine: machines.Machine) -> None:
    """A root that may not make namespaces, as in a container, hears which right it lacks."""
    assert "CAP_SYS_ADMIN" in refused(machine, "lab", "up", before_exec=_lose_namespaces)


def test_no_network_namespaces_is_refused(machine: machines.Machine, tmp_path: Path) -> None:
    """A kernel that refuses network namespaces is named in one line, though the lab was half way there."""
    (tmp_path / "ip").write_text("#!/bin/sh\necho 'unshare: Invalid argument' >&2\nexit 1\n")
    (tmp_path / "ip").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    line = refused(machine, "lab", "up", "--name", machine.lab_name("flat"), env={"PATH": path})
    assert "network namespaces: ip netns add" in line
    assert "Invalid argument" in line


def test_missing_programs_are_named(machine: machines.Machine, tmp_path: Path) -> None:
    """Without iptables the line has the command that installs it."""
    (tmp_path / "ip").write_text("#!/bin/sh\n")
    (tmp_path / "ip").chmod(0o755)

    def hide_programs() -> None:
        _own_mounts()
        for folder in ("/usr/sbin", "/sbin"):
            if not Path(folder).is_symlink():
                kernel.mount("none", folder, "tmpfs", 0)

    line = refused(machine, "lab", "up", before_exec=hide_programs, env={"PATH": str(tmp_path)})
    assert "iptables-restore" in line
    assert "apt-get install -y iptables" in line
    assert "iproute2" not in line


def _own_mounts() -> None:
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)


@pytest.mark.parametrize("size", ["size=4k", "size=1m", *(f"size=8m,nr_inodes={count}" for count in (2, 4, 8, 16))])
def test_a_full_disk_is_refused(machine: machines.Machine, size: str) -> None:
    """A state directory that is full, or fills up half way, is named with the reason, and nothing is left."""

    def small_disk() -> None:
        _own_mounts()
        kernel.mount("tmpfs", machines.OWN_DISK, "tmpfs", 0, size)

    name, state_dir = machine.lab_name("full"), f"{machines.OWN_DISK}/s"
    line = refused(machine, "lab", "up", "--name", name, "--state-dir", state_dir, before_exec=small_disk)
    assert "No space left on device" in line
