"""Which of a kubeconfig's contexts a run is meant for: the one that was named, and never the current one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.core import errors


def require(kubeconfig: Path, context: str) -> None:
    """Refuse a context that was not named or is not there.

    Raises:
        UsageError: With the contexts that the file has.
    """
    known = names(kubeconfig)
    if not context:
        raise errors.UsageError(f"--context NAME must say which cluster; {kubeconfig} has {_listed(known)}")
    if context not in known:
        raise errors.UsageError(f"--context {context}: {kubeconfig} has {_listed(known)}")


def names(kubeconfig: Path) -> tuple[str, ...]:
    """The contexts of a kubeconfig, in its order; raises UsageError."""
    try:
        found: Any = yaml.safe_load(kubeconfig.read_bytes())
        return tuple(str(item["name"]) for item in found["contexts"])
    except OSError as error:
        raise errors.UsageError(f"--kubeconfig {kubeconfig}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise errors.UsageError(f"--kubeconfig {kubeconfig}: no kubeconfig with contexts") from error


def _listed(known: Sequence[str]) -> str:
    return ", ".join(known) or "none"
