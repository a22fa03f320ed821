"""Start and stop labs: what ``sourceip lab up`` and ``down`` and the harness's lab provider stand on.

Two ways to own a lab: ``start(..., detached=True)`` leaves it running on its own, ``running()`` ties it to this
process, whatever becomes of that.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.core import errors, process, timeouts
from harness.lab import claims, launching, plan, state
from harness.lab.owner import programs

KUBELET_DOOR = "kubelet.sock"
# The size of sun_path in unix(7), less its closing zero.
LONGEST_SOCKET = 107
MAX_WORKERS = 16

PROGRAMS = {"ip": "iproute2", "iptables-restore": "iptables", "iptables-save": "iptables"}
"""The programs that a lab needs, and the Debian package of each."""


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
    *, name: str, workers: int = 2, root: Path | None = None, yaobank: bool = True, say: launching.Say | None = None
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
        with _undisturbed():
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
    say: launching.Say | None = None,
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
        launching.Interrupted: It was given up.
        HarnessError: The lab did not become ready.
    """
    root = (root or state.root_from_environment()).absolute()
    lab = _planned(name, workers, root)
    require_machine()
    launch: launching.Launch | None = None
    try:
        claims.claim(lab)
        launch = launching.Launch(lab, yaobank=yaobank, detached=detached)
        launch.follow(say or (lambda _text: None), interrupted, wakeup)
        return _handed_over(launch, detached=detached)
    except OSError as error:
        _undo(lab, launch)
        full = launching.full_disk(str(error), lab)
        if full is None:
            raise
        raise full from error
    except BaseException:
        _undo(lab, launch)
        raise


def _handed_over(launch: launching.Launch, *, detached: bool) -> Started:
    if detached:
        return Started(state=launch.let_go())
    return Started(state=launch.kept(), process=launch.process, leash=launch.leash)


def _undo(lab: state.LabState, launch: launching.Launch | None) -> None:
    with _undisturbed():
        if launch is not None:
            launch.end()
        # Until it has an owner of its own, the lab belongs to this process; another's is left alone.
        claims.remove(lab.directory, owner=lab.owner)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait: a second Ctrl-C must not cut short what the first one began."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop(name: str, *, root: Path | None = None, leash: int | None = None) -> bool:
    """End a lab and remove what is left of it; False if there was none of that name.

    Raises:
        WaitTimeout: Its owner did not end.
    """
    root = (root or state.root_from_environment()).absolute()
    directory = root / state.checked_name(name)
    if leash is not None:
        os.close(leash)
    try:
        owner = state.read(directory).owner
    except errors.ParseError:
        return False
    owner.signal(signal.SIGTERM)
    _await_end(owner)
    claims.remove(directory)
    return True


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
    _require_short(root / state.checked_name(name), [node.name for node in layout.nodes])
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


def _require_short(directory: Path, nodes: Sequence[str]) -> None:
    longest = max(len(bytes(directory / "nodes" / node / KUBELET_DOOR)) for node in nodes)
    if longest > LONGEST_SOCKET:
        raise errors.UsageError(
            f"state directory {directory}: its path is {longest - LONGEST_SOCKET} octets too long for a Unix socket"
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
