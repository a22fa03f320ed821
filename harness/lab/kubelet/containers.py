"""One container of a pod over all its runs: start, end, restart with back-off."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.core import errors, process
from harness.lab.kubelet import environment, images, logs, moments, probes, pump, runtime, specs, statuses

BACK_OFF_S = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Seconds before restarts after the first, which is at once; the kubelet's own."""
FORGET_S = 600.0
"""A run of that many seconds makes the back-off start over."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all runs of a pod's containers have in common.

    Attributes:
        pod: The pod.
        address: Its address.
        around: Where its processes run.
        folder: Where its logs are.
        place: What images may want to know.
        variables: Resolves a container's environment; raises ``environment.ConfigError``.
        pump: Moves output to logs.
        changed: Called when something about the container is new.
        event: Takes type, reason, message and the container's name.
    """

    pod: specs.Pod
    address: str
    around: runtime.Surroundings
    folder: Path
    place: images.Place
    variables: Callable[[specs.Container], dict[str, str]]
    pump: pump.Pump
    changed: Callable[[], None]
    event: Callable[[str, str, str, str], None]


class ContainerRuns:
    """A container's runs, one at a time. Owned by its pod's thread; probes set ``ready`` from theirs."""

    def __init__(self, spec: specs.Container, setting: Setting) -> None:
        self.spec = spec
        self.state: statuses.State = statuses.Waiting(
            reason="PodInitializing" if setting.pod.init else "ContainerCreating"
        )
        self.last: statuses.Terminated | None = None
        self.ready = False
        self.restarts = 0
        self.container_id = ""
        self.child: process.Child | None = None
        self.pidfd = -1
        self.log: logs.LogWriter | None = None
        self.environment: dict[str, str] = {}
        self.due = 0.0
        self._setting = setting
        self._image = images.Image(entrypoint=())
        self._prober: probes.Prober | None = None
        self._failures = 0
        self._began = 0.0

    @property
    def view(self) -> statuses.ContainerView:
        """What there is to say about it now."""
        return statuses.ContainerView(
            spec=self.spec,
            state=self.state,
            last=self.last,
            ready=self.ready,
            restarts=self.restarts,
            container_id=self.container_id,
        )

    @property
    def cgroup(self) -> Path:
        """The pod's cgroup."""
        return self._setting.around.cgroup

    def start(self) -> None:
        """Start a run; what prevents it becomes the container's state and an event, and it is tried again later."""
        image = images.find(self.spec.image, self._setting.place)
        if image is None:
            self._no_image()
            return
        self._image = image
        self._event("Normal", "Pulled", f'Container image "{self.spec.image}" already present on machine')
        try:
            self.environment = image.variables() | {"HOSTNAME": self._hostname()} | self._setting.variables(self.spec)
            self._launch(image)
        except environment.ConfigError as error:
            self._refused("CreateContainerConfigError", str(error))
        except errors.CommandError as error:
            self._refused("RunContainerError", f"failed to create containerd task: {error.stderr}")

    def _hostname(self) -> str:
        return self._setting.around.hostname or self._setting.place.node

    def _launch(self, image: images.Image) -> None:
        expanded = [_expanded(words, self.environment) for words in (self.spec.command, self.spec.arguments)]
        order = runtime.Order(argv=image.argv(*expanded), environment=self.environment, folder=self.spec.working_folder)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            child = runtime.start(order, self._setting.around, output=writing)
        except errors.CommandError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._is_running(child, reading)

    def _is_running(self, child: process.Child, output: int) -> None:
        self.child, self.pidfd = child, os.pidfd_open(child.pid)
        self.log = logs.LogWriter(log_path(self._setting.folder, self.spec.name, self.restarts))
        self._setting.pump.attach(output, self.log)
        self.container_id = "containerd://" + secrets.token_hex(32)
        self.state = statuses.Running(started=moments.now())
        self._began = time.monotonic()
        self._event("Normal", "Created", "Container created")
        self._event("Normal", "Started", "Container started")
        self.ready = self.spec.readiness is None
        if self.spec.readiness is not None:
            self._start_probing(self.spec.readiness)

    def _start_probing(self, probe: specs.Probe) -> None:
        def attempt() -> probes.Outcome:
            if probe.command:
                return self._probe_by_command(probe)
            port = probes.port_of(self.spec, probe.port)
            act = probes.tcp_connect if probe.http_path is None else probes.http_get
            return act(self._setting.address, port, probe)

        def changed(ready: bool) -> None:
            self.ready = ready
            self._setting.changed()

        def failed(text: str) -> None:
            self._event("Warning", "Unhealthy", f"Readiness probe failed: {text}")

        self._prober = probes.Prober(probe, attempt, changed, failed)
        self._prober.start(self.spec.name)

    def _probe_by_command(self, probe: specs.Probe) -> probes.Outcome:
        code, said = self.run_beside(probe.command, timeout_s=probe.timeout_s)
        return probes.Outcome(ok=code == 0, text=said)

    def run_beside(self, command: tuple[str, ...], *, timeout_s: float) -> tuple[int, str]:
        """Run a command in the container and wait for it; its exit code, -1 if it took too long, and what it said."""
        child = self.child
        if child is None:
            return -1, "the container is not running"
        order = self.order(command)
        helper = runtime.start_beside(
            order, child.pid, self._setting.around.cgroup, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            said = helper.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            runtime.end(helper, signal.SIGKILL)
            helper.communicate()
            return -1, f"command timed out after {timeout_s:g}s"
        return helper.returncode, said.decode(errors="backslashreplace").strip()

    def order(self, command: tuple[str, ...]) -> runtime.Order:
        """A further command in the container, with its environment and in its folder."""
        return runtime.Order(
            argv=self._image.named(command), environment=self.environment, folder=self.spec.working_folder
        )

    def _no_image(self) -> None:
        text = f'failed to pull and unpack image "{self.spec.image}": the lab has no such image'
        if self.due == 0.0:
            self._event("Normal", "Pulling", f'Pulling image "{self.spec.image}"')
            self._event("Warning", "Failed", f'Failed to pull image "{self.spec.image}": {text}')
            self._event("Warning", "Failed", "Error: ErrImagePull")
            self.state = statuses.Waiting(reason="ErrImagePull", message=text)
            self.due = time.monotonic() + 1.0
            return
        self._event("Normal", "BackOff", f'Back-off pulling image "{self.spec.image}"')
        self._event("Warning", "Failed", "Error: ImagePullBackOff")
        message = f'Back-off pulling image "{self.spec.image}": ErrImagePull: {text}'
        self.state = statuses.Waiting(reason="ImagePullBackOff", message=message)
        self._back_off()

    def _refused(self, reason: str, message: str) -> None:
        self._event("Warning", "Failed", f"Error: {message}")
        self.state = statuses.Waiting(reason=reason, message=message)
        self._back_off()

    def _back_off(self) -> float:
        wait = BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)]
        self._failures += 1
        self.due = time.monotonic() + wait
        return wait

    def collect(self) -> bool:
        """Take note of the end of the current run, if it has ended."""
        if self.child is None or self.child.poll() is None:
            return False
        assert isinstance(self.state, statuses.Running)
        code = self.child.returncode
        runtime.end(self.child, signal.SIGKILL)
        self._stop_probing()
        os.close(self.pidfd)
        self.child, self.pidfd = None, -1
        if self.log is not None:
            self._setting.pump.finish(self.log)
        self.state = statuses.Terminated(
            exit_code=code if code >= 0 else 128 - code,
            reason="Error" if code else "Completed",
            started=self.state.started,
            finished=moments.now(),
            container_id=self.container_id,
        )
        return True

    def plan_restart(self) -> None:
        """The current run has ended and there shall be another: at once the first time, then after a back-off."""
        assert isinstance(self.state, statuses.Terminated)
        if time.monotonic() - self._began > FORGET_S:
            self._failures = 0
        self.last = self.state
        if self.restarts == 0:
            self.due = time.monotonic()
            self.restarts += 1
            return
        wait = self._back_off()
        self.restarts += 1
        pod = self._setting.pod
        text = f"restarting failed container={self.spec.name} pod={pod.name}_{pod.namespace}({pod.uid})"
        self.state = statuses.Waiting(reason="CrashLoopBackOff", message=f"back-off {_minutes(wait)} {text}")
        self._event("Warning", "BackOff", f"Back-off {text}")

    def signal(self, number: int) -> None:
        """Send a signal to the current run, if there is one."""
        if self.child is not None:
            runtime.end(self.child, number)

    def announce_end(self) -> None:
        """Report that the container is being stopped."""
        if self.child is not None:
            self._event("Normal", "Killing", f"Stopping container {self.spec.name}")

    def _stop_probing(self) -> None:
        if self._prober is not None:
            self._prober.stop()
            self._prober = None
        self.ready = False

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._setting.event(kind, reason, message, self.spec.name)


def log_path(folder: Path, container: str, run: int) -> Path:
    """Where the log of one run of a container is, counted from 0."""
    return folder / container / f"{run}.log"


def _expanded(words: tuple[str, ...], values: dict[str, str]) -> tuple[str, ...]:
    return tuple(environment.expand(word, values) for word in words)


def _minutes(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60}s"
