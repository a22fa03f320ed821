"""The state directory: which labs there are, who owns each, and what a dead one left behind.

A lab is alive as long as its owner is: the process with the recorded PID *and* start time, so that a PID that was
given out anew is never mistaken for it. Claims and removals hold a lock on the directory of all labs, which is the
directory itself, so that no lock file stays behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.core import errors
from harness.lab.topology import cgroups

DEFAULT_NAME = "default"
DEFAULT_ROOT = Path("/run/sourceip")
ROOT_VARIABLE = "SOURCEIP_STATE_DIR"
# This file says that the lab made the directory of all labs, so that it may remove it too.
_MADE = ".made-by-sourceip"
NEEDED_BYTES = 4 * 1024 * 1024
"""Room that a lab must find for its state: about 1 MiB, and logs of a while."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process as the machine sees it.

    Attributes:
        pid: Its PID outside every lab.
        started: Its start time in clock ticks since boot, field 22 of ``/proc/PID/stat``.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process of that PID, or None if it has ended (a zombie has)."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The command's name may contain anything, so the fields are counted from its closing bracket.
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid=pid, started=int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return Process.of(self.pid) == self

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended; False if it has not in that many seconds."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            # Compared after the opening, so that the descriptor can't belong to a later process of that PID.
            return not self.alive or bool(select.select([descriptor], [], [], timeout_s)[0])
        finally:
            os.close(descriptor)

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


@dataclass(frozen=True, kw_only=True)
class LabState:
    """What ``lab.json`` says.

    Attributes:
        name: The lab's name.
        directory: Its state directory.
        owner: Its owner; the program that starts the lab until there is one.
        nodes: Its nodes' names, the control plane first.
        addresses: Their InternalIPs, in the same order.
        client: The external client's address.
        api_port: The API server's port on 127.0.0.1; 0 until it is known.
        phase: ``starting``, ``ready`` or ``broken``.
    """

    name: str
    directory: Path
    owner: Process
    nodes: tuple[str, ...]
    addresses: tuple[str, ...]
    client: str
    api_port: int = 0
    phase: str = "starting"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig for people."""
        return self.directory / "kubeconfig"

    @property
    def alive(self) -> bool:
        """Whether its owner still runs."""
        return self.owner.alive


def root_from_environment() -> Path:
    """The directory of all labs, unless an option says otherwise."""
    return Path(os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT).absolute()


def checked_name(name: str) -> str:
    """The name itself.

    Raises:
        UsageError: It is no name for a lab.
    """
    if not _NAME.fullmatch(name):
        raise errors.UsageError(f"invalid name {name!r}: 1 to 32 of a-z, 0-9 and '-', not at either end")
    return name


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the directory of all labs, made if it is not there, and removed at the end if it was made and is empty."""
    while True:
        descriptor = _made(root)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Someone else may have removed it between the opening and the lock.
        if root.exists() and root.stat().st_ino == os.fstat(descriptor).st_ino:
            break
        os.close(descriptor)
    try:
        yield
    finally:
        _remove_root(root)
        os.close(descriptor)


def _made(root: Path) -> int:
    # Its parents are not made: what was not there before would have to be removed again too.
    try:
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=0o755)
            (root / _MADE).touch()
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise errors.UsageError(f"state directory {root}: {error.strerror}") from error


def _remove_root(root: Path) -> None:
    if [entry.name for entry in root.iterdir()] == [_MADE]:
        (root / _MADE).unlink()
        root.rmdir()


def labs(root: Path) -> list[LabState]:
    """All labs, alive or dead, that have a readable state; ordered by name."""
    found = []
    for folder in _folders(root):
        with contextlib.suppress(errors.ParseError):
            found.append(read(folder))
    return found


def _folders(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir()) if root.is_dir() else []


def read(directory: Path) -> LabState:
    """The state of one lab.

    Raises:
        ParseError: There is none, or it is not one that this version wrote.
    """
    file = directory / "lab.json"
    try:
        fields: dict[str, Any] = json.loads(file.read_text())
        owner = Process(**fields.pop("owner"))
        nodes, addresses = tuple(fields.pop("nodes")), tuple(fields.pop("addresses"))
        return LabState(directory=directory, owner=owner, nodes=nodes, addresses=addresses, **fields)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise errors.ParseError(f"{file}: {error}") from error


def find(name: str, root: Path) -> LabState:
    """The living lab of that name.

    Raises:
        UsageError: There is none.
    """
    try:
        state = read(root / checked_name(name))
    except errors.ParseError:
        raise errors.UsageError(f"no lab named {name!r} in {root}; start one with: sourceip lab up") from None
    if not state.alive:
        raise errors.UsageError(f"lab {name!r} is dead; remove what is left of it with: sourceip lab down")
    return state


def write(state: LabState) -> None:
    """Write ``lab.json`` as a whole or not at all; OSError when the disk is full."""
    fields = asdict(state)
    del fields["directory"]
    write_whole(state.directory / "lab.json", json.dumps(fields, indent=1) + "\n")


def write_whole(file: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old content or the new, never half of it."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "w") as stream:
            stream.write(text)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def claim(state: LabState) -> None:
    """Take a lab's name, after removing what a dead lab of any name left behind.

    Raises:
        UsageError: The name is taken, or the state directory can't be written.
    """
    root = state.directory.parent
    with locked(root):
        sweep_locked(root)
        if state.directory.exists():
            raise errors.UsageError(
                f"name {state.name!r} is taken: end that lab with: sourceip lab down --name {state.name}"
            )
        _claim_cgroup(state.name)
        _require_space(root)
        try:
            state.directory.mkdir(mode=0o755)
            write(state)
        except OSError as error:
            shutil.rmtree(state.directory, ignore_errors=True)
            raise errors.UsageError(f"state directory {state.directory}: {error.strerror}") from error


def _require_space(root: Path) -> None:
    disk = os.statvfs(root)
    free = disk.f_bavail * disk.f_frsize
    if free < NEEDED_BYTES:
        why = f"{free // 1024} KiB are free, a lab needs {NEEDED_BYTES // 1024}"
        raise errors.UsageError(f"state directory {root}: {os.strerror(errno.ENOSPC)}: {why}")


def _claim_cgroup(name: str) -> None:
    # A lab of that name may live in another state directory; its cgroup is the machine's, so it would be shared.
    with cgroups.hierarchy() as top:
        if cgroups.populated(top / cgroups.name_of(name)):
            raise errors.UsageError(f"name {name!r} is taken by a lab with another state directory")
        cgroups.remove(top / cgroups.name_of(name))


def sweep(root: Path) -> list[str]:
    """Remove what dead labs left behind; the names of those labs."""
    if not root.is_dir():
        return []
    with locked(root):
        return sweep_locked(root)


def sweep_locked(root: Path) -> list[str]:
    """As ``sweep``, for one who holds the lock."""
    gone = []
    for folder in _folders(root):
        if not _alive(folder):
            _remove(folder)
            gone.append(folder.name)
    return gone


def _alive(folder: Path) -> bool:
    # A directory without a readable state is one whose maker was killed: claims are written under the lock.
    try:
        return read(folder).alive
    except errors.ParseError:
        return False


def _remove(folder: Path) -> None:
    with cgroups.hierarchy() as top:
        cgroups.remove(top / cgroups.name_of(folder.name))
    shutil.rmtree(folder)


def remove(directory: Path) -> None:
    """Remove a lab's cgroup and its state directory, once its processes have ended."""
    if directory.parent.is_dir():
        with locked(directory.parent):
            if directory.exists():
                _remove(directory)


def with_owner(state: LabState, owner: Process) -> LabState:
    """The same lab with that owner."""
    return replace(state, owner=owner)
