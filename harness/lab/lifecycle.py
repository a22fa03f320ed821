"""Start and stop labs: what ``sourceip lab up`` and ``down`` and the harness's lab provider stand on.

Two ways to own a lab: ``start(..., detached=True)`` leaves it running on its own, ``running()`` ties it to this
process, whatever becomes of that.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.core import errors, process, timeouts
from harness.lab import plan, state
from harness.lab.owner import programs
from harness.lab.topology import kernel

MAX_WORKERS = 16

Say = Callable[[str], None]
"""Takes one line of progress."""

PROGRAMS = {"ip": "iproute2", "iptables-restore": "iptables", "iptables-save": "iptables"}
"""The programs that a lab needs, and the Debian package of each."""


class Interrupted(errors.HarnessError):
    """A signal asked for the end while the lab was being started.

    Attributes:
        number: The signal's number.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"interrupted by {signal.Signals(number).name}")


@dataclass(frozen=True, kw_only=True)
class Started:
    """A lab that is ready.

    Attributes:
        state: What its state directory says.
        process: Its owner; None for a lab that lives on its own.
        leash: The descriptor that ends the lab when it is closed; None for a lab that lives on its own.
    """

    state: state.LabState
    process: process.Child | None = None
    leash: int | None = None


@contextmanager
def running(
    *, name: str, workers: int = 2, root: Path | None = None, yaobank: bool = True, say: Say | None = None
) -> Iterator[state.LabState]:
    """A lab that lives as long as the block, and never longer than this process.

    Raises:
        UsageError: The name, the number of workers or the state directory can't be.
        CapabilityMissing: This machine can't have a lab.
        HarnessError: The lab did not become ready.
    """
    started = start(name=name, workers=workers, root=root, yaobank=yaobank, say=say, detached=False)
    try:
        yield started.state
    finally:
        stop(started.state.name, root=started.state.directory.parent, leash=started.leash)
        if started.process is not None:
            # It has ended; without this, its Popen would warn that it has not.
            started.process.wait(timeouts.DEFAULT.lab_down_s)


def start(
    *,
    name: str,
    workers: int = 2,
    root: Path | None = None,
    yaobank: bool = True,
    say: Say | None = None,
    detached: bool = True,
    interrupted: Callable[[], int | None] = lambda: None,
    wakeup: int | None = None,
) -> Started:
    """Start a lab and wait until it is ready; on any failure nothing of it is left.

    Args:
        name: Its name; 1 to 32 letters, digits and hyphens.
        workers: Nodes besides the control plane, 0 to 16.
        root: The directory of all labs' state.
        yaobank: Whether yaobank is deployed.
        say: Takes lines of progress.
        detached: Whether it lives on when this process ends.
        interrupted: The signal that asked to give up, if one did.
        wakeup: A descriptor that becomes readable when one did.

    Raises:
        UsageError: The name, the number of workers or the state directory can't be.
        CapabilityMissing: This machine can't have a lab.
        Interrupted: It was given up.
        HarnessError: The lab did not become ready.
    """
    root = (root or state.root_from_environment()).absolute()
    lab = _planned(name, workers, root)
    require_machine()
    state.claim(lab)
    launch: _Launch | None = None
    try:
        launch = _Launch(lab, yaobank=yaobank, detached=detached)
        launch.follow(say or (lambda _text: None), interrupted, wakeup)
        return launch.handed_over(detached=detached)
    except OSError as error:
        _undo(lab, launch)
        full = _of_disk(str(error), lab)
        if full is None:
            raise
        raise full from error
    except BaseException:
        _undo(lab, launch)
        raise


def _of_disk(text: str, lab: state.LabState) -> errors.UsageError | None:
    """The error for the one who named the state directory, if it is full."""
    full = os.strerror(errno.ENOSPC)
    return errors.UsageError(f"state directory {lab.directory}: {full}") if full in text else None


def _undo(lab: state.LabState, launch: _Launch | None) -> None:
    if launch is not None:
        launch.end()
    state.remove(lab.directory)


def stop(name: str, *, root: Path | None = None, leash: int | None = None) -> bool:
    """End a lab and remove what is left of it; False if there was none of that name.

    Raises:
        WaitTimeout: Its owner did not end.
    """
    root = (root or state.root_from_environment()).absolute()
    directory = root / state.checked_name(name)
    existed = directory.exists()
    with contextlib.suppress(errors.ParseError):
        owner = state.read(directory).owner
        if leash is not None:
            os.close(leash)
        owner.signal(signal.SIGTERM)
        _await_end(owner)
    state.remove(directory)
    return existed


def _await_end(owner: state.Process) -> None:
    if not owner.wait(timeouts.DEFAULT.lab_down_s / 2):
        # Process 1 has no handler for SIGTERM in its first moments, and is deaf to it then.
        owner.signal(signal.SIGKILL)
        if not owner.wait(timeouts.DEFAULT.lab_down_s / 2):
            raise errors.WaitTimeout("the end of the lab's owner", timeouts.DEFAULT.lab_down_s, owner)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(owner.pid, 0)


def _planned(name: str, workers: int, root: Path) -> state.LabState:
    if not 0 <= workers <= MAX_WORKERS:
        raise errors.UsageError(f"workers: {workers} is not in 0 to {MAX_WORKERS}")
    layout = plan.plan(workers=workers)
    myself = state.Process.of(os.getpid())
    if myself is None:
        raise errors.CapabilityMissing("proc", "this process is not to be seen in /proc")
    return state.LabState(
        name=state.checked_name(name),
        directory=root / name,
        owner=myself,
        nodes=tuple(node.name for node in layout.nodes),
        addresses=tuple(str(node.address) for node in layout.nodes),
        client=str(layout.client),
    )


def require_machine() -> None:
    """Check what a lab needs of this machine.

    Raises:
        CapabilityMissing: It lacks something; the remedy is the exact command.
    """
    require_root()
    path = programs.environment()["PATH"]
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if missing:
        packages = " ".join(sorted({PROGRAMS[program] for program in missing}))
        raise errors.CapabilityMissing(
            "programs", f"missing: {', '.join(missing)}", f"install with: apt-get install -y {packages}"
        )


def require_root() -> None:
    """CapabilityMissing unless this process may do what root may."""
    if os.geteuid() != 0:
        raise errors.CapabilityMissing("root", "a lab makes network namespaces", "run it with sudo")


class _Launch:
    """The owner while it starts, seen from outside: its process, the leash and its progress."""

    def __init__(self, lab: state.LabState, *, yaobank: bool, detached: bool) -> None:
        self._lab = lab
        self._pending = b""
        leash_in, self._leash = os.pipe2(os.O_CLOEXEC)
        self._progress, progress_out = os.pipe2(os.O_CLOEXEC)
        try:
            (lab.directory / "log").mkdir()
            argv = _owner_argv(lab.directory, leash_in, progress_out, yaobank=yaobank, detached=detached)
            with (lab.directory / "log" / "owner.log").open("ab") as said:
                self._process = _start_as_first(argv, said, pass_fds=(leash_in, progress_out))
        except BaseException:
            self._close()
            raise
        finally:
            os.close(leash_in)
            os.close(progress_out)
        owner = state.Process.of(self._process.pid)
        if owner is not None:
            state.write(state.with_owner(lab, owner))
        with contextlib.suppress(BrokenPipeError):
            os.write(self._leash, b"go\n")

    def follow(self, say: Say, interrupted: Callable[[], int | None], wakeup: int | None) -> None:
        """Pass progress on until the lab is ready."""
        while True:
            number = interrupted()
            if number is not None:
                raise Interrupted(number)
            watched = [self._progress] if wakeup is None else [self._progress, wakeup]
            if self._progress in select.select(watched, [], [])[0] and self._take(say):
                return

    def _take(self, say: Say) -> bool:
        data = os.read(self._progress, 65536)
        if not data:
            raise errors.HarnessError(
                f"the lab's owner ended before the lab was ready (exit code {self._process.wait()})"
            )
        *lines, self._pending = (self._pending + data).split(b"\n")
        heeded = [self._heed(json.loads(line), say) for line in lines]
        return any(heeded)

    def _heed(self, message: dict[str, Any], say: Say) -> bool:
        if "error" in message:
            raise _of_disk(message["error"], self._lab) or errors.HarnessError(message["error"])
        if "say" in message:
            say(message["say"])
        return bool(message.get("ready"))

    def handed_over(self, *, detached: bool) -> Started:
        """The ready lab, let go or kept on the leash."""
        lab = state.read(self._lab.directory)
        os.close(self._progress)
        if not detached:
            return Started(state=lab, process=self._process, leash=self._leash)
        os.write(self._leash, b"keep\n")
        os.close(self._leash)
        # The owner outlives this process on purpose; without this, its Popen would warn about that.
        self._process.returncode = 0
        return Started(state=lab)

    def end(self) -> None:
        """End the owner, and with it every process of the lab."""
        self._close()
        try:
            self._process.wait(timeouts.DEFAULT.lab_down_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeouts.DEFAULT.lab_down_s)

    def _close(self) -> None:
        for descriptor in (self._leash, self._progress):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _owner_argv(directory: Path, leash: int, progress: int, *, yaobank: bool, detached: bool) -> list[str]:
    arguments = ["--dir", str(directory), "--leash-fd", str(leash), "--progress-fd", str(progress)]
    arguments += [] if yaobank else ["--without-yaobank"]
    arguments += [] if detached else ["--with-parent"]
    return programs.argv_of("harness.lab.owner", *arguments)


def _start_as_first(argv: Sequence[str], said: IO[bytes], pass_fds: Sequence[int]) -> process.Child:
    """Start a program as process 1 of a PID namespace of its own."""
    here = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
        try:
            return process.start(
                argv,
                stdout=said,
                stderr=said,
                env=programs.environment(),
                cwd=Path("/"),
                pass_fds=pass_fds,
                new_session=True,
            )
        finally:
            # From here on, children of this process belong where this process does.
            kernel.setns(here, kernel.CLONE_NEWPID)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSPC, errno.EINVAL, errno.EUSERS):
            raise
        raise errors.CapabilityMissing(
            "namespaces", f"the kernel refused one: {error.strerror}", "needs root with CAP_SYS_ADMIN"
        ) from error
    finally:
        os.close(here)
