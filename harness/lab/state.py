"""The state directory: which labs there are, and who owns each.

A lab is alive as long as its owner is: the process with the recorded PID *and* start time, so that a PID that was
given out anew is never mistaken for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core import errors

DEFAULT_NAME = "default"
DEFAULT_ROOT = Path("/run/sourceip")
ROOT_VARIABLE = "SOURCEIP_STATE_DIR"
# A flag of include/linux/sched.h, shown in /proc/PID/stat since Linux 2.6.
_PF_EXITING = 0x4
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

    @property
    def ending(self) -> bool:
        """Whether it is on its way out: process 1 of a lab stays until every process of the lab has ended."""
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return bool(int(text.rpartition(")")[2].split()[6]) & _PF_EXITING)

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


def labs(root: Path) -> list[LabState]:
    """All labs, alive or dead, that have a readable state; ordered by name."""
    found = []
    for folder in folders(root):
        with contextlib.suppress(errors.ParseError):
            found.append(read(folder))
    return found


def folders(root: Path) -> list[Path]:
    """The folders that may be labs' state directories, ordered by name; none if there is no such directory."""
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
