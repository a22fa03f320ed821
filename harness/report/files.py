"""The report's files: ``run.json`` and ``junit.xml``, each written whole."""

from __future__ import annotations

from pathlib import Path

from harness.core import errors
from harness.model import records
from harness.report import junit, serial


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

    Raises:
        UsageError: The folder can't be written.
    """
    prepare(folder)
    contents = {"run.json": serial.render(record), "junit.xml": junit.render(record)}
    try:
        for name, text in contents.items():
            draft = folder / f".{name}.part"
            draft.write_text(text)
            draft.replace(folder / name)
    except OSError as error:
        raise errors.UsageError(f"report directory {folder}: {error.strerror}") from error
    return tuple(folder / name for name in contents)
