"""The state directory: who owns a lab, and what is written how. The lock and cgroups need root: see tests/lab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core import errors, process
from harness.lab import state


def myself() -> state.Process:
    """This process."""
    found = state.Process.of(os.getpid())
    assert found is not None
    return found


def lab(directory: Path, owner: state.Process | None = None) -> state.LabState:
    """A lab in that directory, owned by this process."""
    return state.LabState(
        name="x",
        directory=directory,
        owner=owner or myself(),
        nodes=("kind-control-plane",),
        addresses=("172.18.0.2",),
        client="172.18.0.3",
        api_port=4711,
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Every field survives, and no draft is left."""
    state.write(lab(tmp_path))
    assert state.read(tmp_path) == lab(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["lab.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"owner": 1}', "\xff"])
def test_an_unreadable_state_is_a_parse_error(tmp_path: Path, text: str) -> None:
    """A state that this version did not write is no lab, and no traceback."""
    (tmp_path / "lab.json").write_text(text, encoding="latin-1")
    with pytest.raises(errors.ParseError, match=r"lab\.json"):
        state.read(tmp_path)


def test_a_process_is_its_pid_and_its_start() -> None:
    """A PID that was given out anew is another process."""
    assert myself().alive
    assert not state.Process(pid=os.getpid(), started=myself().started + 1).alive


def test_the_end_of_a_process_is_noticed() -> None:
    """A signal ends it, the wait sees it, and a zombie counts as ended."""
    child = process.start([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with child:
        found = state.Process.of(child.pid)
        assert found is not None
        assert not found.wait(0)
        found.signal(signal.SIGTERM)
        assert found.wait(10)
        assert not found.alive
    assert found.wait(0)
    found.signal(signal.SIGTERM)


def test_a_command_s_name_can_not_confuse(tmp_path: Path) -> None:
    """A program whose name has brackets and blanks in it is read right."""
    odd = tmp_path / "a) Z (b"
    odd.symlink_to(sys.executable)
    with process.start([str(odd), "-S", "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert state.Process.of(child.pid) is not None
        child.terminate()


@pytest.mark.parametrize("name", ["a", "default", "run-1234", "x" * 32, "0"])
def test_good_names(name: str) -> None:
    """Names that can be part of a path, a cgroup's name and a shell's word."""
    assert state.checked_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "a/b", "..", "x" * 33, "a b", "ä", "a\n"])
def test_bad_names(name: str) -> None:
    """All others are refused, with the rule."""
    with pytest.raises(errors.UsageError, match="1 to 32"):
        state.checked_name(name)


def test_finding_a_lab(tmp_path: Path) -> None:
    """A living lab is found; a dead one and an absent one are refused with what to do."""
    (tmp_path / "x").mkdir()
    state.write(lab(tmp_path / "x"))
    assert state.find("x", tmp_path).api_port == 4711
    with pytest.raises(errors.UsageError, match="no lab named 'y'"):
        state.find("y", tmp_path)
    state.write(lab(tmp_path / "x", state.Process(pid=os.getpid(), started=1)))
    with pytest.raises(errors.UsageError, match=r"dead.*sourceip lab down"):
        state.find("x", tmp_path)
    assert [each.alive for each in state.labs(tmp_path)] == [False]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader never sees half a file, and the draft goes."""
    file = tmp_path / "lab.json"
    state.write_whole(file, "old")

    def full(_from: Path, _to: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        state.write_whole(file, "new")
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["lab.json"]


def test_the_root_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable replaces the default; an empty one does not."""
    monkeypatch.setenv(state.ROOT_VARIABLE, "/elsewhere")
    assert state.root_from_environment() == Path("/elsewhere")
    monkeypatch.setenv(state.ROOT_VARIABLE, "")
    assert state.root_from_environment() == state.DEFAULT_ROOT
