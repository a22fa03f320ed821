"""Files from elsewhere: downloaded once, held to their checksum, or taken from a folder that the user names."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import requests

from harness.clusters.kind import pins
from harness.core import errors, timeouts

log = logging.getLogger("harness.kind")

Fetch = Callable[[str], bytes]
_TIMEOUT_S = timeouts.DEFAULT.download_s


def cache_folder() -> Path:
    """Where downloads are kept between runs: ``SOURCEIP_CACHE_DIR``, or the user's own cache."""
    chosen = os.environ.get("SOURCEIP_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "sourceip"


def download(url: str) -> bytes:
    """The file behind an address.

    Raises:
        CapabilityMissing: It can't be had.
    """
    try:
        reply = requests.get(url, timeout=_TIMEOUT_S)
        reply.raise_for_status()
    except requests.RequestException as error:
        raise errors.CapabilityMissing(
            "download", f"{url}: {error}", "--calico-manifests FOLDER takes local files instead"
        ) from error
    return reply.content


def manifest(
    wanted: pins.Pinned,
    *,
    version: str,
    local: Path | None,
    allow_unpinned: bool,
    fetch: Fetch = download,
    cache: Path | None = None,
) -> tuple[bytes, str]:
    """A manifest's bytes and their SHA-256 checksum.

    Args:
        wanted: The file.
        version: The release that it is of, which keeps its place in the cache.
        local: A folder that has it; nothing is downloaded then.
        allow_unpinned: Whether a file that no checksum is known for may be used.
        fetch: Downloads.
        cache: Where downloads are kept; the user's cache by default.

    Raises:
        UsageError: It has no known checksum and that is not allowed, or the local file is not there.
        CapabilityMissing: It can't be downloaded, or is not what it must be.
    """
    if wanted.sha256 is None and not allow_unpinned:
        raise errors.UsageError(
            f"{wanted.name} of {version}: no checksum is known; --allow-unpinned takes it all the same and records it"
        )
    if local is not None:
        data, where = _local(local / wanted.name), str(local / wanted.name)
    else:
        data, where = _cached(wanted, (cache or cache_folder()) / version, fetch), wanted.url
    found = hashlib.sha256(data).hexdigest()
    if wanted.sha256 is not None and found != wanted.sha256:
        raise errors.CapabilityMissing(
            "checksum", f"{where} is {found} and must be {wanted.sha256}", "it is not the file of that release"
        )
    return data, found


def _local(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.UsageError(f"--calico-manifests: {path}: {error.strerror}") from error


def _cached(wanted: pins.Pinned, folder: Path, fetch: Fetch) -> bytes:
    """What the cache has if it is right, else a download, which is then kept; a cache that can't be written is none."""
    place = folder / wanted.name
    if wanted.sha256 is not None and place.is_file():
        kept = place.read_bytes()
        if hashlib.sha256(kept).hexdigest() == wanted.sha256:
            return kept
    data = fetch(wanted.url)
    draft = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(place)
    except OSError as error:
        log.warning("not kept: %s: %s", place, error)
    return data
