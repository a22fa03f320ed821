"""An API that has these objects by path, keeps what was asked of it, and refuses what it does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.core import errors
from harness.kube import client, shaping


def _everything(_asked: Mapping[str, str]) -> bool:
    return True


class Api(client.Client):
    """Objects and collections by path; what is deleted is gone unless it is stuck."""

    def __init__(self, objects: Mapping[str, client.Object], shape: shaping.Shape = shaping.AS_WRITTEN) -> None:
        self.objects = dict(objects)
        self.shape = shape
        self.asked: list[tuple[str, str]] = []
        self.patches: list[tuple[str, Mapping[str, Any], str]] = []
        self.stuck: set[str] = set()
        self.allowed: Callable[[Mapping[str, str]], bool] = _everything

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """What is there."""
        self.asked.append(("GET", path))
        if path not in self.objects:
            raise errors.ApiError(404, "NotFound", path)
        return self.objects[path]

    def raw(self, path: str, params: client.Params = ()) -> bytes:
        """An empty log."""
        self.asked.append(("LOG", path))
        return b""

    def delete(self, path: str) -> None:
        """Take it away."""
        self.asked.append(("DELETE", path))
        if path not in self.stuck:
            self.objects.pop(path, None)

    def patch(self, path: str, body: Mapping[str, Any], kind: str = client.MERGE) -> client.Object:
        """Keep the patch."""
        self.patches.append((path, body, kind))
        return {}

    def create(self, path: str, body: Mapping[str, Any]) -> client.Object:
        """Answer a review."""
        assert path == client.REVIEWS
        self.asked.append(("POST", path))
        return {"status": {"allowed": self.allowed(body["spec"]["resourceAttributes"])}}
