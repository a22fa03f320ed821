"""The whole matrix, phase by phase and group by group; ``--cells`` chooses from it, ``sourceip plan`` prints it.

All tests of a session share one run: a phase samples every group at once, and there are two switches at most.
"""

from __future__ import annotations

import pytest

from fixtures.phases import Reach
from fixtures.verdicts import Judge
from harness.model import matrix, words

GROUPS = pytest.mark.parametrize("group", list(matrix.GROUPS))


@pytest.mark.iptables
@pytest.mark.ebpf
@GROUPS
def test_iptables_shows_what_is_predicted(reach: Reach, judge: Judge, group: str) -> None:
    """Every client of the group is seen as kube-proxy's rules and Calico's pod network make it."""
    judge(reach(words.Phase.IPTABLES), matrix.GROUPS[group])


@pytest.mark.ebpf
@GROUPS
def test_ebpf_shows_what_is_predicted(reach: Reach, judge: Judge, group: str) -> None:
    """Every client of the group is seen as Calico's eBPF dataplane makes it."""
    judge(reach(words.Phase.EBPF), matrix.GROUPS[group])


@pytest.mark.ebpf
@GROUPS
def test_going_back_shows_what_is_predicted(reach: Reach, judge: Judge, group: str) -> None:
    """After the way back every cell is as iptables makes it."""
    judge(reach(words.Phase.REVERTED), matrix.GROUPS[group])
