"""The one image of ours that a kind cluster needs: built from ``manifests/`` and the agents, or named by the user."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.clusters.kind import engine
from harness.core import errors
from harness.kube import manifests
from harness.probing import runners
from harness.witness import application

# Beside the other witnesses; it travels into the image as the file that it is.
_WATCHER = Path(application.__file__).with_name("watcher.py")
_DOCKERFILE = manifests.MANIFESTS / "tools" / "Dockerfile"
_YAOBANK = ("customer", "summary", "database")
_OURS = "sourceip/"


def context() -> Mapping[str, bytes]:
    """The files that the image is built from, by name."""
    files = {"Dockerfile": _DOCKERFILE, "agent.py": runners.AGENT, "watcher.py": _WATCHER}
    files |= {f"{app}.py": manifests.MANIFESTS / "yaobank" / f"{app}.py" for app in _YAOBANK}
    return {name: path.read_bytes() for name, path in files.items()}


def tag(files: Mapping[str, bytes]) -> str:
    """The image's name: it changes with every byte of what it is built from, so an old image is never taken for it."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return f"{_OURS}tools:{digest.hexdigest()[:12]}"


def ensure(found: engine.Engine, wanted: str, archives: Sequence[Path]) -> str:
    """The whole name of an image that the engine has: the user's, from an archive if need be, or one of our own files.

    Raises:
        CapabilityMissing: The user's image is nowhere, or ours can't be built.
    """
    if not wanted:
        return _built(found)
    for archive in (None, *archives):
        if archive is not None:
            found.load(archive)
        name = found.name(wanted)
        if name is not None:
            return name
    raise errors.CapabilityMissing(
        "tools image", f"{wanted}: neither {found.program} nor an --image-archive has it", "load it, or leave it out"
    )


def _built(found: engine.Engine) -> str:
    files = context()
    wanted = tag(files)
    name = found.name(wanted)
    if name is not None:
        return name
    with tempfile.TemporaryDirectory(prefix="sourceip-tools-") as folder:
        for file, data in files.items():
            (Path(folder) / file).write_bytes(data)
        try:
            found.build(Path(folder), wanted)
        except errors.CommandError as error:
            raise errors.CapabilityMissing(
                "tools image", f"it can't be built: {error}", "--tools-image NAME takes one that is there"
            ) from error
    return found.name(wanted) or wanted
