"""The kubectl of this machine, driven as a person would drive it."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.core import errors, process

Object = dict[str, Any]

_TIMEOUT_S = 60.0
_VARIABLE = "KUBECTL"
"""Names another kubectl, as it does for the acceptance walk-through."""


class Kubectl:
    """Runs kubectl against one cluster, with a home directory of its own so that no cache is shared or left."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._program = program()
        self._env = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(kubeconfig)}

    def __call__(self, *argv: str, stdin: str | Object | None = None) -> str:
        """What kubectl prints.

        Raises:
            CommandError: It failed; what it said is in it.
        """
        return self._run(argv, stdin, check=True).text

    def refused(self, *argv: str, stdin: str | Object | None = None) -> errors.CommandError:
        """The failure of a command that must fail."""
        try:
            said = self(*argv, stdin=stdin)
        except errors.CommandError as error:
            return error
        raise AssertionError(f"kubectl {' '.join(argv)} did not fail but said: {said}")

    def json(self, *argv: str) -> Object:
        """What ``kubectl ... -o json`` prints, parsed."""
        parsed: Object = json.loads(self(*argv, "-o", "json"))
        return parsed

    def binary(self, *argv: str, stdin: bytes) -> bytes:
        """What kubectl prints for bytes on its standard input."""
        return process.run([self._program, *argv], stdin=stdin, timeout_s=_TIMEOUT_S, env=self._env).stdout

    def _run(self, argv: tuple[str, ...], stdin: str | Object | None, *, check: bool) -> process.Completed:
        text = json.dumps(stdin) if isinstance(stdin, dict) else stdin or ""
        return process.run(
            [self._program, *argv], stdin=text.encode(), timeout_s=_TIMEOUT_S, env=self._env, check=check
        )

    @contextmanager
    def following(self, *argv: str) -> Iterator[Following]:
        """A kubectl that goes on running, such as ``get -w``; ended with the block."""
        child = process.start([self._program, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._env)
        try:
            yield Following(child)
        finally:
            child.kill()
            child.communicate()


class Following:
    """The lines of a running kubectl, as they come."""

    def __init__(self, child: process.Child) -> None:
        self._child = child
        self._buffer = b""
        self.seen: list[str] = []

    def until(self, wanted: Callable[[str], bool], timeout_s: float = _TIMEOUT_S) -> str:
        """The first line from here on that is wanted.

        Raises:
            WaitTimeout: It did not come; every line seen is in the text.
            WaitAborted: kubectl ended before.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            line = self._next(deadline, timeout_s)
            self.seen.append(line)
            if wanted(line):
                return line

    def ended(self, timeout_s: float = _TIMEOUT_S) -> int:
        """Wait for its end; its exit code."""
        return self._child.wait(timeout_s)

    def _next(self, deadline: float, timeout_s: float) -> str:
        while b"\n" not in self._buffer:
            assert self._child.stdout is not None
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._child.stdout], [], [], left)[0]:
                raise errors.WaitTimeout("a line of kubectl", timeout_s, self.seen)
            data = os.read(self._child.stdout.fileno(), 65536)
            if not data:
                raise errors.WaitAborted("a line of kubectl", self.seen)
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()


def program() -> str:
    """The kubectl to use."""
    return os.environ.get(_VARIABLE, "kubectl")


def available() -> bool:
    """Whether this machine has it."""
    return shutil.which(program()) is not None
