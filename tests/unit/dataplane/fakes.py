"""A stand-in for the API that keeps what was changed and refuses what it does not know."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from harness.core import errors
from harness.dataplane import calico
from harness.kube import client, inventory

ENDPOINT = {"KUBERNETES_SERVICE_HOST": "172.18.0.2", "KUBERNETES_SERVICE_PORT": "6443"}


class Api(client.Client):
    """Answers the reads of a switch, and remembers its changes in their order.

    An operator that is restarted comes back after as many looks as ``looks`` says.
    """

    def __init__(
        self,
        *,
        version: str = "",
        endpoint: Mapping[str, str] | None = None,
        operator: bool = False,
        looks: int = 2,
        network: Mapping[str, str] | None = None,
    ) -> None:
        self.changes: list[tuple[str, Mapping[str, Any]]] = []
        self._version = version
        self._network = {"linuxDataplane": "BPF", **(network or {})}
        self._endpoint = endpoint
        self._operator: dict[str, Any] | None = {"metadata": {"generation": 1}} if operator else None
        self._looks = looks

    @property
    def steps(self) -> list[str]:
        """What was changed, by name."""
        return [step for step, _ in self.changes]

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """The objects that a switch reads."""
        found = {
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes": lambda: {
                "endpoints": [{"addresses": ["172.18.0.2"]}],
                "ports": [{"port": 6443}],
            },
            inventory.INSTALLATION: lambda: {
                "spec": {"calicoNetwork": self._network},
                "status": {"calicoVersion": self._version},
            },
            calico.ENDPOINT: lambda: {"data": self._endpoint} if self._endpoint is not None else None,
            calico.OPERATOR: self._look,
        }.get(path, lambda: None)()
        if found is None:
            raise errors.ApiError(404, "NotFound", path)
        return copy.deepcopy(found)

    def _look(self) -> client.Object | None:
        if self._operator is None:
            return None
        restarted = self._operator["metadata"]["generation"] > 1
        self._looks -= restarted
        ready = not restarted or self._looks < 0
        counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": int(ready)}
        return {
            **self._operator,
            "spec": {"replicas": 1},
            "status": {**counts, "observedGeneration": self._operator["metadata"]["generation"]},
        }

    def apply(self, obj: Mapping[str, Any]) -> client.Object:
        """Remember it."""
        self.changes.append((f"apply {obj['kind']}", obj))
        return dict(obj)

    def patch(self, path: str, body: Mapping[str, Any], kind: str = client.MERGE) -> client.Object:
        """Remember it, and hold each patch to the media type that its object knows."""
        # Of maps in a template, and not in a custom resource, a strategic merge keeps the rest.
        names = {calico.KUBE_PROXY: client.STRATEGIC, calico.OPERATOR: client.STRATEGIC}
        assert kind == names.get(path, client.MERGE)
        if path == calico.OPERATOR and self._operator is not None:
            self._operator["metadata"]["generation"] += 1
            self.changes.append(("restart tigera-operator", body))
        elif path == calico.KUBE_PROXY:
            self.changes.append(("patch kube-proxy", body))
        elif path == inventory.INSTALLATION:
            self.changes.append(("patch installations/default", body))
        else:
            raise errors.ApiError(404, "NotFound", path)
        return dict(body)


def selector(patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node selector in a DaemonSet's patch."""
    found: Mapping[str, Any] = patch["spec"]["template"]["spec"]["nodeSelector"]
    return found


def network(patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """``calicoNetwork`` in an Installation's patch."""
    found: Mapping[str, Any] = patch["spec"]["calicoNetwork"]
    return found
