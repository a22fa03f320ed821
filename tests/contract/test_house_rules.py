"""The rules that a machine can check, as part of every test run: the same commands that ``tox`` runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.core import process

ROOT = Path(__file__).resolve().parents[2]
CODE = ["harness", "fixtures", "tests", "manifests", "conftest.py", "bench"]


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["ruff", "format", "--check", *CODE], id="format"),
        pytest.param(["ruff", "check", *CODE], id="lint"),
        pytest.param(["mypy"], id="types"),
        pytest.param(["lint-imports"], id="layers"),
    ],
)
def test_the_code_keeps_the_rules(argv: list[str]) -> None:
    """Layout, lint, types and layers hold; what a tool says about a breach is the failure's text."""
    program = Path(sys.executable).with_name(argv[0])
    done = process.run([str(program), *argv[1:]], cwd=ROOT, check=False, timeout_s=600)
    assert done.returncode == 0, f"{done.text}\n{done.stderr.decode(errors='backslashreplace')}"


def test_no_module_grows_past_the_limit() -> None:
    """A module of more than four hundred lines wants to be two."""
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("harness", "fixtures")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
