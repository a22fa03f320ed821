"""Writes ``built_in.json``: the fields of Kubernetes' own kinds, read from the ``kubernetes`` package's models.

    python -m harness.lab.apiserver.schema.generate

The server reads the file and never imports the package, which costs a second and sixty megabytes. A unit test
compares the file with the package that is installed. Each type is a mapping from field to type: ``str``, ``int``,
``bool``, ``float``, ``object`` (anything), ``datetime``, the name of another type, ``[T`` for a list of T and
``{T`` for a mapping of strings to T.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

from harness.lab.apiserver import registry

PATH = Path(__file__).with_name("built_in.json")
MADE_FROM = "37"
"""The major version of the package that the file was made from."""
_LIST = re.compile(r"^[Ll]ist\[(.+)\]$")
_DICT = re.compile(r"^[Dd]ict[\[(]str, ?(.+)[\])]$")
_EXTRA = ("V1Binding", "V1Scale", "V1DeleteOptions")
_SIMPLE = frozenset({"str", "int", "bool", "float", "object", "datetime", "date", "bytes"})


def package_version() -> str:
    """The major version of the package that is installed."""
    return importlib.metadata.version("kubernetes").partition(".")[0]


def compact(name: str) -> str:
    """The file's word for a type of the models: ``List[V1Pod]`` becomes ``[V1Pod``."""
    if found := _LIST.match(name):
        return "[" + compact(found[1])
    if found := _DICT.match(name):
        return "{" + compact(found[1])
    return name


def built_in() -> dict[str, dict[str, str]]:
    """Every type that a built-in kind of the registry reaches, by name."""
    models: Any = importlib.import_module("kubernetes.client.models")
    found: dict[str, dict[str, str]] = {}
    todo = [item.schema for item in registry.RESOURCES if not item.custom] + list(_EXTRA)
    while todo:
        name = todo.pop()
        if name in found or name in _SIMPLE:
            continue
        model = getattr(models, name)
        fields = {model.attribute_map[key]: compact(kind) for key, kind in model.openapi_types.items()}
        found[name] = dict(sorted(fields.items()))
        todo.extend(kind.lstrip("[{") for kind in fields.values())
    return dict(sorted(found.items()))


def text(types: dict[str, dict[str, str]]) -> str:
    """The file's text: one type a line, so that a change of the package is a short difference."""
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in types.items())
    return "{\n" + rows + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(text(built_in()))
