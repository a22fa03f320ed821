"""What the operator says, against a real operator's statuses in the order in which they came."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.dataplane import calico, operator_status
from tests import recordings

Object = dict[str, Any]
REFUSED = {
    "degraded-configmap": "kubernetes service endpoint is defined by the kubernetes-service-endpoints ConfigMap",
    "degraded-trap": "bpfNetworkBootstrap is enabled but linuxDataplane is not set to BPF",
}


def timeline(name: str) -> list[Object]:
    """The objects of a recorded watch, in their order."""
    lines = (recordings.path() / "timeline" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line)["object"] for line in lines]


def statuses() -> list[Object]:
    """Every version of TigeraStatus calico."""
    return [item for item in timeline("tigerastatuses") if item["metadata"]["name"] == "calico"]


def test_no_status_of_a_healthy_switch_ends_a_wait() -> None:
    """Not before, during or after three switches and two ways back, though Degraded came and went many times."""
    found = [operator_status.read(status, {"metadata": {"generation": 0}}) for status in statuses()]
    assert len(found) > 80
    assert sum("Degraded (Pod " in standing.text for standing in found) > 50
    assert [standing.refusal for standing in found if standing.refusal] == []


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_installation_ends_a_wait_in_the_operators_words(name: str) -> None:
    """Both recorded refusals: by the way there with the ConfigMap, and by the way back with one field."""
    status = json.loads((recordings.path() / "timeline" / f"{name}.json").read_text())
    [generation] = {item["observedGeneration"] for item in status["status"]["conditions"]}
    standing = operator_status.read(status, {"metadata": {"generation": generation}})
    assert REFUSED[name] in standing.refusal
    assert standing.text == f"Degraded ({standing.refusal})"


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refusal_of_what_was_asked_before_ends_nothing(name: str) -> None:
    """The Installation has been patched since, and the operator has not looked yet."""
    status = json.loads((recordings.path() / "timeline" / f"{name}.json").read_text())
    newer = status["status"]["conditions"][0]["observedGeneration"] + 1
    assert operator_status.read(status, {"metadata": {"generation": newer}}).refusal == ""


def test_the_real_installation_is_known_to_have_the_automatic_way() -> None:
    """Once the operator has said which version it runs; before that nobody can tell."""
    known = [item for item in timeline("installations") if (item.get("status") or {}).get("calicoVersion")]
    unknown = [item for item in timeline("installations") if item not in known]
    assert len(known) > len(unknown) > 0
    assert {calico.way_there(item, has_endpoint=False) for item in known} == {calico.Way.AUTOMATIC}
    assert {calico.way_there(item, has_endpoint=False) for item in unknown} == {calico.Way.MANUAL}
    assert calico.way_there(timeline("installations")[-1], has_endpoint=True) is calico.Way.MANUAL


def test_every_way_that_was_walked_has_its_way_back() -> None:
    """From each recorded state of the Installation: alone, or with the automatic way's fields all at once."""
    patches = {
        tuple(sorted(calico.way_back(item)["spec"]["calicoNetwork"].items())) for item in timeline("installations")
    }
    assert patches == {
        (("linuxDataplane", "Iptables"),),
        (("bpfNetworkBootstrap", "Disabled"), ("kubeProxyManagement", "Enabled"), ("linuxDataplane", "Iptables")),
    }
