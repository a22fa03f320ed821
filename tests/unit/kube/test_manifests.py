"""Manifests are objects, and yaobank keeps the original's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.core import errors
from harness.kube import client, manifests


@pytest.mark.parametrize("text", ["a: [", "just words", "kind: Pod", "- a\n- b"])
def test_what_is_no_object_is_a_parse_error(tmp_path: Path, text: str) -> None:
    """The file is named."""
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(errors.ParseError, match=r"bad\.yaml"):
        manifests.load(tmp_path / "bad.yaml")


def test_a_file_that_is_not_there_is_a_parse_error(tmp_path: Path) -> None:
    """No third party's exception gets out."""
    with pytest.raises(errors.ParseError):
        manifests.load(tmp_path / "none.yaml")


def test_yaobank_has_the_originals_shape() -> None:
    """Three namespaces, one Deployment each with the original's replicas, and the NodePorts of the recordings."""
    objects = manifests.load(manifests.YAOBANK)
    by_kind = {
        kind: {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}
        for kind in ("Namespace", "ServiceAccount", "Service", "Deployment")
    }
    assert set(by_kind["Namespace"]) == {"yaobank-customer", "yaobank-summary", "yaobank-database"}
    replicas = {name: item["spec"]["replicas"] for name, item in by_kind["Deployment"].items()}
    assert replicas == {"customer": 1, "summary": 2, "database": 1}
    for item in by_kind["Deployment"].values():
        labels = item["spec"]["template"]["metadata"]["labels"]
        assert labels == item["spec"]["selector"]["matchLabels"] == {"app": item["metadata"]["name"], "version": "v1"}
    ports = {name: item["spec"]["ports"][0] for name, item in by_kind["Service"].items()}
    assert {name: port["port"] for name, port in ports.items()} == {
        "customer": 80,
        "customer-internal": 80,
        "customer-local": 80,
        "summary": 80,
        "database": 2379,
    }
    assert (ports["customer"]["nodePort"], ports["customer-local"]["nodePort"]) == (30180, 30181)
    assert by_kind["Service"]["customer-local"]["spec"]["externalTrafficPolicy"] == "Local"
    assert "externalTrafficPolicy" not in by_kind["Service"]["customer"]["spec"]
    internal = by_kind["Service"]["customer-internal"]["spec"]
    assert (internal["internalTrafficPolicy"], internal.get("type")) == ("Local", None)


def test_the_echo_services_have_every_policy() -> None:
    """Each server has a Service for each policy, under the ports of the recordings where these have the Service."""
    services = {
        item["metadata"]["name"]: (
            item["spec"].get("externalTrafficPolicy"),
            item["spec"].get("internalTrafficPolicy"),
            {port["protocol"]: port.get("nodePort") for port in item["spec"]["ports"]},
        )
        for item in manifests.load(manifests.ECHO)
        if item["kind"] == "Service"
    }
    assert services == {
        "echo": ("Cluster", None, {"TCP": 30200, "UDP": 30200}),
        "echo-local": ("Local", None, {"TCP": 30201, "UDP": 30201}),
        "echohost": ("Cluster", None, {"TCP": 30202, "UDP": 30202}),
        "echohost-local": ("Local", None, {"TCP": 30203, "UDP": 30203}),
        "echo-internal": (None, "Local", {"TCP": None, "UDP": None}),
        "echohost-internal": (None, "Local", {"TCP": None, "UDP": None}),
    }


def test_what_kubernetes_reads_as_strings_is_strings() -> None:
    """A date and a lone ``=``, which definitions have among their values: PyYAML has no JSON for either."""
    head = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
    data = head + b"data: {day: 2026-11-23, at: 2026-11-23T05:16:32Z, op: =}\n"
    [found] = manifests.objects_of(data, "x.yaml")
    assert json.loads(json.dumps(found["data"])) == {"day": "2026-11-23", "at": "2026-11-23T05:16:32Z", "op": "="}


class Slow(client.Client):
    """An API that could not answer at first, and then shows a Deployment that is available."""

    def __init__(self, error: errors.ApiError) -> None:
        self.errors = [error]

    def path_of(self, obj: Mapping[str, Any]) -> str:
        """Its name."""
        return str(obj["metadata"]["name"])

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """Fail once."""
        if self.errors:
            raise self.errors.pop()
        counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        return {"metadata": {"name": path}, "spec": {}, "status": counts}


def test_an_api_that_is_away_while_workloads_start_only_delays() -> None:
    """It is asked again; what it refuses for a reason is an error at once."""
    objects = [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}]
    busy = Slow(errors.ApiError(500, "InternalError", "etcdserver: request timed out"))
    manifests.wait_for_workloads(busy, objects, timeout_s=5.0)
    assert not busy.errors
    with pytest.raises(errors.ApiError, match="Forbidden"):
        manifests.wait_for_workloads(Slow(errors.ApiError(403, "Forbidden", "no")), objects, timeout_s=5.0)
