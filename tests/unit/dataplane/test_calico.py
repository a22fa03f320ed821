"""What is patched on the way there and back, and what a NAT dump says."""

from __future__ import annotations

import pytest

from harness.core import errors
from harness.dataplane import calico, proof
from harness.model import words
from tests.unit.dataplane import fakes

DUMP = """\
10.96.64.51 port 80 proto 6 id 0 count 1 local 0
\t0:0\t 10.244.162.134:80
172.18.0.2 port 30180 proto 6 id 0 count 1 local 0
172.18.0.2 port 30181 proto 6 id 10 count 1 local 0 flags external-local
172.18.0.2 port 30200 proto 17 id 11 count 1 local 0
10.244.82.0 port 30300 proto 6 id 0 count 1 local 0
255.255.255.255 port 30301 proto 6 id 0 count 1 local 0
"""


def test_a_dump_names_the_nodes_own_tcp_ports() -> None:
    """UDP, tunnel addresses and the wildcard are not what an external client dials."""
    assert calico.bpf_node_ports(DUMP, "172.18.0.2") == {30180, 30181}


def test_a_dump_without_maps_names_nothing() -> None:
    """After the way back the maps are gone, and the dump says so on its error output."""
    assert calico.bpf_node_ports("Failed to dump NAT maps error=stat: no such file", "172.18.0.2") == frozenset()


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


def test_no_node_is_not_every_node() -> None:
    """An empty observation proves nothing."""
    assert not proof.is_everywhere([], words.Dataplane.IPTABLES)
