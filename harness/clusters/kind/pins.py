"""What is pinned: Calico's manifests by checksum, node images by digest, and which fit together.

The figures in ``pins.json`` are of the files at Calico's release tags and of kind's release notes. A version that is
not there exists perhaps, but nobody has seen its files: it needs ``--allow-unpinned``. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.core import errors

FILE = Path(__file__).with_name("pins.json")
_OPERATOR = "tigera-operator.yaml"
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
# From this version on, each kind of manifest is in the file of that name (facts of the release tags).
_CRD_FILES = (((3, 32), "v1_crd_projectcalico_org.yaml"), ((3, 30), "operator-crds.yaml"))
_AUTOMATIC_SINCE = (3, 31)
_OLDEST, _NEWEST = (3, 29), (3, 33)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of Calico, as its tags are written.

    Attributes:
        text: ``v3.32.1``.
        minor: ``(3, 32)``.
    """

    text: str
    minor: tuple[int, int]

    @property
    def manifests(self) -> tuple[str, ...]:
        """The files to apply, in order: definitions first, where the operator's own file does not have them."""
        crds = next((name for since, name in _CRD_FILES if self.minor >= since), None)
        return (crds, _OPERATOR) if crds else (_OPERATOR,)

    @property
    def has_automatic_switch(self) -> bool:
        """Whether the operator knows ``bpfNetworkBootstrap`` and ``kubeProxyManagement``."""
        return self.minor >= _AUTOMATIC_SINCE


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """One file that is to be had, and what it must be.

    Attributes:
        name: The file's name.
        url: Where it is published.
        sha256: Its checksum; None if nobody has recorded one.
    """

    name: str
    url: str
    sha256: str | None


@cache
def _pins() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def version(text: str) -> Version:
    """The version that a user means: ``3.32`` is the pinned patch release of it.

    Raises:
        UsageError: It is no version, or one that this project does not know how to install.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        raise errors.UsageError(f"--calico-version {text}: not a version such as v3.32.1")
    minor = int(match[1]), int(match[2])
    if not _OLDEST <= minor <= _NEWEST:
        raise errors.UsageError(f"--calico-version {text}: 3.29 to 3.33 are supported")
    if match[3] is None:
        return Version(text=_pinned_patch(text, minor), minor=minor)
    return Version(text=f"v{minor[0]}.{minor[1]}.{match[3]}", minor=minor)


def _pinned_patch(text: str, minor: tuple[int, int]) -> str:
    known = [name for name in _pins()["versions"] if name.startswith(f"v{minor[0]}.{minor[1]}.")]
    if not known:
        raise errors.UsageError(
            f"--calico-version {text}: no patch release of it is pinned; name one, with --allow-unpinned"
        )
    return str(known[-1])


def manifests(wanted: Version) -> tuple[Pinned, ...]:
    """The files of a version, in the order in which they are applied; without a checksum where none is known."""
    files = _pins()["versions"].get(wanted.text, {}).get("files", {})
    return tuple(
        Pinned(
            name=name,
            url=str(_pins()["base"]).format(version=wanted.text, file=name),
            sha256=files.get(name, {}).get("sha256"),
        )
        for name in wanted.manifests
    )


def node_image(kind_version: str, calico: Version) -> str | None:
    """The newest pinned node image of that kind release whose Kubernetes this Calico was tested with, or None.

    Args:
        kind_version: As kind says it, such as ``v0.32.0``.
        calico: The version that is installed.
    """
    low, high = tested_kubernetes(calico)
    images = [str(image) for image in _pins()["kind_node_images"].get(kind_version, ())]
    fitting = [image for image in images if low <= _kubernetes(image) <= high]
    return max(fitting, key=_kubernetes, default=None)


def tested_kubernetes(calico: Version) -> tuple[tuple[int, int], tuple[int, int]]:
    """The oldest and the newest Kubernetes that this Calico's documentation calls tested."""
    low, _, high = str(_pins()["tested_kubernetes"][f"v{calico.minor[0]}.{calico.minor[1]}"]).partition("-")
    return _minor(low), _minor(high)


def _kubernetes(image: str) -> tuple[int, int]:
    return _minor(image.partition("@")[0].rpartition(":")[2].removeprefix("v"))


def _minor(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)
