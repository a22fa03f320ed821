"""The configuration of the kind cluster: ours, and what a user adds to it. Pure but for reading a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.core import errors
from harness.kube import manifests

BASE = manifests.MANIFESTS / "kind" / "cluster.yaml"
Json = dict[str, Any]
# These lists are for whole clusters, so what a user says there comes after what we say.
_LISTS = ("kubeadmConfigPatches", "kubeadmConfigPatchesJSON6902", "containerdConfigPatches", "nodes")
_FIXED = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4"}


def read(path: Path) -> Json:
    """A file's mapping.

    Raises:
        UsageError: It can't be read, is no YAML, or is no kind configuration.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise errors.UsageError(f"--kind-config {path}: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise errors.UsageError(f"--kind-config {path}: not a mapping")
    return found


def merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Json:
    """Our configuration with a user's settings added.

    Lists of patches are joined, ``nodes`` replace ours, other mappings are merged key by key.

    Raises:
        UsageError: A setting contradicts one that the job rests on, such as the pods' network.
    """
    found: Json = dict(ours)
    for key, value in theirs.items():
        if key in _FIXED and value != _FIXED[key]:
            raise errors.UsageError(f"--kind-config: {key} is {value!r}, not {_FIXED[key]!r}")
        found[key] = _joined(key, ours.get(key), value)
    return found


def _joined(key: str, ours: Any, theirs: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    if key in _LISTS:
        if not isinstance(theirs, list):
            raise errors.UsageError(f"--kind-config: {key} must be a list")
        return theirs if key == "nodes" else [*(ours or ()), *theirs]
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            raise errors.UsageError(f"--kind-config: {key} must be a mapping")
        clash = sorted(name for name, value in theirs.items() if name in ours and ours[name] != value)
        if clash:
            raise errors.UsageError(
                f"--kind-config: {key}.{clash[0]} must stay {ours[clash[0]]!r}: the job rests on it"
            )
        return {**ours, **theirs}
    return theirs


def render(user: Path | None) -> str:
    """The whole configuration as YAML; raises UsageError."""
    found = read(BASE)
    return yaml.safe_dump(merged(found, read(user)) if user is not None else found, sort_keys=False)
