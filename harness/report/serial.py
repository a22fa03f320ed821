"""A run as JSON: versioned, complete, held against its schema on the way out and on the way in.

The document has the names of the model's own fields; what equals its default is left out, and one verdict is one line,
so that a record can be searched with ``grep`` and read with ``jq``. ``name``, ``outcome``, ``passed``, ``dialled`` and
``dataplane`` are there for such readers only: reading a record works them out again.

Version 2 can be read back; version 1, which could not, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from harness.core import errors
from harness.model import records
from harness.report import codec, schema

KIND = "sourceip.run"
VERSION = 2


def render(record: records.RunRecord) -> str:
    """The whole record as JSON text, with a newline at its end.

    Raises:
        ParseError: The record is not what its schema says, so that nobody could read it.
    """
    found = document(record)
    schema.check(found)
    return _text(found)


def document(record: records.RunRecord) -> dict[str, Any]:
    """The whole record as plain data; ``version`` changes whenever a reader would have to."""
    about = {"kind": KIND, "version": VERSION, "outcome": record.outcome.value, "passed": record.passed}
    return {**about, **codec.plain(record)}


def read(path: Path) -> records.RunRecord:
    """The record in a file, equal to the one that was written.

    Raises:
        UsageError: It can't be read, is no record, of another version, or damaged; one line says which.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.UsageError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, errors.ParseError) as error:
        raise errors.UsageError(f"{path}: {error}") from error


def parse(text: str) -> records.RunRecord:
    """The record in a document's text; raises ParseError."""
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise errors.ParseError(f"no JSON, or not all of it: {error}") from error
    _check_kind(found)
    schema.check(found)
    return codec.record(found)


def _check_kind(found: object) -> None:
    kind = found.get("kind") if isinstance(found, dict) else None
    if not isinstance(found, dict) or kind != KIND:
        raise errors.ParseError(f"not a record of a run: its kind is {kind!r}, not {KIND!r}")
    version = found.get("version")
    if type(version) is not int or version != VERSION:
        raise errors.ParseError(f"a record of version {version!r}, and this program reads {VERSION}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _text(found: Mapping[str, Any]) -> str:
    """Laid out by hand: Python's own indentation takes seconds for a whole matrix, and splits every sample."""
    phases = ",".join(f"\n  {_phase(phase)}" for phase in found["phases"])
    head = [f"{_line(key)}: {_line(value)}" for key, value in found.items() if key != "phases"]
    return "{\n " + ",\n ".join([*head, f'"phases": [{phases}\n ]']) + "\n}\n"


def _phase(phase: Mapping[str, Any]) -> str:
    verdicts = ",".join(f"\n   {_line(verdict)}" for verdict in phase["verdicts"])
    head = [f"{_line(key)}: {_line(value)}" for key, value in phase.items() if key != "verdicts"]
    return "{" + ", ".join([*head, f'"verdicts": [{verdicts}\n  ]']) + "}"


def _line(value: object) -> str:
    # Pure ASCII, so that half a surrogate from somebody's log can be written and comes back as it was.
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
