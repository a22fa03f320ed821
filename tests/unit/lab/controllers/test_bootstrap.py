"""The manifests of what is there before any controller runs."""

from __future__ import annotations

import json
from typing import Any

from harness.lab import bootstrap
from harness.lab.controllers import merging
from tests import recordings


def found(kind: str, name: str) -> dict[str, Any]:
    """One of the objects."""
    return next(item for item in bootstrap.objects() if (item["kind"], item["metadata"]["name"]) == (kind, name))


def recorded(folder: str, file: str, name: str) -> dict[str, Any]:
    """One recorded object."""
    items = json.loads((recordings.path() / folder / file).read_text())["items"]
    item: dict[str, Any] = next(each for each in items if each["metadata"]["name"] == name)
    return item


def test_namespaces_come_first() -> None:
    """Nothing can be made in a namespace that is not there yet."""
    kinds = [item["kind"] for item in bootstrap.objects()]
    assert kinds == sorted(kinds, key=lambda kind: kind != "Namespace")
    names = {item["metadata"]["name"] for item in bootstrap.objects() if item["kind"] == "Namespace"}
    assert {item["metadata"].get("namespace", "default") for item in bootstrap.objects()} <= names


def test_kube_proxy_is_the_recorded_one() -> None:
    """The manifest says nothing that the recorded DaemonSet does not have, and all that decides."""
    known = recorded("api/iptables", "daemonsets.json", "kube-proxy")
    assert merging.covers(known["spec"], found("DaemonSet", "kube-proxy")["spec"])
    assert merging.covers(found("DaemonSet", "kube-proxy")["metadata"]["labels"], known["metadata"]["labels"])


def test_kube_proxys_configuration_is_the_recorded_one() -> None:
    """Every byte of it."""
    known = json.loads((recordings.path() / "kube-proxy" / "kube-proxy-configmap.json").read_text())
    assert found("ConfigMap", "kube-proxy")["data"] == known["data"]


def test_the_api_servers_service_and_slice_are_the_recorded_ones() -> None:
    """The slice has no owner and no manager: the API server keeps it itself."""
    service = recorded("api/iptables", "services.json", "kubernetes")
    assert found("Service", "kubernetes")["spec"] == service["spec"]
    ours, known = (
        found("EndpointSlice", "kubernetes"),
        recorded("api/iptables", "endpointslices.json", "kubernetes"),
    )
    for key in ("addressType", "endpoints", "ports"):
        assert ours[key] == known[key]
    assert ours["metadata"]["labels"] == known["metadata"]["labels"]
