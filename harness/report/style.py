"""How lines look in a terminal: colours, and nothing beyond the hundredth column. Pure."""

from __future__ import annotations

import textwrap

from harness.model import words

WIDTH = 100
GREEN, RED, YELLOW, BOLD, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"
MARKS = {
    words.Outcome.PASS: "ok",
    words.Outcome.FAIL: "FAIL",
    words.Outcome.INVALID: "INV",
    words.Outcome.ERROR: "ERR",
    words.Outcome.SKIP: "SKIP",
}


def painted(text: str, code: str, colour: bool) -> str:
    """The text in that colour, or as it is."""
    return f"{code}{text}{_PLAIN}" if colour else text


def shade(outcome: words.Outcome) -> str:
    """The colour of an outcome."""
    return {words.Outcome.PASS: GREEN, words.Outcome.SKIP: YELLOW}.get(outcome, RED)


def wrapped(text: str, *, indent: str = "  ", lines: int | None = None) -> list[str]:
    """The text in lines that fit, whatever characters somebody's log put into it.

    Args:
        text: What to show; characters that would move the cursor are shown by their codes.
        indent: What later lines begin with.
        lines: How many lines it may take at most; what is cut off shows as an ellipsis.
    """
    shown = textwrap.wrap(printable(text), WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
    if lines is None or len(shown) <= lines:
        return shown
    return [*shown[: lines - 1], f"{shown[lines - 1][: WIDTH - 1]}…"]


def printable(text: str) -> str:
    """The text without anything that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
