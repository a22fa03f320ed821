"""The one door for programs.

Every program that the harness or the lab runs passes here as an argv list; there are no shell strings.
Each call is logged once, and a failure is an error with data.
"""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from harness.core import errors

log = logging.getLogger("harness.process")

DEFAULT_TIMEOUT_S = 60.0

Child: TypeAlias = subprocess.Popen[bytes]
"""A running program that the caller owns."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A program that ended.

    Attributes:
        argv: What ran.
        returncode: Its exit code.
        stdout: What it wrote, as bytes: logs are split on b"\\n" and nothing else.
        stderr: What it wrote to standard error, as bytes.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 are shown escaped."""
        return self.stdout.decode(errors="backslashreplace")


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Completed:
    """Run a program to its end.

    Args:
        argv: The program and its arguments.
        stdin: Bytes for its standard input; without them it reads nothing.
        timeout_s: Seconds after which it is ended.
        check: Whether an exit code other than 0 is an error.
        env: Its whole environment; None keeps this process's.
        cwd: Where it runs.

    Raises:
        CommandError: It failed (with ``check``), or there is no such program (exit code 127).
        CommandTimeout: It did not end in time.
    """
    log.debug("run: %s", shlex.join(argv))
    try:
        # subprocess.run ends the child itself when the time is up.
        done = subprocess.run(
            list(argv),
            input=stdin if stdin is not None else b"",
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=dict(env) if env is not None else None,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise errors.CommandError(argv, 127, "", f"{error.filename}: no such program") from error
    except subprocess.TimeoutExpired as error:
        raise errors.CommandTimeout(argv, timeout_s, _text(error.stdout), _text(error.stderr)) from error
    if check and done.returncode != 0:
        raise errors.CommandError(argv, done.returncode, _text(done.stdout), _text(done.stderr))
    return Completed(argv=tuple(argv), returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)


def start(
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
    before_exec: Callable[[], None] | None = None,
) -> Child:
    """Start a program that goes on running; the caller owns it and must end it.

    Args:
        argv: The program and its arguments.
        stdin: As for ``subprocess.Popen``; nothing by default.
        stdout: As for ``subprocess.Popen``; inherited by default.
        stderr: As for ``subprocess.Popen``; inherited by default.
        env: Its whole environment; None keeps this process's.
        cwd: Where it runs.
        pass_fds: Descriptors that it inherits.
        new_session: Whether it leads a session of its own, out of reach of the terminal's Ctrl-C.
        before_exec: Runs in the child before the program does: the place to enter namespaces.

    Raises:
        CommandError: There is no such program (exit code 127).
    """
    log.debug("start: %s", shlex.join(argv))
    try:
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            pass_fds=tuple(pass_fds),
            start_new_session=new_session,
            preexec_fn=before_exec,  # noqa: PLW1509 - namespaces must be entered between fork and exec
        )
    except FileNotFoundError as error:
        raise errors.CommandError(argv, 127, "", f"{error.filename}: no such program") from error


def replace(argv: Sequence[str]) -> None:
    """Become another program, as ``lab client -- CMD`` does; returns only by raising.

    Raises:
        CommandError: There is no such program (exit code 127).
    """
    log.debug("exec: %s", shlex.join(argv))
    try:
        os.execvp(argv[0], list(argv))
    except FileNotFoundError as error:
        raise errors.CommandError(argv, 127, "", f"{argv[0]}: no such program") from error


def _text(data: bytes | str | None) -> str:
    return data.decode(errors="backslashreplace") if isinstance(data, bytes) else data or ""
