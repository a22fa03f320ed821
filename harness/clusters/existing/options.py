"""What a user may say about a cluster of theirs. Pure."""

from __future__ import annotations

import re
import secrets
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from harness.core import errors

_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,38}-")


def _prefix() -> str:
    return f"sourceip-{secrets.token_hex(2)}-"


@dataclass(frozen=True, kw_only=True)
class ExistingOptions:
    """The options of the existing provider, in the words of ``docs/design.md`` section 9.

    Attributes:
        kubeconfig: The kubeconfig; None if none was named.
        context: Its context; empty if none was named, which is never taken for the current one.
        client_cmd: What runs a program on a host outside the cluster; empty if there is no such host.
        read_only: Whether nothing that is not the run's own is changed.
        allow_switch: Whether the dataplane may be switched, and is put back at the end.
        prefix: What comes before the name of each namespace of the run.
        image: The one image of ours, under the name by which the cluster can have it.
    """

    kubeconfig: Path | None = None
    context: str = ""
    client_cmd: tuple[str, ...] = ()
    read_only: bool = False
    allow_switch: bool = False
    prefix: str = field(default_factory=_prefix)
    image: str = ""

    def __post_init__(self) -> None:
        if self.read_only and self.allow_switch:
            raise errors.UsageError("--read-only and --allow-switch: one of them, not both")
        if not _PREFIX.fullmatch(self.prefix):
            raise errors.UsageError(
                f"--namespace-prefix {self.prefix}: up to 40 lower-case letters, digits and hyphens, "
                "a letter first and a hyphen last"
            )


def client_cmd(text: str) -> tuple[str, ...]:
    """The argv prefix that ``--client-cmd`` names, split as a shell would split it; raises UsageError. Pure."""
    try:
        found = tuple(shlex.split(text))
    except ValueError as error:
        raise errors.UsageError(f"--client-cmd {text}: {error}") from error
    if text and not found:
        raise errors.UsageError("--client-cmd: no program is named")
    return found


def require_kubeconfig(options: ExistingOptions) -> Path:
    """The kubeconfig; raises UsageError if none was named."""
    if options.kubeconfig is None:
        raise errors.UsageError("--cluster existing: --kubeconfig FILE names the cluster")
    return options.kubeconfig


def require_usable(options: ExistingOptions) -> None:
    """Refuse options without which nothing can be measured.

    Raises:
        UsageError: Something is missing, in one line that says what.
    """
    if not options.image:
        raise errors.UsageError(
            "--cluster existing: --tools-image NAME names our image as the cluster can pull it (docs/real-clusters.md)"
        )
    if not options.client_cmd and not options.read_only:
        raise errors.UsageError(
            "--cluster existing: --client-cmd names a host outside the cluster, without which a NodePort's "
            "controls can't run; --read-only does with clients inside the cluster"
        )
