"""Containers' logs: as written, timed, bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lab.kubelet import logs

MOMENT_NS = 1_795_411_034_000_000_123
STAMP = b"2026-11-23T05:17:14.000000123Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log is."""
    return tmp_path / "main" / "0.log"


def text(path: Path, **chosen: object) -> bytes:
    """What is shown of a log."""
    reader = logs.LogReader(path)
    try:
        return b"".join(logs.select(reader.records(), logs.Selection(**chosen)))  # type: ignore[arg-type]
    finally:
        reader.close()


def test_time_stamps_have_nine_digits() -> None:
    """The form that kubelets read, whatever the fraction."""
    assert logs.timestamp(MOMENT_NS) == STAMP
    assert logs.timestamp(0) == b"1970-01-01T00:00:00.000000000Z"


def test_lines_come_back_as_written(path: Path) -> None:
    """Carriage returns, escapes, empty lines and bytes that are no UTF-8 are kept; an unfinished line comes last."""
    written = b"one\r\n\x1b[31mtwo\x1b[0m\n\n\xff\xfe\nno end"
    writer = logs.LogWriter(path)
    for octet in written:
        writer.take(bytes([octet]), now_ns=MOMENT_NS)
    writer.finish()
    assert text(path) == written


def test_a_line_waits_for_its_end(path: Path) -> None:
    """Half a line is not shown yet."""
    writer = logs.LogWriter(path)
    writer.take(b"whole\nhalf", now_ns=MOMENT_NS)
    assert text(path) == b"whole\n"
    writer.finish()


def test_long_lines_are_parts_of_one(path: Path) -> None:
    """A line longer than a record comes back as one, and counts as one in a tail."""
    long = b"x" * (3 * logs.PART_BYTES + 5)
    writer = logs.LogWriter(path)
    writer.take(b"first\n" + long + b"\nlast\n", now_ns=MOMENT_NS)
    writer.finish()
    assert text(path) == b"first\n" + long + b"\nlast\n"
    assert text(path, tail_lines=2) == long + b"\nlast\n"
    assert text(path, tail_lines=1) == b"last\n"


def test_selection(path: Path) -> None:
    """Tail, since and time stamps choose and show lines."""
    writer = logs.LogWriter(path)
    writer.take(b"old\n", now_ns=MOMENT_NS)
    writer.take(b"new\n", now_ns=MOMENT_NS + 1)
    writer.finish()
    assert text(path, tail_lines=0) == b""
    assert text(path, tail_lines=9) == b"old\nnew\n"
    assert text(path, since=logs.timestamp(MOMENT_NS + 1)) == b"new\n"
    assert text(path, timestamps=True, tail_lines=1) == logs.timestamp(MOMENT_NS + 1) + b" new\n"


def test_a_log_is_bounded(path: Path) -> None:
    """At its limit a log is moved away once, so that never more than two of that size exist; order is kept."""
    writer = logs.LogWriter(path, limit_bytes=200)
    for number in range(50):
        writer.take(b"line %d\n" % number, now_ns=MOMENT_NS)
    writer.finish()
    shown = text(path).split()
    assert shown[-1] == b"49"
    numbers = [int(each) for each in shown[1::2]]
    assert numbers == list(range(numbers[0], 50))
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 2 * 300


def test_a_reader_follows_across_a_rotation(path: Path) -> None:
    """Nothing is lost and nothing comes twice when the file is moved away between two readings."""
    writer = logs.LogWriter(path, limit_bytes=200)
    reader = logs.LogReader(path)
    seen = b""
    for number in range(20):
        writer.take(b"%d\n" % number, now_ns=MOMENT_NS)
        seen += b"".join(logs.select(reader.records(), logs.Selection()))
    writer.finish()
    reader.close()
    assert seen == b"".join(b"%d\n" % number for number in range(20))
    assert logs.rotated(path).exists()
