"""Pod logs as the bytes that the application wrote."""

from __future__ import annotations

from urllib.parse import quote

from harness.kube import client


def read(api: client.Client, *, namespace: str, pod: str, container: str = "") -> bytes:
    """A container's whole log since it started, undecoded; raises ApiError."""
    params = {"container": container} if container else {}
    return api.raw(f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log", params)
