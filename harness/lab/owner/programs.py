"""The lab's own programs: what each is started as, and where."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core import process
from harness.lab import state
from harness.lab.topology import cgroups, kernel, namespaces

PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program of the lab.

    Attributes:
        name: Its name in messages, and of its log.
        module: What Python runs.
        arguments: What follows ``--dir LABDIR``.
        namespace: The network namespace that it runs in; empty for the owner's.
        node: The node whose cgroup and host name it has; empty for none.
        descriptors: What it inherits.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    namespace: str = ""
    node: str = ""
    descriptors: tuple[int, ...] = field(default=())


def of_lab(lab: state.LabState, listeners: Sequence[socket.socket]) -> list[Program]:
    """The programs that a lab has for as long as it lives."""
    descriptors = tuple(listener.fileno() for listener in listeners)
    listen = tuple(word for number in descriptors for word in ("--listen-fd", str(number)))
    plane = lab.nodes[0]
    return [
        Program(
            name="apiserver",
            module="harness.lab.apiserver",
            arguments=listen,
            namespace=plane,
            descriptors=descriptors,
        ),
        Program(name="controllers", module="harness.lab.controllers", namespace=plane),
        *(
            Program(
                name=f"kubelet-{node}",
                module="harness.lab.kubelet",
                arguments=("--node", node),
                namespace=node,
                node=node,
            )
            for node in lab.nodes
        ),
    ]


def argv_of(module: str, *arguments: str) -> list[str]:
    """How this interpreter runs a module of the project."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the lab's own programs: the caller's, and the project on Python's path."""
    path = os.environ.get("PATH", os.defpath)
    return {
        **os.environ,
        "PATH": f"{path}:/usr/sbin:/sbin",
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        # A dozen small programs with a few threads each: an arena a thread costs more than it saves.
        "MALLOC_ARENA_MAX": "1",
        **(extra or {}),
    }


def start(lab: state.LabState, program: Program) -> process.Child:
    """Start a program of the lab; what it says goes to ``log/NAME.log``."""
    argv = argv_of(program.module, "--dir", str(lab.directory), *program.arguments)
    with (lab.directory / "log" / f"{program.name}.log").open("ab") as log:
        return process.start(
            argv,
            stdout=log,
            stderr=log,
            env=environment(),
            pass_fds=program.descriptors,
            before_exec=_entering(lab, program),
        )


def _entering(lab: state.LabState, program: Program) -> Callable[[], None]:
    kernel.libc()

    def enter() -> None:
        if program.node:
            cgroups.join(cgroups.node_path(lab.name, program.node))
            kernel.unshare(kernel.CLONE_NEWUTS)
            socket.sethostname(program.node)
        if program.namespace:
            namespaces.enter(namespaces.path(program.namespace))

    return enter
