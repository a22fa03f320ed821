"""What is patched on either way there and on the way back, and what the fast look makes of a node."""

from __future__ import annotations

import dataclasses

import pytest

from harness.core import errors
from harness.dataplane import calico, proof
from harness.kube import client
from harness.model import words
from tests import builders, fake_cluster
from tests.unit.dataplane import fakes

AUTOMATIC = {"bpfNetworkBootstrap": "Enabled", "kubeProxyManagement": "Enabled"}


def test_the_manual_way_is_the_walk_through() -> None:
    """ConfigMap, Installation, kube-proxy: in that order, with those fields."""
    api = fakes.Api(version="v3.30.4")
    calico.switch(api, words.Dataplane.BPF)
    assert api.steps == ["apply ConfigMap", "patch installations/default", "patch kube-proxy"]
    assert fakes.network(api.changes[1][1]) == {"linuxDataplane": "BPF", "hostPorts": None}
    assert fakes.selector(api.changes[2][1]) == {"non-calico": "true"}


def test_an_operator_that_keeps_what_it_saw_is_restarted_and_awaited() -> None:
    """After the ConfigMap has changed and before the Installation does, and as kubectl restarts it."""
    api, clock = fakes.Api(operator=True, looks=3), fake_cluster.Clock()
    before = clock.now()
    calico.switch(api, words.Dataplane.BPF, told=calico.Way.MANUAL, clock=clock)
    assert api.steps[:3] == ["apply ConfigMap", "restart tigera-operator", "patch installations/default"]
    assert clock.now() - before == 3.0
    annotations = api.changes[1][1]["spec"]["template"]["metadata"]["annotations"]
    assert list(annotations) == ["kubectl.kubernetes.io/restartedAt"]


def test_a_configmap_that_says_the_same_restarts_nothing() -> None:
    """The operator has seen it; another endpoint is another matter."""
    api = fakes.Api(operator=True, endpoint=fakes.ENDPOINT)
    calico.switch(api, words.Dataplane.BPF)
    assert api.steps == ["patch installations/default", "patch kube-proxy"]
    other = fakes.Api(operator=True, endpoint={**fakes.ENDPOINT, "KUBERNETES_SERVICE_HOST": "kind-control-plane"})
    calico.switch(other, words.Dataplane.BPF, clock=fake_cluster.Clock())
    assert other.steps[:2] == ["apply ConfigMap", "restart tigera-operator"]


def test_an_operator_that_does_not_come_back_is_an_error() -> None:
    """Nothing is switched then."""
    api = fakes.Api(operator=True, looks=1000)
    with pytest.raises(errors.WaitTimeout, match="tigera-operator started again"):
        calico.switch(api, words.Dataplane.BPF, told=calico.Way.MANUAL, timeout_s=5.0, clock=fake_cluster.Clock())
    assert "patch installations/default" not in api.steps


def test_an_api_that_is_away_while_the_operator_starts_only_delays() -> None:
    """It is asked again; what it refuses for a reason ends the switch."""
    api, clock = fakes.Api(operator=True, looks=1), fake_cluster.Clock()
    answers, trouble = api.get, iter([None, errors.ApiError(503, "ServiceUnavailable", "one moment")])

    def get(path: str, params: client.Params = ()) -> client.Object:
        error = next(trouble, None) if path == calico.OPERATOR else None
        if error is not None:
            raise error
        return answers(path, params)

    api.get = get  # type: ignore[method-assign]  # the fake's own answers, after a while
    calico.switch(api, words.Dataplane.BPF, told=calico.Way.MANUAL, clock=clock)
    assert api.steps[-2:] == ["patch installations/default", "patch kube-proxy"]
    trouble = iter([None, errors.ApiError(403, "Forbidden", "not you")])
    api._endpoint = None
    with pytest.raises(errors.ApiError, match="not you"):
        calico.switch(api, words.Dataplane.BPF, told=calico.Way.MANUAL, clock=clock)


def test_the_automatic_way_is_one_patch() -> None:
    """Without the ConfigMap, which the operator would refuse it for, and without touching kube-proxy."""
    api = fakes.Api(version="v3.32.1")
    calico.switch(api, words.Dataplane.BPF)
    [(step, patch)] = api.changes
    assert step == "patch installations/default"
    assert fakes.network(patch) == {"linuxDataplane": "BPF", **AUTOMATIC}


@pytest.mark.parametrize(
    ("version", "has_endpoint", "told", "way"),
    [
        ("v3.31.0", False, None, calico.Way.AUTOMATIC),
        ("v3.33.1", False, None, calico.Way.AUTOMATIC),
        ("v4.0.0", False, None, calico.Way.AUTOMATIC),
        ("v3.30.9", False, None, calico.Way.MANUAL),
        ("v3.32.1", True, None, calico.Way.MANUAL),
        ("", False, None, calico.Way.MANUAL),
        ("master", False, None, calico.Way.MANUAL),
        ("v3.32.1", False, calico.Way.MANUAL, calico.Way.MANUAL),
        ("v3.32.1", False, calico.Way.AUTOMATIC, calico.Way.AUTOMATIC),
    ],
)
def test_the_way_is_the_users_or_the_versions(
    version: str, has_endpoint: bool, told: calico.Way | None, way: calico.Way
) -> None:
    """Automatic from 3.31 on, unless the ConfigMap shows that the cluster went the manual way."""
    assert calico.way_there({"status": {"calicoVersion": version}}, has_endpoint=has_endpoint, told=told) is way


@pytest.mark.parametrize(
    ("version", "endpoint", "says"),
    [
        ("v3.32.1", fakes.ENDPOINT, "delete it and restart the operator"),
        ("v3.30.0", None, "Calico v3.30.0 has it since"),
    ],
)
def test_an_automatic_way_that_would_be_refused_is_a_usage_error(
    version: str, endpoint: dict[str, str] | None, says: str
) -> None:
    """Before anything is changed, with what can be done instead."""
    api = fakes.Api(version=version, endpoint=endpoint)
    with pytest.raises(errors.UsageError, match=says):
        calico.switch(api, words.Dataplane.BPF, told=calico.Way.AUTOMATIC)
    assert api.changes == []


def test_the_way_back_from_the_manual_way_clears_every_selector() -> None:
    """kube-proxy comes back whichever way it was sent away, and no field is named that an older operator lacks."""
    api = fakes.Api()
    calico.switch(api, words.Dataplane.IPTABLES)
    assert api.steps == ["patch installations/default", "patch kube-proxy"]
    assert fakes.network(api.changes[0][1]) == {"linuxDataplane": "Iptables"}
    assert fakes.selector(api.changes[1][1]) == {"non-calico": None, "operator.tigera.io/disable-kube-proxy": None}


@pytest.mark.parametrize("left", [AUTOMATIC, {"bpfNetworkBootstrap": "Enabled"}, {"kubeProxyManagement": "Enabled"}])
def test_the_way_back_from_the_automatic_way_patches_all_at_once(left: dict[str, str]) -> None:
    """The operator goes on managing kube-proxy, so that it puts back what it took; its selector is left to it."""
    api = fakes.Api(version="v3.32.1", network=left)
    calico.switch(api, words.Dataplane.IPTABLES)
    assert fakes.network(api.changes[0][1]) == {
        "linuxDataplane": "Iptables",
        "bpfNetworkBootstrap": "Disabled",
        "kubeProxyManagement": "Enabled",
    }
    assert fakes.selector(api.changes[1][1]) == {"non-calico": None}


def test_an_unknown_way_is_a_usage_error() -> None:
    """Nothing is patched on the way to a dataplane that nobody knows the way to."""
    api = fakes.Api()
    with pytest.raises(errors.UsageError, match="VPP"):
        calico.switch(api, words.Dataplane.VPP)
    assert api.changes == []


ASKED = frozenset({30180, 30181})


@pytest.mark.parametrize(
    ("iptables", "bpf", "dataplane"),
    [
        (ASKED, frozenset(), words.Dataplane.IPTABLES),
        (frozenset(), ASKED, words.Dataplane.BPF),
        (ASKED, ASKED, None),
        (ASKED, frozenset({30180}), None),
        (frozenset({30180}), frozenset(), None),
        (frozenset(), frozenset(), None),
    ],
)
def test_a_node_is_in_one_mode_or_in_none(
    iptables: frozenset[int], bpf: frozenset[int], dataplane: words.Dataplane | None
) -> None:
    """Half a dataplane, and two at once, are no dataplane."""
    found = proof.InForce(node="n", iptables=iptables, bpf=bpf, asked=ASKED)
    assert found.dataplane is dataplane
    assert proof.is_everywhere([found], words.Dataplane.BPF) is (dataplane is words.Dataplane.BPF)


def test_a_node_that_can_not_be_asked_proves_nothing() -> None:
    """Its trouble is what the report shows."""
    silent = proof.InForce(node="n", iptables=ASKED, bpf=frozenset(), asked=ASKED, trouble="no pod")
    assert silent.dataplane is None
    assert "no pod" in silent.text


def test_only_ports_that_tcp_is_spoken_on_are_asked_for() -> None:
    """A Service without a NodePort has none to prove, and one for datagrams only has another protocol's entry."""
    spoken = builders.destination()
    datagrams = dataclasses.replace(spoken, node_port=30300, protocol=words.Protocol.UDP)
    inside = dataclasses.replace(spoken, node_port=0)
    assert proof.asked_ports(builders.known(destinations=(spoken, datagrams, inside))) == {30180}


def test_no_node_is_not_every_node() -> None:
    """An empty observation proves nothing."""
    assert not proof.is_everywhere([], words.Dataplane.IPTABLES)
