"""What the owner does from ``go`` to the end of the lab."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core import errors, process
from harness.lab import claims, plan, state
from harness.lab.owner import isolation, programs
from harness.lab.topology import cgroups, links, namespaces

log = logging.getLogger("harness.lab.owner")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_BACKLOG = 128


class Owner:
    """One lab's owner. It never returns with a process of the lab left.

    Attributes are what ``python -m harness.lab.owner`` was started with: the state directory, the two pipes, and
    whether yaobank is part of the lab.
    """

    def __init__(self, *, directory: Path, leash: int, progress: int, yaobank: bool = True) -> None:
        self._directory = directory
        self._leash: int | None = leash
        self._progress: int | None = progress
        self._yaobank = yaobank
        self._children: dict[int, tuple[str, process.Child]] = {}
        self._ending = False
        self._ready = False
        self._myself: state.Process | None = None
        self._cgroup = ""

    def run(self) -> int:
        """Start the lab, stay until its end, and remove everything; the exit code."""
        wakeup = self._catch_signals()
        if self._leash_word() != "go":
            return 0
        failed = False
        try:
            outside = isolation.enter([self._directory])
        except OSError as error:
            self._tell({"error": _of(error), "missing": "mount namespaces"})
            return 1
        try:
            lab = state.read(self._directory)
            self._myself = lab.owner
            self._join(lab)
            self._start(lab)
            self._stay(wakeup)
        except errors.CapabilityMissing as error:
            failed = True
            self._tell({"error": error.reason, "missing": error.capability})
        except (errors.HarnessError, OSError) as error:
            failed = True
            self._tell({"error": _of(error)})
        finally:
            self._end(outside)
        return int(failed)

    def _catch_signals(self) -> int:
        # Handlers that do nothing: what counts is the byte in the pipe, which wakes the poll below.
        for number in (*_SIGNALS, signal.SIGCHLD):
            signal.signal(number, self._note)
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        return reading

    def _note(self, number: int, _frame: object) -> None:
        self._ending = self._ending or number in _SIGNALS

    # Starting

    def _join(self, lab: state.LabState) -> None:
        # As long as this process lives, somebody is in the lab's cgroup; one without anybody is a dead lab's.
        self._cgroup = cgroups.own()
        folder = cgroups.MOUNT / cgroups.name_of(lab.name)
        folder.mkdir(exist_ok=True)
        cgroups.join(folder)

    def _start(self, lab: state.LabState) -> None:
        outer = _listener("127.0.0.1", 0)
        port = outer.getsockname()[1]
        with _running("harness.lab.owner.credentials", str(lab.directory), str(port)) as credentials:
            self._tell({"say": "network namespaces, bridge and wires"})
            _build(lab)
            _make_folders(lab)
            said = credentials.communicate(timeout=process.DEFAULT_TIMEOUT_S)[1]
        if credentials.returncode:
            raise errors.CommandError(["credentials"], credentials.returncode, "", _last_line(said))
        lab = replace(lab, api_port=port)
        state.write(lab)
        self._tell({"say": "API server, controllers and kubelets"})
        with namespaces.entered(lab.nodes[0]):
            inner = _listener(lab.addresses[0], plan.API_PORT)
        for program in programs.of_lab(lab, [outer, inner]):
            child = programs.start(lab, program)
            self._children[child.pid] = (program.name, child)
        outer.close()
        inner.close()
        self._start_rollout(lab)

    def _start_rollout(self, lab: state.LabState) -> None:
        argv = programs.argv_of("harness.lab.owner.rollout", str(lab.directory))
        if self._yaobank:
            argv += ["--with", str(programs.PROJECT / "manifests" / "yaobank")]
        with (lab.directory / "log" / "rollout.log").open("ab") as said:
            child = process.start(argv, stdout=self._progress, stderr=said, env=programs.environment())
        self._children[child.pid] = ("rollout", child)

    # Staying

    def _stay(self, wakeup: int) -> None:
        while not self._ending:
            watched = [wakeup] if self._leash is None else [wakeup, self._leash]
            ready = select.select(watched, [], [])[0]
            if wakeup in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wakeup, 4096)
            if self._leash in ready:
                self._heed_leash()
            self._reap()

    def _heed_leash(self) -> None:
        word = self._leash_word()
        if word == "keep" and self._leash is not None:
            os.close(self._leash)
            self._leash = None
        elif not word:
            self._ending = True

    def _reap(self) -> None:
        """Collect every process that ended: orphans of the lab have no other parent than its process 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            name, child = self._children.pop(pid, ("", None))
            if child is not None:
                child.returncode = os.waitstatus_to_exitcode(status)
                self._take_end_of(name, child.returncode)

    def _take_end_of(self, name: str, code: int) -> None:
        if name == "rollout" and code == 0:
            self._set_phase("ready")
            self._ready = True
            self._tell({"ready": True})
            self._close_progress()
            return
        said = _last_line((self._directory / "log" / f"{name}.log").read_bytes())
        text = f"{name} ended with {code}" + (f": {said}" if said else "")
        log.error("%s", text)
        if not self._ready:
            raise errors.HarnessError(text)
        self._set_phase("broken")

    def _set_phase(self, phase: str) -> None:
        state.write(replace(state.read(self._directory), phase=phase))

    # Ending

    def _end(self, outside: int) -> None:
        """End every other process of the lab, then remove what would outlive this one."""
        _end_everyone()
        cgroups.join(cgroups.MOUNT / self._cgroup)
        isolation.leave(outside)
        claims.remove(self._directory, owner=self._myself)
        self._close_progress()

    # Talking

    def _leash_word(self) -> str:
        if self._leash is None:
            return ""
        return os.read(self._leash, 64).decode().strip().rpartition("\n")[2]

    def _tell(self, message: Mapping[str, Any]) -> None:
        if self._progress is not None:
            # The one who started the lab may be gone; the leash says what follows from that.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._progress, json.dumps(message).encode() + b"\n")

    def _close_progress(self) -> None:
        if self._progress is not None:
            os.close(self._progress)
            self._progress = None


def _end_everyone() -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _listener(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(_BACKLOG)
    listener.set_inheritable(True)
    return listener


def _running(module: str, *arguments: str) -> process.Child:
    return process.start(programs.argv_of(module, *arguments), stderr=subprocess.PIPE, env=programs.environment())


def _build(lab: state.LabState) -> None:
    try:
        links.build(plan.plan(workers=len(lab.nodes) - 1))
    except errors.CommandError as error:
        raise errors.CapabilityMissing("network namespaces", str(error)) from error


def _make_folders(lab: state.LabState) -> None:
    for node in lab.nodes:
        cgroups.node_path(lab.name, node).mkdir(parents=True)
        (isolation.BPF_FOLDER / node).mkdir()
        (lab.directory / "nodes" / node / "pods").mkdir(parents=True)


def _last_line(said: bytes) -> str:
    lines = [line for line in said.decode(errors="backslashreplace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _of(error: Exception) -> str:
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
    return str(error)
