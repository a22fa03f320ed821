"""The container engine below kind: Docker, or Podman where kind is told to use it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import errors, process, timeouts

_PROVIDER = "KIND_EXPERIMENTAL_PROVIDER"
_QUICK_S = timeouts.DEFAULT.tool_s
_LOAD_S = timeouts.DEFAULT.image_s


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
        self.run("build", "--tag", tag, str(folder), timeout_s=_LOAD_S)

    def name(self, image: str) -> str | None:
        """An image's whole name, as it is in an archive and so on a node; None if there is no such image.

        Podman keeps what it built under ``localhost/``, where a node that is asked for the short name never looks.

        Raises:
            CommandError: The engine says what has no form.
        """
        found = self.inspect("image", image)
        if found is None:
            return None
        names = [str(name) for name in found.get("RepoTags") or ()]
        return next((name for name in names if name == image or name.endswith(f"/{image}")), image)

    def save(self, image: str, archive: Path) -> None:
        """Write an image as an archive of this machine's platform only; raises CommandError.

        With its containerd image store (the default since Docker 29) Docker writes an index of all platforms and the
        contents of one, which kind's ``ctr import --all-platforms`` refuses (kubernetes-sigs/kind#3795). An engine that
        does not know the option, which is one before Docker 28 and Podman, writes one platform anyway.
        """
        found = self.inspect("image", image) or {}
        platform = f"{found.get('Os', 'linux')}/{found['Architecture']}" if found.get("Architecture") else ""
        plain = ["save", "--output", str(archive), image]
        if platform:
            done = self.run("save", "--platform", platform, *plain[1:], timeout_s=_LOAD_S, check=False)
            if done.returncode == 0:
                return
        self.run(*plain, timeout_s=_LOAD_S)

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
