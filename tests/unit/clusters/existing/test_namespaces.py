"""Namespaces are gone by proof, what stays is named, and what another run left is never taken."""

from __future__ import annotations

import pytest

from harness.clusters.existing import bare_proof, intent, namespaces, provider
from harness.core import errors
from harness.kube import client, shaping
from tests import builders, fake_cluster
from tests.unit.clusters.existing import fake_api

SHAPE = shaping.Shape(prefix="sip-1-")
PATHS: dict[str, client.Object] = {f"/api/v1/namespaces/{name}": {} for name in SHAPE.namespaces()}


def test_all_are_removed_and_looked_for() -> None:
    """The API is asked for each of them until it has none."""
    api = fake_api.Api(PATHS, SHAPE)
    namespaces.remove(api, SHAPE.namespaces())
    assert api.objects == {}
    assert {path for method, path in api.asked if method == "GET"} == set(PATHS)


def test_one_that_stays_is_named() -> None:
    """A finalizer that nobody removes does not hide behind the others."""
    api = fake_api.Api(PATHS, SHAPE)
    api.stuck = {"/api/v1/namespaces/sip-1-echo"}
    with pytest.raises(errors.WaitTimeout, match=r"last seen: \('sip-1-echo',\)"):
        namespaces.remove(api, SHAPE.namespaces(), timeout_s=3.0, clock=fake_cluster.Clock())
    assert set(api.objects) == api.stuck


def test_a_prefix_that_is_taken_is_refused() -> None:
    """What this run did not make it would remove at its end."""
    left: client.Object = {"items": [{"metadata": {"name": "sip-0-echo"}}]}
    api = fake_api.Api({**PATHS, "/api/v1/namespaces": left}, SHAPE)
    told: list[str] = []
    with pytest.raises(errors.UsageError, match=r"sip-1-yaobank-customer, .* is there already"):
        provider._require_free(api, SHAPE, told.append)
    assert told == ["of other runs, and left alone: namespaces sip-0-echo; sourceip clean removes them"]


def test_what_will_be_made_and_changed_is_said() -> None:
    """A run that may not switch says that it changes nothing; one that may names all that it changes."""
    reading = list(intent.lines(SHAPE, switching=False, nodes=9, used=("n1", "n2")))
    assert "will use:    2 of 9 nodes" in reading
    assert any(line.startswith("will change: nothing") for line in reading)
    switching = "\n".join(intent.lines(SHAPE, switching=True, nodes=3, used=()))
    assert "will use:    3 of 3 nodes" in switching
    assert "Installation default" in switching
    assert "DaemonSet kube-system/kube-proxy" in switching
    assert max(map(len, switching.splitlines())) <= 100


def test_a_cluster_without_a_node_port_has_no_bare_proof() -> None:
    """Only a port that is translated shows what translates it."""
    cluster_ip = {"metadata": {"namespace": "a", "name": "b"}, "spec": {"ports": [{"port": 80}]}}
    with pytest.raises(errors.CapabilityMissing, match="no TCP NodePort"):
        bare_proof.known_from([cluster_ip], builders.NODES)
    ports = [{"port": 80, "nodePort": 30001}, {"port": 53, "nodePort": 30002, "protocol": "UDP"}]
    node_port = {"metadata": {"namespace": "a", "name": "c"}, "spec": {"ports": ports}}
    known = bare_proof.known_from([cluster_ip, node_port], builders.NODES)
    assert [item.node_port for item in known.destinations] == [30001]
