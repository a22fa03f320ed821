"""What is patched on the way there and back, and what a NAT dump says."""

from __future__ import annotations

import dataclasses

import pytest

from harness.core import errors
from harness.dataplane import calico, proof
from harness.model import words
from tests import builders
from tests.unit.dataplane import fakes


def test_the_way_there_is_the_walk_through() -> None:
    """ConfigMap, Installation, kube-proxy: in that order, with those fields."""
    api = fakes.Api()
    calico.switch(api, words.Dataplane.BPF)
    assert [step for step, _ in api.changes] == ["apply ConfigMap", "patch installations/default", "patch kube-proxy"]
    assert api.changes[1][1] == {"spec": {"calicoNetwork": {"linuxDataplane": "BPF", "hostPorts": None}}}
    assert fakes.selector(api.changes[2][1]) == {"non-calico": "true"}


def test_the_way_back_clears_every_selector() -> None:
    """kube-proxy comes back whichever way it was sent away."""
    api = fakes.Api()
    calico.switch(api, words.Dataplane.IPTABLES)
    assert [step for step, _ in api.changes] == ["patch installations/default", "patch kube-proxy"]
    assert fakes.selector(api.changes[1][1]) == {"non-calico": None, "operator.tigera.io/disable-kube-proxy": None}


def test_fields_that_were_never_set_are_not_named() -> None:
    """An older operator does not know the automatic way's fields."""
    assert calico.way_back({"spec": {"calicoNetwork": {"linuxDataplane": "BPF"}}}) == {
        "spec": {"calicoNetwork": {"linuxDataplane": "Iptables"}}
    }


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
