"""The report's files: ``run.json``, ``junit.xml`` and ``report.html``, each written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from harness.core import errors
from harness.model import records
from harness.report import junit, page, serial


def prepare(folder: Path) -> None:
    """Make the folder, so that one that can't be is found out before the run and not after it.

    Raises:
        UsageError: It can't be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".run.json.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise errors.UsageError(f"report directory {folder}: {error.strerror}") from error


def write(record: records.RunRecord, folder: Path) -> tuple[Path, ...]:
    """Write all files of a run into a folder, made if it is not there; returns their paths.

    The record comes first: every other file can be made from it again.

    Raises:
        UsageError: The folder can't be written.
        ParseError: The record is not what its schema says.
    """
    prepare(folder)
    for name, render in RENDERERS.items():
        put(folder / name, render(record))
    return tuple(folder / name for name in RENDERERS)


RENDERERS = {"run.json": serial.render, "junit.xml": junit.render, "report.html": page.render}


def put(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the whole new one, never a part; raises UsageError."""
    draft = path.with_name(f".{path.name}.part")
    try:
        # Half a surrogate from somebody's log is no reason to lose a report.
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
        draft.replace(path)
    except OSError as error:
        raise errors.UsageError(f"{path}: {error.strerror}") from error
    finally:
        if path.parent.is_dir():
            draft.unlink(missing_ok=True)
