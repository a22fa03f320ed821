"""What the stand-ins for kind and docker share: their state, what they were told to break, and their refusals.

A stand-in accepts the commands that the provider uses, in the form in which it uses them, and ends with 64 for any
other, so that a flow that would not work with the real program does not pass with this one either.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

UNKNOWN = 64


class State:
    """The stand-ins' world, in one file: clusters, containers and images, and every command that was run."""

    def __init__(self, folder: Path) -> None:
        """A world that is kept in that folder."""
        self.folder = folder
        self.file = folder / "world.json"
        self.world: dict[str, Any] = {"clusters": {}, "containers": {}, "images": [], "loaded": []}
        if self.file.exists():
            self.world = json.loads(self.file.read_text())

    def save(self) -> None:
        """Keep it."""
        draft = self.file.with_suffix(".part")
        draft.write_text(json.dumps(self.world, indent=1))
        draft.replace(self.file)

    def log(self, argv: list[str]) -> None:
        """Remember a command."""
        with (self.folder / "commands.jsonl").open("a") as file:
            file.write(json.dumps(argv) + "\n")

    @property
    def commands(self) -> list[list[str]]:
        """All commands so far."""
        path = self.folder / "commands.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def here() -> State:
    """The world of this process, which ``SOURCEIP_STANDINS`` names."""
    return State(Path(os.environ["SOURCEIP_STANDINS"]))


def broken(step: str) -> bool:
    """Whether the test wants that step to fail: the file ``broken`` names it, which can change during a run."""
    file = Path(os.environ["SOURCEIP_STANDINS"]) / "broken"
    return file.exists() and step in file.read_text().split()


def refuse(program: str, argv: list[str]) -> NoReturn:
    """End a command that the real program would perhaps know and this one does not."""
    sys.stderr.write(f"{program} (stand-in): I do not know: {' '.join(argv)}\n")
    raise SystemExit(UNKNOWN)


def fail(text: str, code: int = 1) -> NoReturn:
    """End as the real program does when a step fails."""
    sys.stderr.write(f"{text}\n")
    raise SystemExit(code)
