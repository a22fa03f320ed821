"""A stand-in for the API that keeps what was changed and refuses what it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core import errors
from harness.kube import client


class Api(client.Client):
    """Answers the two reads of a switch, and remembers its changes in their order."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, Mapping[str, Any]]] = []

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """The two objects that a switch reads."""
        if path.endswith("/endpointslices/kubernetes"):
            return {"endpoints": [{"addresses": ["172.18.0.2"]}], "ports": [{"port": 6443}]}
        if path.endswith("/installations/default"):
            return {"spec": {"calicoNetwork": {"linuxDataplane": "BPF"}}}
        raise errors.ApiError(404, "NotFound", path)

    def apply(self, obj: Mapping[str, Any]) -> client.Object:
        """Remember it."""
        self.changes.append((f"apply {obj['kind']}", obj))
        return dict(obj)

    def patch(self, path: str, body: Mapping[str, Any], kind: str = client.MERGE) -> client.Object:
        """Remember it, and hold the DaemonSet's patch to the media type that merges maps."""
        if path.endswith("/daemonsets/kube-proxy"):
            assert kind == client.STRATEGIC
            self.changes.append(("patch kube-proxy", body))
        elif path.endswith("/installations/default"):
            # A custom resource knows no strategic merge.
            assert kind == client.MERGE
            self.changes.append(("patch installations/default", body))
        else:
            raise errors.ApiError(404, "NotFound", path)
        return dict(body)


def selector(patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node selector in a DaemonSet's patch."""
    found: Mapping[str, Any] = patch["spec"]["template"]["spec"]["nodeSelector"]
    return found
