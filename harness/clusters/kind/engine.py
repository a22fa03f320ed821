"""The container engine below kind: Docker, or Podman where kind is told to use it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import errors, process

_PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"
_QUICK_S = 30.0
_BUILD_S = 600.0
_LOAD_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One container engine.

    Attributes:
        program: ``docker`` or ``podman``.
        network: The network that kind puts its nodes on.
    """

    program: str
    network: str

    def run(self, *arguments: str, timeout_s: float = _QUICK_S, check: bool = True) -> process.Completed:
        """One command of the engine; raises CommandError."""
        return process.run([self.program, *arguments], timeout_s=timeout_s, check=check)

    def inspect(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """What the engine says of a container, an image or a network; None if there is none of that name.

        Raises:
            CommandError: It says what has no form.
        """
        done = self.run(kind, "inspect", name, check=False)
        if done.returncode != 0:
            return None
        try:
            found = json.loads(done.stdout)
            return dict(found[0])
        except (ValueError, LookupError, TypeError) as error:
            raise errors.CommandError(done.argv, 0, done.text, f"no JSON: {error}") from error

    def build(self, folder: Path, tag: str) -> None:
        """Build an image from a folder with its Dockerfile; raises CommandError."""
        self.run("build", "--tag", tag, str(folder), timeout_s=_BUILD_S)

    def save(self, image: str, archive: Path) -> None:
        """Write an image as an archive; raises CommandError."""
        self.run("save", "--output", str(archive), image, timeout_s=_LOAD_S)

    def load(self, archive: Path) -> None:
        """Take the images of an archive; raises CommandError."""
        self.run("load", "--input", str(archive), timeout_s=_LOAD_S)


def find() -> Engine:
    """The engine that answers: what kind is told to use, or Docker, or Podman.

    Raises:
        CapabilityMissing: None does, with what each said.
    """
    asked = os.environ.get(_PROVIDER)
    programs = (asked,) if asked in ("docker", "podman") else ("docker", "podman")
    refusals = []
    for program in programs:
        refusal = _refusal(program)
        if refusal is None:
            variable = f"KIND_EXPERIMENTAL_{program.upper()}_NETWORK"
            return Engine(program=program, network=os.environ.get(variable) or "kind")
        refusals.append(f"{program}: {refusal}")
    raise errors.CapabilityMissing(
        "container engine", "; ".join(refusals), "install Docker and start it, or use --cluster lab"
    )


def environment(engine: Engine) -> dict[str, str]:
    """What kind must be told so that it uses that engine."""
    return {_PROVIDER: engine.program} if engine.program != "docker" else {}


def _refusal(program: str) -> str | None:
    try:
        done = process.run([program, "version", "--format", "json"], timeout_s=_QUICK_S, check=False)
    except errors.CommandTimeout:
        return f"no answer within {_QUICK_S:g} s"
    except errors.CommandError:
        return "no such program"
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).decode(errors="backslashreplace").strip()
    return said.splitlines()[-1][:200] if said else f"ended with {done.returncode}"
