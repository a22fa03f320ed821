"""What a user may say about the kind cluster; every download has a local file that takes its place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core import errors

DEFAULT_CALICO = "v3.32.1"


@dataclass(frozen=True, kw_only=True)
class KindOptions:
    """The options of the kind provider, in the words of ``docs/design.md`` section 9.

    Attributes:
        name: The cluster's name; empty makes one of its own for the run.
        image: The node image; empty takes the pinned one that fits kind and Calico.
        kind_bin: The kind program; None takes the one on PATH.
        kubectl_bin: A kubectl for pytest-kind's own ``kubectl``; this project needs none.
        config: The user's own kind settings, added to ours.
        calico_version: Which Calico, ``v3.32.1`` or ``3.32``.
        calico_manifests: A folder with Calico's manifests, instead of the download.
        allow_unpinned: Whether a file or an image without a known checksum may be used; the checksum is recorded.
        tools_image: An image with the applications, the echo server and the agent, instead of building one.
        archives: Image archives that are loaded into the nodes.
        kubeconfig: Where the cluster's kubeconfig is written; None keeps it with the run's own files.
        keep: Whether the cluster stays after the run.
    """

    name: str = ""
    image: str = ""
    kind_bin: Path | None = None
    kubectl_bin: Path | None = None
    config: Path | None = None
    calico_version: str = DEFAULT_CALICO
    calico_manifests: Path | None = None
    allow_unpinned: bool = False
    tools_image: str = ""
    archives: tuple[Path, ...] = ()
    kubeconfig: Path | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        files = {"--kind-bin": self.kind_bin, "--kind-kubectl-bin": self.kubectl_bin, "--kind-config": self.config}
        named = [*files.items(), *(("--image-archive", path) for path in self.archives)]
        for option, path in named:
            if path is not None and not path.is_file():
                raise errors.UsageError(f"{option} {path}: no such file")
        if self.calico_manifests is not None and not self.calico_manifests.is_dir():
            raise errors.UsageError(f"--calico-manifests {self.calico_manifests}: no such folder")
