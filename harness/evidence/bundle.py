"""The bundle: one folder of findings, bounded in size, without secrets, with a page that says what is in it.

A finding that can't be had leaves the reason in its place. Nothing here raises into a run: its own verdict must not
be hidden by a full disk.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.core import errors
from harness.evidence import redaction

log = logging.getLogger("harness.evidence")

Collector = Callable[[], bytes]
FILE_LIMIT = 4 << 20
WHOLE_LIMIT = 64 << 20
INDEX = "index.html"
# What is bytes by nature, and would be damaged by looking for words in it.
_BINARY = (".pcap",)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One finding in the bundle.

    Attributes:
        path: Its file, below the bundle's folder.
        what: What it is, in a few words.
        size: How many octets were written.
        note: What is wrong with it: not collected, shortened, left out; empty if nothing is.
    """

    path: str
    what: str
    size: int
    note: str = ""


@dataclass(kw_only=True)
class Bundle:
    """A bundle while it is filled.

    Attributes:
        folder: Where it is.
        title: What it is about, for the page.
        file_limit: The most octets of one finding; of a longer one the end is kept, which is where the news is.
        whole_limit: The most octets of all of them.
        entries: What it has so far.
    """

    folder: Path
    title: str
    file_limit: int = FILE_LIMIT
    whole_limit: int = WHOLE_LIMIT
    entries: list[Entry] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Octets so far."""
        return sum(entry.size for entry in self.entries)

    def add(self, path: str, what: str, collector: Collector) -> None:
        """Collect one finding, whatever becomes of it."""
        try:
            found, note = collector(), ""
        except (errors.HarnessError, OSError) as error:
            found, note = b"", f"not collected: {error}"
        kept, note = self._bounded(_safe(path, found), note)
        # What could not be had has no file, so that nobody takes an empty one for a finding.
        size = self._write(path, kept) if kept or not note else 0
        self.entries.append(Entry(path=path, what=what, size=size, note=redaction.text(note)))

    def _bounded(self, found: bytes, note: str) -> tuple[bytes, str]:
        left = min(self.file_limit, self.whole_limit - self.size)
        if left <= 0:
            return b"", "left out: the bundle is full"
        if len(found) > left:
            return found[-left:], f"shortened: the last {left} of {len(found)} octets"
        return found, note

    def _write(self, path: str, kept: bytes) -> int:
        file = self.folder / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(kept)
        except OSError as error:
            log.warning("evidence %s: %s", file, error)
            return 0
        return len(kept)

    def close(self) -> int:
        """Write the page; returns how many findings there are."""
        self._write(INDEX, page(self.title, self.entries).encode())
        return len(self.entries)


def _safe(path: str, found: bytes) -> bytes:
    return found if path.endswith(_BINARY) else redaction.data(found)


def page(title: str, entries: list[Entry]) -> str:
    """The page that lists the findings, folder by folder. Pure."""
    rows = "\n".join(
        f"<tr><td>{_link(entry)}</td><td>{html.escape(entry.what)}</td><td>{entry.size:,}</td>"
        f"<td>{html.escape(entry.note)}</td></tr>"
        for entry in entries
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: 1px solid #8886; padding: .3rem .6rem; text-align: left; overflow-wrap: anywhere }}
td:nth-child(3), th:nth-child(3) {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }}
</style>
<h1>{html.escape(title)}</h1>
<p>Secrets are left out, and long findings are shortened; the last column says where.</p>
<table>
<thead><tr><th>file</th><th>what it is</th><th>octets</th><th>note</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</html>
"""


def _link(entry: Entry) -> str:
    path = html.escape(entry.path)
    return f'<a href="{path}">{path}</a>' if entry.size else path
