"""One pod from the moment that the kubelet sees it until nothing of it is left: one thread a pod."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import select
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core import errors
from harness.lab import api
from harness.lab.kubelet import (
    containers,
    environment,
    hosts,
    images,
    moments,
    pump,
    reporting,
    runtime,
    sandbox,
    specs,
    statuses,
)
from harness.lab.topology import cgroups

log = logging.getLogger("harness.lab.kubelet")

_RETRY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Node:
    """What all pods of a node share.

    Attributes:
        name: The node's name.
        address: Its address.
        folder: Where its pods' files are.
        place: What images may want to know.
        addresses: The addresses of its block.
        api: A connection to clone for look-ups.
        reporter: Reports to the API server.
        pump: Moves output to logs.
        neighbours: All nodes' addresses and names, for hosts files.
    """

    name: str
    address: str
    folder: Path
    place: images.Place
    addresses: sandbox.Addresses
    api: api.Api
    reporter: reporting.Reporter
    pump: pump.Pump
    neighbours: Sequence[hosts.Entry]


class PodWorker:
    """Runs one pod. ``update``, ``vanish`` and ``set_services`` may be called from any thread."""

    def __init__(self, item: dict[str, Any], node: Node) -> None:
        self.pod = specs.pod_of(item)
        self.folder = node.folder / f"{self.pod.namespace}_{self.pod.name}_{self.pod.uid}"
        self.init: list[containers.ContainerRuns] = []
        self.containers: list[containers.ContainerRuns] = []
        self.done = threading.Event()
        self._node = node
        self._item = item
        self._services: Sequence[hosts.Entry] = ()
        self._hosts_written = ""
        self._vanished = False
        self._sandbox: sandbox.Sandbox | None = None
        self._started = moments.now()
        self._reported: dict[str, Any] = {}
        self._ip = ""
        self._wake_in, self._wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # Called from other threads

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name=f"pod {self.pod.key}", daemon=True).start()

    def update(self, item: dict[str, Any]) -> None:
        """The object is new: most of a Pod can't change, but its deletion and its conditions can."""
        if item is not self._item:
            self._item = item
            self.wake()

    def vanish(self) -> None:
        """The object is gone without this kubelet having let it go: end at once."""
        self._vanished = True
        self.wake()

    def set_services(self, entries: Sequence[hosts.Entry]) -> None:
        """The cluster's Services are these now."""
        self._services = entries
        self.wake()

    def wake(self) -> None:
        """Make the thread look at everything anew."""
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_out, b"x")

    # The thread

    def _run(self) -> None:
        try:
            self._live()
            self._terminate()
        except (errors.HarnessError, OSError) as error:
            log.exception("pod %s: %s", self.pod.key, error)
        finally:
            self._remove()
            self.done.set()

    def _live(self) -> None:
        """Until the pod is to be deleted, or all its containers have ended for good."""
        self._report()
        if not self._make_sandbox():
            return
        setting = self._setting()
        self.init = [containers.ContainerRuns(each, setting) for each in self.pod.init]
        self.containers = [containers.ContainerRuns(each, setting) for each in self.pod.containers]
        while not self._ending:
            self._write_hosts()
            self._step()
            self._report()
            self._wait(self._next_due())

    @property
    def _ending(self) -> bool:
        return self._vanished or "deletionTimestamp" in self._item["metadata"]

    def _step(self) -> None:
        everything = [*self.init, *self.containers]
        for each in everything:
            each.collect()
        current = next((each for each in self.init if not _succeeded(each)), None)
        for each in [current] if current is not None else self.containers:
            self._drive(each, again=self._restarts(each, is_init=current is not None))

    def _drive(self, runs: containers.ContainerRuns, *, again: bool) -> None:
        if isinstance(runs.state, statuses.Terminated) and again:
            runs.plan_restart()
        startable = isinstance(runs.state, statuses.Waiting) or (isinstance(runs.state, statuses.Terminated) and again)
        if startable and runs.due <= time.monotonic():
            runs.start()

    def _restarts(self, runs: containers.ContainerRuns, *, is_init: bool) -> bool:
        if not isinstance(runs.state, statuses.Terminated):
            return False
        if runs.state.exit_code == 0:
            return self.pod.restart_policy == "Always" and not is_init
        return self.pod.restart_policy != "Never"

    def _next_due(self) -> float | None:
        waiting = [
            each.due
            for each in (*self.init, *self.containers)
            if isinstance(each.state, statuses.Waiting) and each.due > 0
        ]
        if self._runnable():
            return 0.0
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _runnable(self) -> bool:
        # After an init container ended well, the next is due without any further event.
        return all(_succeeded(each) for each in self.init) and any(
            isinstance(each.state, statuses.Waiting) and each.due == 0.0 for each in self.containers
        )

    def _wait(self, timeout_s: float | None) -> None:
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        for each in (*self.init, *self.containers):
            if each.pidfd >= 0:
                poll.register(each.pidfd, select.POLLIN)
        # Rounded up, since a poll that ends a little early would only be repeated.
        poll.poll(None if timeout_s is None else int(timeout_s * 1000) + 1)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_in, 4096)

    # Sandbox

    def _make_sandbox(self) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.pod.host_network:
            self._ip = self._node.address
            return not self._ending
        while not self._ending:
            address = self._node.addresses.take()
            try:
                self._cgroup.mkdir(exist_ok=True)
                self._sandbox = sandbox.create(self.pod, address)
            except (errors.HarnessError, OSError) as error:
                self._node.addresses.give_back(address)
                text = f"Failed to create pod sandbox: {error}"
                self._node.reporter.event(self.pod, "Warning", "FailedCreatePodSandBox", text)
                self._wait(_RETRY_S)
            else:
                self._ip = str(address)
                return True
        return False

    @property
    def _cgroup(self) -> Path:
        node = self._node.place.cgroup
        return node if self.pod.host_network else node / f"pod-{self.pod.short_uid}"

    def _setting(self) -> containers.Setting:
        self._write_hosts()
        own = self._sandbox
        return containers.Setting(
            pod=self.pod,
            address=self._ip,
            around=runtime.Surroundings(
                netns=own.namespace if own else "",
                cgroup=self._cgroup,
                hostname=self.pod.hostname if own else "",
                files={Path("/etc/hosts"): self._hosts_file},
            ),
            folder=self.folder,
            place=self._node.place,
            variables=self._variables,
            pump=self._node.pump,
            changed=self.wake,
            event=self._event,
        )

    @property
    def _hosts_file(self) -> Path:
        return self.folder / "etc-hosts"

    def _write_hosts(self) -> None:
        text = hosts.render(self.pod, self._ip, self._node.neighbours, self._services)
        if text != self._hosts_written:
            hosts.rewrite(self._hosts_file, text)
            self._hosts_written = text

    def _variables(self, container: specs.Container) -> dict[str, str]:
        return environment.resolve(self.pod, container, self._lookup, pod_ip=self._ip, host_ip=self._node.address)

    def _lookup(self, kind: str, name: str) -> dict[str, str] | None:
        try:
            found = self._node.api.clone().get(f"/api/v1/namespaces/{self.pod.namespace}/{kind}/{name}")
        except errors.ApiError as error:
            if error.reason == "NotFound":
                return None
            raise environment.ConfigError(str(error)) from error
        data: dict[str, str] = found.get("data") or {}
        return data

    # Reports

    def _event(self, kind: str, reason: str, message: str, container: str) -> None:
        self._node.reporter.event(self.pod, kind, reason, message, container=container)

    def _report(self) -> None:
        views = [each.view for each in self.init], [each.view for each in self.containers]
        unborn = (
            [_unborn(each, self.pod) for each in self.pod.init],
            [_unborn(each, self.pod) for each in self.pod.containers],
        )
        view = statuses.PodView(
            pod=replace(self.pod, raw=self._item),
            init=views[0] or unborn[0],
            containers=views[1] or unborn[1],
            ip=self._ip,
            host_ip=self._node.address,
            started=self._started,
        )
        status = statuses.status_of(view, self._reported, now=moments.now())
        if status != self._reported:
            self._reported = status
            self._node.reporter.status(self.pod, status)

    # The end

    def _terminate(self) -> None:
        """SIGTERM, the grace period, SIGKILL; then let the API server forget the pod."""
        running = [each for each in (*self.init, *self.containers) if each.child is not None]
        grace = 0.0 if self._vanished else self._grace_s()
        deadline = time.monotonic() + grace
        for each in running:
            each.announce_end()
            if each.spec.pre_stop and grace > 0:
                self._run_pre_stop(each, grace)
            each.signal(signal.SIGTERM if grace > 0 else signal.SIGKILL)
        while not self._all_ended(running) and time.monotonic() < deadline and not self._vanished:
            self._wait(max(0.0, deadline - time.monotonic()))
        for each in running:
            each.signal(signal.SIGKILL)
        while not self._all_ended(running):
            self._wait(_RETRY_S)
        if not self._vanished:
            self._report()

    def _grace_s(self) -> float:
        given = self._item["metadata"].get("deletionGracePeriodSeconds")
        return float(self.pod.grace_s if given is None else given)

    def _run_pre_stop(self, runs: containers.ContainerRuns, grace: float) -> None:
        try:
            runs.run_beside(runs.spec.pre_stop, timeout_s=grace)
        except errors.CommandError as error:
            self._event("Warning", "FailedPreStopHook", str(error), runs.spec.name)

    def _all_ended(self, running: Sequence[containers.ContainerRuns]) -> bool:
        for each in running:
            each.collect()
        return all(each.child is None for each in running)

    def _remove(self) -> None:
        if not self.pod.host_network:
            runtime.end_all(self._cgroup)
        if self._sandbox is not None:
            sandbox.destroy(self._sandbox)
            self._node.addresses.give_back(ipaddress.IPv4Address(self._ip))
        if not self.pod.host_network:
            with contextlib.suppress(OSError):
                cgroups.remove(self._cgroup)
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self._vanished:
            self._node.reporter.gone(self.pod)


def _succeeded(runs: containers.ContainerRuns) -> bool:
    return isinstance(runs.state, statuses.Terminated) and runs.state.exit_code == 0


def _unborn(spec: specs.Container, pod: specs.Pod) -> statuses.ContainerView:
    reason = "PodInitializing" if pod.init else "ContainerCreating"
    return statuses.ContainerView(
        spec=spec, state=statuses.Waiting(reason=reason), last=None, ready=False, restarts=0, container_id=""
    )
