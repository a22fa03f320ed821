"""Run a command inside a lab: on the external client, or on a node."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core import errors, process
from harness.lab import state
from harness.lab.topology import cgroups, kernel, namespaces

_TOOLS = ":/usr/sbin:/sbin"


def become_on_client(lab: state.LabState, argv: Sequence[str]) -> None:
    """Become that program in the client's network namespace; returns only by raising.

    Raises:
        UsageError: The lab has just ended.
        CapabilityMissing: The kernel refuses.
        CommandError: There is no such program (127).
    """
    with _refusals():
        namespaces.enter(_root(lab) / "run" / "netns" / "client")
    _become(argv)


def run_on_node(lab: state.LabState, node: str, argv: Sequence[str]) -> int:
    """Run a program on a node, as a host-network process of it; its exit code, 128 and the number for a signal.

    It has the node's network namespace, cgroup and host name and the lab's mounts and processes, so that ``ip``,
    ``bpftool`` and ``ps`` see what is there.

    Raises:
        UsageError: There is no such node, or the lab has just ended.
        CapabilityMissing: The kernel refuses.
    """
    if node not in lab.nodes:
        raise errors.UsageError(f"lab {lab.name!r} has no node {node!r}; it has {', '.join(lab.nodes)}")
    with _refusals(), contextlib.ExitStack() as stack:
        places = [_opened(lab, kind, stack) for kind in ("pid", "mnt")]
        kernel.setns(places[0], kernel.CLONE_NEWPID)
        # Only a child is in the PID namespace, so this process stays outside and passes the end on.
        child = os.fork()
        if child == 0:
            _become_on_node(lab, node, places[1], argv)
        return _await(child)


def _become_on_node(lab: state.LabState, node: str, mounts: int, argv: Sequence[str]) -> None:
    code = 126
    try:
        folder = Path.cwd()
        kernel.setns(mounts, kernel.CLONE_NEWNS)
        cgroups.join(cgroups.node_path(lab.name, node))
        namespaces.enter(namespaces.path(node))
        kernel.unshare(kernel.CLONE_NEWUTS)
        socket.sethostname(node)
        with contextlib.suppress(OSError):
            os.chdir(folder)
        _become(argv)
    except errors.CommandError as error:
        code = error.returncode
        os.write(2, f"sourceip: {error}\n".encode())
    except OSError as error:
        os.write(2, f"sourceip: {error}\n".encode())
    finally:
        os._exit(code)


def _await(child: int) -> int:
    # Ctrl-C reaches the child by itself, and what that means is the child's business.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(argv: Sequence[str]) -> None:
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + _TOOLS
    process.replace(argv)


def _root(lab: state.LabState) -> Path:
    return Path(f"/proc/{lab.owner.pid}/root")


def _opened(lab: state.LabState, kind: str, stack: contextlib.ExitStack) -> int:
    descriptor = os.open(f"/proc/{lab.owner.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise errors.CapabilityMissing("namespaces", f"{error.strerror}", "run it with sudo") from error
    except FileNotFoundError as error:
        raise errors.UsageError("the lab has just ended") from error
