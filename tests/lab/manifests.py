"""The objects that the tests of kubectl apply."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

TOOLS = "sourceip/tools:dev"
"""The image that has every command of this machine."""


def pod(name: str, *command: str) -> Object:
    """A pod of one container, which sleeps unless it is given a command."""
    container = {"name": "main", "image": TOOLS, "command": list(command) or ["sleep", "3600"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }


def deployment(name: str, replicas: int = 1, **env: str) -> Object:
    """A Deployment of such pods, with these environment variables."""
    container = {
        "name": "main",
        "image": TOOLS,
        "command": ["sleep", "3600"],
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    }


def config_map(name: str, **data: str) -> Object:
    """A ConfigMap with these data."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": name}}, "data": data}
