"""Every recorded cell of the matrix on a whole lab: phase after phase, switched through the API as users do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from harness.core import process
from harness.lab import lifecycle
from tests.lab.matrix import capturing, cast, comparing, listed, phases, playing, recorded, transfers

MEGABYTE = 1_000_000
# The control plane has no backend, so that what passes it crosses the tunnel.
ENTRY = "kind-control-plane"


@pytest.fixture(scope="module")
def place() -> Iterator[cast.Cast]:
    """A lab of this module's own, with the recorded cast."""
    with lifecycle.running(name=f"matrix-{os.getpid()}") as lab, cast.assembled(lab) as found:
        yield found


@pytest.fixture
def ebpf(place: cast.Cast) -> cast.Cast:
    """The lab in eBPF mode, with replies through the tunnel."""
    phases.enter(place, "ebpf")
    return place


@pytest.mark.parametrize("phase", recorded.PHASES)
def test_every_cell_is_as_recorded_or_as_listed(place: cast.Cast, phase: str) -> None:
    """Nothing differs that is not listed with its cause, and what is listed still differs."""
    phases.enter(place, phase)
    found = comparing.rows(phase, playing.played(place, recorded.cells(phase)))
    sys.stdout.write(f"{phase}: {comparing.summary(found)}\n")
    wrong = [row for row in found if not row.right]
    assert not wrong, comparing.table(wrong)


@pytest.mark.parametrize("phase", recorded.PHASES)
def test_every_listed_difference_is_a_recorded_cell(phase: str) -> None:
    """A list that names what nobody recorded would never be held against anything."""
    named = {cell for item in listed.DIFFERENCES for (where, cell) in item.by_cell if where == phase}
    assert named <= set(recorded.cells(phase))


def test_answers_come_back_through_the_tunnel_or_straight(place: cast.Cast) -> None:
    """In Tunnel mode the dialled node's network card sends the answer; with DSR that of the backend's node does."""
    phases.enter(place, "ebpf")
    by_name = {entry.name: entry.address for entry in place.cluster.places}
    assert capturing.reply_senders(place) == by_name
    phases.enter(place, "ebpf-dsr")
    assert capturing.reply_senders(place) == dict.fromkeys(by_name, by_name[cast.BACKENDS])


@pytest.mark.parametrize("phase", ["iptables", "ebpf", "ebpf-dsr"])
def test_a_megabyte_crosses_both_ways(place: cast.Cast, phase: str) -> None:
    """A large question and its large answer arrive whole through a node without the backend."""
    phases.enter(place, phase)
    answer = transfers.echoed(place, "external", ENTRY, "TCP", MEGABYTE)
    assert answer["bytes"] > MEGABYTE


@pytest.mark.parametrize("octets", [1400, 3000])
@pytest.mark.parametrize("phase", ["iptables", "ebpf", "ebpf-dsr"])
def test_datagrams_cross_whole_or_in_fragments(place: cast.Cast, phase: str, octets: int) -> None:
    """A datagram near the tunnel's MTU and one of several fragments come back as they went, from who was asked."""
    phases.enter(place, phase)
    transfers.forget_path_mtus(place)
    for who in ("external", "pod-cp", "pod-w2"):
        answer = transfers.echoed(place, who, ENTRY, "UDP", octets)
        assert answer["bytes"] > octets


def test_the_client_learns_the_tunnels_mtu(ebpf: cast.Cast) -> None:
    """A datagram that must stay whole and does not fit the tunnel is answered with the MTU that does (RFC 1191)."""
    transfers.forget_path_mtus(ebpf)
    assert transfers.path_mtu(ebpf, "echohost", cast.BACKENDS) == transfers.NODE_MTU
    assert transfers.path_mtu(ebpf, "echohost", ENTRY) == transfers.TUNNEL_MTU
    assert transfers.path_mtu(ebpf, "echo", ENTRY) == transfers.TUNNEL_MTU


def test_the_runner_prints_recorded_beside_seen(place: cast.Cast) -> None:
    """What an engineer runs by hand ends with 0 and names every cell of the phase."""
    argv = [sys.executable, "-m", "tests.lab.matrix", "--name", place.cluster.lab.name, "iptables"]
    done = process.run(argv, timeout_s=120)
    assert done.text.count("external -> ") == sum(cell.client == "external" for cell in recorded.cells("iptables"))
