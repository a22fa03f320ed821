"""Processes of pods: started in their namespaces, and ended with everything that they started."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core import errors, process
from harness.lab.topology import cgroups, kernel, namespaces

# A container's processes are children of the kubelet; their namespaces are entered between fork and exec.
_KINDS = (("net", kernel.CLONE_NEWNET), ("uts", kernel.CLONE_NEWUTS), ("mnt", kernel.CLONE_NEWNS))


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where a pod's processes run.

    Attributes:
        netns: The name of the pod's network namespace; empty for the node's.
        cgroup: Its cgroup.
        hostname: Its host name; empty for the node's.
        files: Files that are bound over others: target by source.
    """

    netns: str
    cgroup: Path
    hostname: str
    files: Mapping[Path, Path]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to run.

    Attributes:
        argv: The program and its arguments.
        environment: Its whole environment.
        folder: Where it runs.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str = "/"


def start(order: Order, around: Surroundings, *, output: int) -> process.Child:
    """Start a container's first process, with both outputs going to one descriptor, in order.

    Raises:
        CommandError: There is no such program (127), or it can't be run (126).
    """
    return _start(order, _entering(around), stdout=output, stderr=output)


def start_beside(
    order: Order,
    first: int,
    cgroup: Path,
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    terminal: int | None = None,
) -> process.Child:
    """Start another process in the namespaces of a container whose first process is given, as ``exec`` does.

    Args:
        order: What to run.
        first: The PID of the container's first process.
        cgroup: The pod's cgroup.
        stdin: As for ``subprocess.Popen``.
        stdout: As for ``subprocess.Popen``.
        stderr: As for ``subprocess.Popen``.
        terminal: A terminal that becomes the new session's own.

    Raises:
        CommandError: There is no such program (127), it can't be run (126), or the container has ended (125).
    """
    with contextlib.ExitStack() as stack:
        places = _places_of(first, stack)
        enter = _joining(places, cgroup, terminal)
        return _start(order, enter, stdin=stdin, stdout=stdout, stderr=stderr)


def end(child: process.Child, number: int) -> None:
    """Send a signal to a process and to everything in its session's process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def end_all(cgroup: Path) -> None:
    """Kill every process of a pod that has a cgroup of its own."""
    for pid in cgroups.pids(cgroup):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _start(
    order: Order,
    enter: Callable[[], None],
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
) -> process.Child:
    program = _found(order)
    kernel.libc()
    try:
        return process.start(
            [program, *order.argv[1:]],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=order.environment,
            cwd=Path(order.folder),
            new_session=True,
            before_exec=enter,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise errors.CommandError(order.argv, 126, "", f"{order.argv[0]}: {error}") from error


def _found(order: Order) -> str:
    name = order.argv[0] if order.argv else ""
    found = shutil.which(name, path=order.environment.get("PATH", os.defpath))
    if found is None:
        where = "no such file or directory" if "/" in name else "executable file not found in $PATH"
        raise errors.CommandError(order.argv, 127, "", f'exec: "{name}": {where}')
    return found


def _entering(around: Surroundings) -> Callable[[], None]:
    target = namespaces.path(around.netns) if around.netns else None
    files = [(str(source), str(path)) for path, source in around.files.items() if path.is_file()]

    def enter() -> None:
        cgroups.join(around.cgroup)
        if target is not None:
            namespaces.enter(target)
        if around.hostname:
            kernel.unshare(kernel.CLONE_NEWUTS)
            socket.sethostname(around.hostname)
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SLAVE)
        for source, path in files:
            kernel.mount(source, path, None, kernel.MS_BIND)

    return enter


def _places_of(first: int, stack: contextlib.ExitStack) -> list[tuple[int, int]]:
    places = []
    try:
        for name, kind in _KINDS:
            descriptor = os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            places.append((descriptor, kind))
    except (FileNotFoundError, ProcessLookupError) as error:
        raise errors.CommandError(("exec",), 125, "", "the container is not running") from error
    return places


def _joining(places: Sequence[tuple[int, int]], cgroup: Path, terminal: int | None) -> Callable[[], None]:
    def enter() -> None:
        cgroups.join(cgroup)
        for descriptor, kind in places:
            kernel.setns(descriptor, kind)
        if terminal is not None:
            _take_terminal(terminal)

    return enter


def _take_terminal(terminal: int) -> None:
    import fcntl
    import termios

    # start_new_session has run by now, so this session has no terminal yet.
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
