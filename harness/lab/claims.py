"""Who may have which name, and what a dead lab left behind.

Claims and removals hold a lock on the directory of all labs, which is the directory itself, so that no lock file
stays behind. Only what a lab made is ever removed: a folder with a lab's ``lab.json``, or one that was on its way in
or out of being one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.core import errors, waiting
from harness.lab import plan, state
from harness.lab.topology import cgroups

NEEDED_BYTES = 4 * 1024 * 1024
"""Room that a lab must find for its state: about 1 MiB, and logs of a while."""
# This file says that the lab made the directory of all labs, so that it may remove it too.
_MADE = ".made-by-sourceip"
_COMING = ".sourceip-coming-"
_GOING = ".sourceip-going-"
_SETTLE_S = 10.0


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


def claim(lab: state.LabState) -> None:
    """Take a lab's name, after removing what a dead lab of any name left behind.

    Raises:
        UsageError: The name is taken, or the state directory can't be written.
    """
    root = lab.directory.parent
    with locked(root):
        sweep_locked(root)
        if lab.directory.exists():
            raise errors.UsageError(
                f"name {lab.name!r} is taken; end that lab with: sourceip lab down --name {lab.name}"
            )
        _claim_cgroup(lab.name)
        _require_space(root)
        try:
            _make(lab, root / f"{_COMING}{lab.name}")
        except OSError as error:
            raise errors.UsageError(f"state directory {lab.directory}: {error.strerror}") from error


def _make(lab: state.LabState, coming: Path) -> None:
    # It gets its name when it has its content, so that a folder without a lab's state is never a lab's.
    try:
        coming.mkdir(mode=0o755)
        state.write(replace(lab, directory=coming))
        coming.rename(lab.directory)
    except OSError:
        shutil.rmtree(coming, ignore_errors=True)
        raise


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


def sweep(root: Path) -> list[str]:
    """Remove what dead labs left behind; the names of those labs."""
    if not root.is_dir():
        return []
    with locked(root):
        return sweep_locked(root)


def sweep_locked(root: Path) -> list[str]:
    """As ``sweep``, for one who holds the lock."""
    for folder in state.folders(root):
        if folder.name.startswith((_COMING, _GOING)):
            shutil.rmtree(folder)
    dead = [lab for lab in state.labs(root) if not _lives(lab)]
    for lab in dead:
        _remove(lab)
    _sweep_cgroups()
    return [lab.name for lab in dead]


def _sweep_cgroups() -> None:
    # A lab whose state directory went with its file system is only to be told by its cgroup. Every living lab's
    # has at least its owner in it.
    with cgroups.hierarchy() as top:
        for folder in top.glob(cgroups.name_of("*")):
            if (folder / plan.CONTROL_PLANE).is_dir() and not cgroups.populated(folder):
                _remove_cgroup(folder)


def _lives(lab: state.LabState) -> bool:
    if lab.owner.ending:
        lab.owner.wait(_SETTLE_S)
    return lab.alive


def _remove(lab: state.LabState) -> None:
    with cgroups.hierarchy() as top:
        _remove_cgroup(top / cgroups.name_of(lab.name))
    going = lab.directory.with_name(f"{_GOING}{lab.name}")
    lab.directory.rename(going)
    shutil.rmtree(going)


def _remove_cgroup(folder: Path) -> None:
    def removed() -> bool:
        try:
            cgroups.remove(folder)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True

    # The last process of a lab leaves its cgroup a moment after its end can be seen.
    waiting.wait_until(removed, bool, what=f"the end of {folder.name}", timeout_s=_SETTLE_S, delay_s=0.02)


def remove(directory: Path, *, owner: state.Process | None = None) -> bool:
    """Remove a lab's cgroup and state directory, if its owner has ended or is the one given; whether there was one.

    Another lab may have taken the name since, and that one is left alone.
    """
    if not directory.is_dir():
        return False
    with locked(directory.parent), contextlib.suppress(errors.ParseError):
        lab = state.read(directory)
        if lab.owner == owner or not _lives(lab):
            _remove(lab)
            return True
    return False
