"""Where the probe runs: an argv prefix that starts a Python on a host, in a namespace or in a container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

AGENT = Path(__file__).with_name("agent.py")


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One place to probe from.

    Attributes:
        prefix: The argv that runs a program there, such as ``("docker", "exec", "-i", "client")``; may be empty.
        python: A Python 3.8 or newer at that place.
    """

    prefix: tuple[str, ...]
    python: str = "python3"

    def argv(self) -> tuple[str, ...]:
        """What starts the agent there; the source travels as an argument, so nothing has to be copied first."""
        return (*self.prefix, self.python, "-u", "-c", AGENT.read_text())
