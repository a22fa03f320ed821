"""An external client calls customer's NodePort through every node: iptables, eBPF, and iptables again.

Each phase samples every node under both traffic policies; each sample is matched to its line in customer's log by
its token, and every address must be the predicted one.
"""

from __future__ import annotations

import pytest

from fixtures.phases import Reach
from fixtures.verdicts import Judge
from harness.model import matrix, words

POLICIES = pytest.mark.parametrize("policy", list(words.Policy), ids=lambda policy: policy.value)


def of_policy(policy: words.Policy) -> tuple[matrix.Row, ...]:
    """The rows of the walk-through under that policy."""
    return tuple(row for row in matrix.WALKTHROUGH if row.dialled.policy is policy)


@pytest.mark.iptables
@pytest.mark.ebpf
@POLICIES
def test_iptables_shows_what_kube_proxy_makes_of_the_client(reach: Reach, judge: Judge, policy: words.Policy) -> None:
    """Under policy Cluster the application sees an address of the entry node, under Local it sees the client."""
    phase = reach(words.Phase.IPTABLES)
    judge(phase, of_policy(policy))


@pytest.mark.ebpf
@POLICIES
def test_ebpf_shows_the_client(reach: Reach, judge: Judge, policy: words.Policy) -> None:
    """Through every node that answers, the application sees the client's own address."""
    phase = reach(words.Phase.EBPF)
    judge(phase, of_policy(policy))


@pytest.mark.ebpf
@POLICIES
def test_going_back_shows_what_iptables_showed(reach: Reach, judge: Judge, policy: words.Policy) -> None:
    """After the way back every cell is as it was before eBPF."""
    phase = reach(words.Phase.REVERTED)
    judge(phase, of_policy(policy))
