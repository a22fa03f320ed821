"""``docs/troubleshooting.md`` quotes the tool: every heading is something that the code really says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
VARIABLE = "…"
_QUOTED = re.compile(r"^### `(.+)`$", re.MULTILINE)


def symptoms() -> list[str]:
    """What the page quotes, in its order."""
    return _QUOTED.findall(PAGE.read_text())


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every string of a module, with an ellipsis where a value is put in; docstrings and comments are none."""
    quiet = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else VARIABLE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in quiet:
            yield node.value


@cache
def said() -> tuple[str, ...]:
    """Everything that the harness can say, the lab's own programs left out."""
    files = [path for path in (ROOT / "harness").rglob("*.py") if "lab" not in path.relative_to(ROOT).parts]
    return tuple(text for path in files for text in _texts(ast.parse(path.read_text())))


def quotes(symptom: str, text: str) -> bool:
    """Whether a text has the symptom's fixed parts, in their order."""
    parts = [re.escape(part) for part in symptom.split(VARIABLE) if part.strip()]
    return re.search(".*".join(parts), text, re.DOTALL) is not None


def test_the_page_has_symptoms() -> None:
    """The test below looks at something, and no symptom is there twice."""
    assert len(symptoms()) > 30
    assert len(set(symptoms())) == len(symptoms())


@pytest.mark.parametrize("symptom", symptoms())
def test_every_symptom_is_one_that_the_code_says(symptom: str) -> None:
    """A text that was changed in the code and not on the page is found here."""
    assert any(quotes(symptom, text) for text in said()), f"nothing says {symptom!r}"


@pytest.mark.parametrize("symptom", ["nobody says this", "saw … in place of …"])
def test_a_symptom_that_nobody_says_would_be_found(symptom: str) -> None:
    """The check can fail."""
    assert not any(quotes(symptom, text) for text in said())


def test_every_symptom_has_a_cause_and_something_to_do() -> None:
    """A heading without help is none."""
    parts = re.split(r"^### .+$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    assert all("*Cause.*" in part and "*Do.*" in part for part in parts)


def test_every_cause_in_the_environment_is_on_the_page() -> None:
    """A finding that a person can meet has its section."""
    modules = [path.read_text() for path in (ROOT / "harness" / "checks" / "environment").glob("*.py")]
    named = {name for text in modules for name in re.findall(r"\bcause=([A-Z_]+)", text)}
    values = {
        name: value for text in modules for name, value in re.findall(r'^([A-Z_]+) = "(.+)"$', text, re.MULTILINE)
    }
    assert named
    assert {values[name] for name in named} <= set(symptoms())
