"""Where the recordings of real clusters are.

They stand beside the project, not in it: they are shared by everything that is held against them.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def path() -> Path:
    """The folder of the recordings; an error if it is not there, since a contract that is not held is none."""
    folder = ROOT.parent / "shared" / "recordings"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: the recordings of real clusters belong beside the project")
    return folder


def acceptance() -> Path:
    """The folder of the programs that a finished part must pass unchanged."""
    return path().parent / "acceptance"
