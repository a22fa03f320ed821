"""Downloads: held to their checksum, kept, and replaced by local files where a user says so."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.clusters.kind import fetching, pins
from harness.core import errors

DATA = b"kind: Namespace\n"
SUM = hashlib.sha256(DATA).hexdigest()


class Remote:
    """A place that has one file, and counts how often it was asked."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        """The file."""
        self.asked.append(url)
        return self.data


def taken(
    tmp_path: Path, remote: Remote, *, sha256: str | None = SUM, local: Path | None = None, allow: bool = False
) -> bytes:
    """The manifest's bytes."""
    wanted = pins.Pinned(name="m.yaml", url="https://example.invalid/m.yaml", sha256=sha256)
    data, checksum = fetching.manifest(
        wanted, version="v1", local=local, allow_unpinned=allow, fetch=remote, cache=tmp_path / "cache"
    )
    assert checksum == hashlib.sha256(data).hexdigest()
    return data


def test_a_download_is_kept(tmp_path: Path) -> None:
    """The second run asks nobody."""
    remote = Remote()
    assert taken(tmp_path, remote) == taken(tmp_path, remote) == DATA
    assert len(remote.asked) == 1


def test_a_damaged_cache_is_not_believed(tmp_path: Path) -> None:
    """What is kept is held to the checksum too, and replaced."""
    remote = Remote()
    taken(tmp_path, remote)
    (tmp_path / "cache" / "v1" / "m.yaml").write_bytes(b"cut off")
    assert taken(tmp_path, remote) == DATA
    assert len(remote.asked) == 2


def test_another_file_than_the_released_one_is_refused(tmp_path: Path) -> None:
    """Both checksums are named."""
    with pytest.raises(errors.CapabilityMissing, match=SUM):
        taken(tmp_path, Remote(b"something else"))


def test_without_a_checksum_nothing_is_asked(tmp_path: Path) -> None:
    """An unpinned file needs the user's word, before any download."""
    remote = Remote()
    with pytest.raises(errors.UsageError, match="--allow-unpinned"):
        taken(tmp_path, remote, sha256=None)
    assert remote.asked == []


def test_an_unpinned_file_is_never_taken_from_the_cache(tmp_path: Path) -> None:
    """Nothing says that the kept one is still the released one."""
    remote = Remote()
    taken(tmp_path, remote, sha256=None, allow=True)
    taken(tmp_path, remote, sha256=None, allow=True)
    assert len(remote.asked) == 2


def test_a_local_file_takes_the_downloads_place_and_is_held_to_the_checksum(tmp_path: Path) -> None:
    """A machine without a way out runs the same thing."""
    remote, folder = Remote(), tmp_path / "local"
    folder.mkdir()
    (folder / "m.yaml").write_bytes(DATA)
    assert taken(tmp_path, remote, local=folder) == DATA
    (folder / "m.yaml").write_bytes(b"edited")
    with pytest.raises(errors.CapabilityMissing, match="must be"):
        taken(tmp_path, remote, local=folder)
    assert remote.asked == []


def test_a_cache_that_can_not_be_written_is_no_failure(tmp_path: Path) -> None:
    """The run goes on with what was downloaded."""
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert taken(tmp_path, Remote()) == DATA


def test_a_download_that_fails_names_the_address_and_the_way_around(tmp_path: Path) -> None:
    """Nothing listens on port 1 of this machine."""
    with pytest.raises(errors.CapabilityMissing, match="--calico-manifests"):
        fetching.download("http://127.0.0.1:1/m.yaml")
