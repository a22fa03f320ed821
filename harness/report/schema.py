"""The schema of a run's JSON document, and whether a document keeps it.

The schema is a file of the package, ``run.schema.json``, for every reader in any language. It is compiled by
fastjsonschema, since interpreting it takes a quarter of a minute for the twenty thousand samples of a whole matrix.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema

from harness.core import errors

FILE = Path(__file__).with_name("run.schema.json")
_SHOWN = 200


def check(found: object) -> None:
    """Raise ParseError, in one line that names the place, unless a document keeps the schema."""
    try:
        _compiled()(found)
    except fastjsonschema.JsonSchemaValueException as error:
        raise errors.ParseError(f"damaged: {_short(str(error).replace('data.', '', 1))}") from error


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@functools.cache
def _compiled() -> Callable[[Any], Any]:
    compiled: Callable[[Any], Any] = fastjsonschema.compile(json.loads(FILE.read_text()))
    return compiled
