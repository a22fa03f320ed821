"""A lab's owner while it starts, seen from the program that starts it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from harness.core import errors, process, timeouts
from harness.lab import state
from harness.lab.owner import programs
from harness.lab.topology import kernel

Say = Callable[[str], None]
"""Takes one line of progress."""


class Interrupted(errors.HarnessError):
    """A signal asked for the end while the lab was being started.

    Attributes:
        number: The signal's number.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"interrupted by {signal.Signals(number).name}")


def full_disk(text: str, lab: state.LabState) -> errors.UsageError | None:
    """The error for the one who named the state directory, if that text says that it is full."""
    full = os.strerror(errno.ENOSPC)
    return errors.UsageError(f"state directory {lab.directory}: {full}") if full in text else None


class Launch:
    """The owner while it starts, seen from outside: its process, the leash and its progress."""

    def __init__(self, lab: state.LabState, *, yaobank: bool, detached: bool) -> None:
        self._lab = lab
        self._pending = b""
        leash_in, self.leash = os.pipe2(os.O_CLOEXEC)
        self._progress, progress_out = os.pipe2(os.O_CLOEXEC)
        self._held = {self.leash, self._progress}
        try:
            (lab.directory / "log").mkdir()
            argv = _owner_argv(lab.directory, leash_in, progress_out, yaobank=yaobank, detached=detached)
            with (lab.directory / "log" / "owner.log").open("ab") as said:
                self.process = _start_as_first(argv, said, pass_fds=(leash_in, progress_out))
        except BaseException:
            self._close(*self._held)
            raise
        finally:
            os.close(leash_in)
            os.close(progress_out)
        try:
            self._introduce(lab)
        except BaseException:
            self.end()
            raise

    def _introduce(self, lab: state.LabState) -> None:
        owner = state.Process.of(self.process.pid)
        if owner is not None:
            state.write(replace(lab, owner=owner))
        with contextlib.suppress(BrokenPipeError):
            os.write(self.leash, b"go\n")

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
                f"the lab's owner ended before the lab was ready (exit code {self.process.wait()})"
            )
        *lines, self._pending = (self._pending + data).split(b"\n")
        heeded = [self._heed(json.loads(line), say) for line in lines]
        return any(heeded)

    def _heed(self, message: dict[str, Any], say: Say) -> bool:
        if "missing" in message:
            raise errors.CapabilityMissing(message["missing"], message["error"])
        if "error" in message:
            raise full_disk(message["error"], self._lab) or errors.HarnessError(message["error"])
        if "say" in message:
            say(message["say"])
        return bool(message.get("ready"))

    def kept(self) -> state.LabState:
        """The ready lab, which stays on the leash."""
        self._close(self._progress)
        return state.read(self._lab.directory)

    def let_go(self) -> state.LabState:
        """The ready lab, which now lives on its own."""
        lab = self.kept()
        os.write(self.leash, b"keep\n")
        self._close(self.leash)
        # The owner outlives this process on purpose; without this, its Popen would warn about that.
        self.process.returncode = 0
        return lab

    def end(self) -> None:
        """End the owner, and with it every process of the lab."""
        self._close(*self._held)
        try:
            self.process.wait(timeouts.DEFAULT.lab_down_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeouts.DEFAULT.lab_down_s)

    def _close(self, *descriptors: int) -> None:
        # Each is closed once: its number may belong to someone else afterwards.
        for descriptor in self._held & {*descriptors}:
            self._held.discard(descriptor)
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
