"""Everything the harness can raise.

* HarnessError
  + UsageError            the caller asked for something that can't be; the command line exits with 2
  + CapabilityMissing     this machine cannot do it, with the reason and what would help
  + CommandError          a program ran and failed
    - CommandTimeout      a program did not end in time
  + WaitError
    - WaitTimeout         the condition never held
    - WaitAborted         the condition can no longer hold
  + CleanupError          something could not be removed
  + ParseError            input from outside has not the form it must have
  + ApiError              the Kubernetes API answered with a Status of failure

No third-party exception type leaves the module that calls the third party.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class HarnessError(Exception):
    """The base of every error that the harness raises on purpose."""


class UsageError(HarnessError):
    """The caller asked for something that can't be: one line says what, and the exit code is 2."""


class CapabilityMissing(HarnessError):
    """This machine cannot run the check.

    Attributes:
        capability: What is missing, in one or two words.
        reason: How that showed.
        remedy: What a person can do about it; may be empty.
    """

    def __init__(self, capability: str, reason: str, remedy: str = "") -> None:
        self.capability = capability
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{capability}: {reason}" + (f" ({remedy})" if remedy else ""))


class CommandError(HarnessError):
    """A program ran and failed. What it was and what it said are in the text."""

    def __init__(self, argv: Sequence[str], returncode: int, stdout: str, stderr: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        said = (stderr.strip() or stdout.strip())[-2000:]
        super().__init__(f"{shlex.join(argv)} ended with {returncode}" + (f": {said}" if said else ""))


class CommandTimeout(CommandError):
    """A program did not end in time and was ended."""

    def __init__(self, argv: Sequence[str], timeout_s: float, stdout: str, stderr: str) -> None:
        self.timeout_s = timeout_s
        super().__init__(argv, -9, stdout, stderr or f"no end within {timeout_s:g} s")


class WaitError(HarnessError):
    """A condition that was waited for did not come."""


class WaitTimeout(WaitError):
    """The condition did not hold before the deadline; the last state seen is in the text."""

    def __init__(self, what: str, timeout_s: float, last: object) -> None:
        self.what = what
        self.timeout_s = timeout_s
        self.last = last
        super().__init__(f"{what}: not within {timeout_s:g} s; last seen: {last}")


class WaitAborted(WaitError):
    """The condition can no longer hold; the state that shows it is in the text."""

    def __init__(self, what: str, last: object) -> None:
        self.what = what
        self.last = last
        super().__init__(f"{what}: can no longer happen; seen: {last}")


class CleanupError(HarnessError):
    """One or more steps of a cleanup failed; every step was tried.

    Attributes:
        failures: The label and the exception of each step that failed.
    """

    def __init__(self, failures: Sequence[tuple[str, BaseException]]) -> None:
        self.failures = tuple(failures)
        super().__init__("; ".join(f"{label}: {error}" for label, error in failures))


class ParseError(HarnessError):
    """Input from outside has not the form it must have."""


class ApiError(HarnessError):
    """The Kubernetes API answered with a failure.

    Attributes:
        code: The HTTP status.
        reason: Kubernetes' own word, such as ``NotFound`` or ``Conflict``.
        message: Kubernetes' own sentence.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code = code
        self.reason = reason
        self.message = message
        super().__init__(f"{code} {reason}: {message}")

    @property
    def is_momentary(self) -> bool:
        """Whether the API could not answer just then, so that the same request may be answered later.

        An API server that is busy with new definitions, or whose etcd waits for a disk, answers 429 or a 5xx.
        """
        return self.reason == "Unreachable" or self.code in (429, 500, 502, 503, 504)
