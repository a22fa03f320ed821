"""Whatever ends a lab, the machine is as it was before."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.core import waiting
from harness.lab.topology import kernel
from tests.lab import bpf_objects, machines

SMALL = ("--workers", "0", "--without-yaobank")
MOMENTS = (
    "network namespaces",
    "API server, controllers",
    "waiting for the API server",
    "waiting for nodes",
    "waiting for kube-proxy",
    "waiting for yaobank",
)

_SWITCH = """
import pathlib, sys
from harness.dataplane import calico
from harness.kube import client
from harness.model import words
calico.switch(client.connect(pathlib.Path(sys.argv[1])), words.Dataplane.BPF)
"""

_HOLD = """
import signal, sys
from harness.lab import lifecycle
with lifecycle.running(name=sys.argv[1], workers=0, yaobank=False, say=lambda text: print(text, flush=True)):
    print("ready", flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[machines.Machine]:
    """A machine that nobody else is on."""
    with machines.running(tmp_path_factory.mktemp("machine")) as made:
        yield made


def up(machine: machines.Machine, name: str, *words: str) -> None:
    """Start a small lab, or show why not."""
    code, said = machine.sourceip("lab", "up", "--name", machine.lab_name(name), *SMALL, *words)
    assert code == 0, said


def down(machine: machines.Machine, name: str) -> None:
    """End a lab, or show why not."""
    code, said = machine.sourceip("lab", "down", "--name", machine.lab_name(name))
    assert code == 0, said


def test_a_snapshot_sees_a_lab(machine: machines.Machine) -> None:
    """The comparison that the others stand on sees a lab in every respect that it has one."""
    before = machine.snapshot()
    up(machine, "seen")
    seen = {line.split(":")[0] for line in machines.differences(before, machine.snapshot())}
    down(machine, "seen")
    assert seen == {"processes", "namespaces", "listeners", "cgroups", "files"}


def test_down_leaves_nothing(machine: machines.Machine) -> None:
    """A whole lab with yaobank, ended in order, leaves no trace."""
    before = machine.snapshot()
    code, said = machine.sourceip("lab", "up", "--name", machine.lab_name("whole"))
    assert code == 0, said
    down(machine, "whole")
    machine.assert_as_before(before)


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_up_leaves_nothing(machine: machines.Machine, moment: str) -> None:
    """Ctrl-C while a lab comes up ends with 130, one line and no trace, at whatever moment it comes."""
    before = machine.snapshot()
    name = machine.lab_name("interrupted")
    with machine.start(*machines.sourceip("lab", "up", "--name", name)) as child:
        lines = machines.lines_of(child)
        assert any(moment in line for line in lines)
        machines.interrupt(child)
        rest = list(lines)
    assert child.returncode == 128 + signal.SIGINT, rest
    assert "Traceback" not in "".join(rest)
    machine.assert_as_before(before)


def test_interrupted_at_once_leaves_nothing(machine: machines.Machine) -> None:
    """Ctrl-C before the program has said anything leaves no trace either."""
    before = machine.snapshot()
    with machine.start(*machines.sourceip("lab", "up", "--name", machine.lab_name("early"))) as child:
        machines.interrupt(child)
    assert child.returncode != 0
    machine.assert_as_before(before)


def test_killed_starter_leaves_nothing(machine: machines.Machine) -> None:
    """When the program that starts a lab is killed half way, the owner notices and cleans up by itself."""
    before = machine.snapshot()
    with machine.start(*machines.sourceip("lab", "up", "--name", machine.lab_name("orphan"))) as child:
        assert any("waiting for" in line for line in machines.lines_of(child))
        machines.interrupt(child, signal.SIGKILL)
    machine.assert_as_before(before)


@pytest.mark.parametrize("moment", ["network namespaces", "waiting for nodes", "ready"])
def test_interrupted_holder_leaves_nothing(machine: machines.Machine, moment: str) -> None:
    """Ctrl-C in a program that holds a lab, once or twice, ends the lab in order, at whatever moment it comes."""
    before = machine.snapshot()
    with machine.start(sys.executable, "-P", "-c", _HOLD, machine.lab_name("held")) as child:
        lines = machines.lines_of(child)
        assert any(moment in line for line in lines)
        machines.interrupt(child)
        machines.interrupt(child)
        rest = list(lines)
    assert "KeyboardInterrupt" in rest[-1]
    machine.assert_as_before(before)


def test_killed_holder_leaves_nothing(machine: machines.Machine) -> None:
    """A lab that a program holds ends with that program, even if it is killed."""
    before = machine.snapshot()
    with machine.start(sys.executable, "-P", "-c", _HOLD, machine.lab_name("held")) as child:
        assert any(line == "ready" for line in machines.lines_of(child))
        machines.interrupt(child, signal.SIGKILL)
    machine.assert_as_before(before)


def test_down_removes_what_a_killed_owner_left(machine: machines.Machine) -> None:
    """After kill -9 of the owner its processes are gone at once, and down removes the rest."""
    before = machine.snapshot()
    up(machine, "killed")
    machine.kill_owner("killed")
    down(machine, "killed")
    machine.assert_as_before(before)


def test_up_removes_what_a_killed_owner_left(machine: machines.Machine) -> None:
    """After kill -9 of the owner the next up takes the same name, and its down leaves no trace."""
    before = machine.snapshot()
    up(machine, "again")
    machine.kill_owner("again")
    up(machine, "again")
    down(machine, "again")
    machine.assert_as_before(before)


def test_a_lost_state_directory_leaves_nothing(machine: machines.Machine) -> None:
    """A killed lab whose state went with its file system is known by its cgroup, and the next lab removes that."""

    def own_disk() -> None:
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("tmpfs", machines.OWN_DISK, "tmpfs", 0, "size=16m")

    before = machine.snapshot()
    name = ("--name", machine.lab_name("lost"), "--state-dir", f"{machines.OWN_DISK}/s")
    shell = f"{shlex.join(machines.sourceip('lab', 'up', *name, *SMALL))} && cat {machines.OWN_DISK}/s/*/lab.json"
    code, said = machine.run("sh", "-c", shell, before_exec=own_disk)
    assert code == 0, said
    machine.kill(json.loads(said[said.index("\n{") :])["owner"]["pid"])
    up(machine, "next")
    down(machine, "next")
    machine.assert_as_before(before)


def test_two_labs_live_side_by_side(machine: machines.Machine) -> None:
    """Two labs answer for themselves, the end of one leaves the other alone, and both leave no trace."""
    before = machine.snapshot()
    up(machine, "one")
    up(machine, "two")
    down(machine, "one")
    code, said = machine.sourceip("lab", "status", "--name", machine.lab_name("two"))
    assert code == 0
    assert "node kind-control-plane 172.18.0.2 Ready" in said
    code, said = machine.sourceip("lab", "down", "--all")
    assert code == 0
    machine.assert_as_before(before)


def test_a_state_directory_that_was_there_stays(machine: machines.Machine) -> None:
    """A directory that the user made is left as it was; one that the lab made is removed."""
    given = machine.temporary / "given"
    given.mkdir()
    (given / "mine").mkdir()
    (given / "mine" / "lab.txt").write_text("nobody else's")
    before = machine.snapshot()
    for folder in (given, machine.temporary / "made"):
        words = ("--name", machine.lab_name("elsewhere"), "--state-dir", str(folder))
        code, said = machine.sourceip("lab", "up", *words, *SMALL)
        assert code == 0, said
        assert json.loads(Path(folder, machine.lab_name("elsewhere"), "lab.json").read_text())["phase"] == "ready"
        assert machine.sourceip("lab", "down", *words)[0] == 0
    machine.assert_as_before(before)


def _bpf_objects(machine: machines.Machine, name: str) -> frozenset[str]:
    place = ("lab", "node", "--name", machine.lab_name(name), "kind-control-plane", "--")
    folder = "/run/lab/bpf/kind-control-plane"
    code, said = machine.sourceip(*place, sys.executable, "-P", "-m", "tests.lab.bpf_objects", folder)
    assert code == 0, said
    return frozenset(said.splitlines())


@pytest.mark.parametrize("end", [down, machines.Machine.kill_owner], ids=["down", "kill"])
def test_no_bpf_object_outlives_its_lab(
    machine: machines.Machine, end: Callable[[machines.Machine, str], None]
) -> None:
    """Programs, maps and links of a lab in eBPF mode go with it, even if its owner is killed; down does the rest."""
    before = machine.snapshot()
    up(machine, "bpf")
    switched = machine.run(sys.executable, "-P", "-c", _SWITCH, f"/run/sourceip/{machine.lab_name('bpf')}/kubeconfig")
    assert switched == (0, "")
    had = waiting.wait_until(
        lambda: _bpf_objects(machine, "bpf"),
        lambda found: {each.split()[0] for each in found} == {"prog", "map", "link"},
        what="programs, maps and links on the node",
        timeout_s=30.0,
    )
    end(machine, "bpf")
    waiting.wait_until(
        lambda: [each for each in had if bpf_objects.exists(each)],
        lambda left: not left,
        what="the end of every BPF object of the lab",
        timeout_s=machines.SETTLE_S,
    )
    if end is not down:
        down(machine, "bpf")
    machine.assert_as_before(before)
