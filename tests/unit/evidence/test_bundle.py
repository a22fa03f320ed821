"""The bundle is bounded, says what is missing, and never raises."""

from __future__ import annotations

from pathlib import Path

from harness.core import errors
from harness.evidence import bundle


def filled(
    folder: Path, *, file_limit: int = bundle.FILE_LIMIT, whole_limit: int = bundle.WHOLE_LIMIT
) -> bundle.Bundle:
    """A bundle of three findings of 100 octets each."""
    found = bundle.Bundle(folder=folder, title="a <test>", file_limit=file_limit, whole_limit=whole_limit)
    for name in ("a", "b", "c"):
        found.add(f"logs/{name}.log", "log", lambda: b"x" * 90 + b"the newest")
    found.close()
    return found


def test_findings_are_files_and_a_page_links_them(tmp_path: Path) -> None:
    """The page names each with its size, and its title can't become markup."""
    found = filled(tmp_path)
    page = (tmp_path / bundle.INDEX).read_text()
    assert [entry.size for entry in found.entries] == [100, 100, 100]
    assert all(f'href="logs/{name}.log"' in page for name in "abc")
    assert "a &lt;test&gt;" in page
    assert "<test>" not in page


def test_of_a_long_finding_the_end_is_kept(tmp_path: Path) -> None:
    """That is where the news is, and the page says that it was shortened."""
    found = filled(tmp_path, file_limit=10)
    assert (tmp_path / "logs" / "a.log").read_bytes() == b"the newest"
    assert "the last 10 of 100 octets" in found.entries[0].note


def test_the_whole_is_bounded(tmp_path: Path) -> None:
    """What no longer fits is named, and not written."""
    found = filled(tmp_path, whole_limit=150)
    assert found.size == 150
    assert "left out" in found.entries[2].note
    assert not (tmp_path / "logs" / "c.log").exists()


def test_what_can_not_be_had_says_why_without_secrets(tmp_path: Path) -> None:
    """The reason stands in the place of the finding."""
    found = bundle.Bundle(folder=tmp_path, title="t")

    def refuse() -> bytes:
        raise errors.ApiError(403, "Forbidden", "token=abcdefgh12345678 may not")

    found.add("api/x.json", "objects", refuse)
    found.close()
    page = (tmp_path / bundle.INDEX).read_text()
    assert "not collected: 403 Forbidden" in page
    assert "abcdefgh12345678" not in page


def test_packets_are_not_touched(tmp_path: Path) -> None:
    """A capture is bytes, and looking for words in it would damage it."""
    found = bundle.Bundle(folder=tmp_path, title="t")
    raw = b"\xd4\xc3\xb2\xa1 password=abc \x00\xff"
    found.add("pcap/n.pcap", "packets", lambda: raw)
    assert (tmp_path / "pcap" / "n.pcap").read_bytes() == raw


def test_a_folder_that_can_not_be_written_raises_nothing(tmp_path: Path) -> None:
    """A full disk must not hide the run's own verdict."""
    (tmp_path / "file").write_text("")
    assert filled(tmp_path / "file").size == 0
