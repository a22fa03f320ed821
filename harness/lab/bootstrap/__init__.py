"""The objects that are there before any controller runs, as manifests: what ``kubeadm`` and a person would apply.

calico-node's DaemonSet, the address pool and felix's configuration are not among them: the operator makes these from
``Installation/default``, as the real one does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def objects() -> list[dict[str, Any]]:
    """Every object of the manifests here, in the order of file names, in which they can be created."""
    files = sorted(Path(__file__).parent.glob("*.yaml"))
    return [item for file in files for item in yaml.safe_load_all(file.read_text()) if item]
