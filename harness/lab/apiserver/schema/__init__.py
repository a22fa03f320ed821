"""The fields of every kind: read once from the checked-in files beside this module."""

from __future__ import annotations

import functools
import json
from pathlib import Path

Fields = dict[str, str]

_FOLDER = Path(__file__).parent


@functools.cache
def types() -> dict[str, Fields]:
    """Every type by name; ``generate`` says how a field's type is written."""
    found: dict[str, Fields] = json.loads((_FOLDER / "built_in.json").read_text())
    found.update(json.loads((_FOLDER / "custom.json").read_text()))
    return found


def fields_of(name: str) -> Fields | None:
    """The fields of a type, or None for one that is not an object with fields of its own."""
    return types().get(name)
