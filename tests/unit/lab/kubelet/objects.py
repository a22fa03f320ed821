"""Small Pods for tests."""

from __future__ import annotations

from typing import Any

_OF_CONTAINER = ("readinessProbe", "env", "envFrom", "ports", "command", "args", "image")


def pod(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a PodSpec may have
    """A Pod of one container; fields are those of the container or of the Pod's spec."""
    container = {"name": "main", "image": "sourceip/tools"}
    container |= {name: fields.pop(name) for name in _OF_CONTAINER if name in fields}
    return {
        "metadata": {
            "namespace": "bank",
            "name": "web",
            "uid": "0a1b2c3d-1111-2222-3333-444455556666",
            "labels": {"app": "web"},
            "annotations": {"note.example/x": "y"},
            "generation": 2,
        },
        "spec": {"containers": [container], "nodeName": "kind-worker", **fields},
        "status": {"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "long ago"}]},
    }
