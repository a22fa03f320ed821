"""The recorded phases on a lab, and how to know that one is in force on every node."""

from __future__ import annotations

from collections.abc import Callable

from harness.core import waiting
from tests.lab import switching
from tests.lab.matrix import capturing, cast, outcomes, playing, recorded

_IN_FORCE_S = 30.0
_PAUSE_S = 0.1


def enter(place: cast.Cast, phase: str) -> None:
    """Bring a lab into a phase, and wait until fresh connections show it several times in a row."""
    _ENTRANCES[phase](place)


def _iptables(place: cast.Cast) -> None:
    switching.to_iptables(place.cluster)
    place.cluster.await_seen(place.cluster.masqueraded())


def _ebpf(place: cast.Cast) -> None:
    _configure(place, bpfConnectTimeLoadBalancing="TCP", bpfExternalServiceMode="Tunnel")
    switching.to_bpf(place.cluster)
    place.cluster.await_seen(place.cluster.preserved())
    _await_translation_at_connect(place, wanted=True)


def _without_connect_time(place: cast.Cast) -> None:
    _configure(place, bpfConnectTimeLoadBalancing="Disabled", bpfExternalServiceMode="Tunnel")
    _await_translation_at_connect(place, wanted=False)


def _direct_return(place: cast.Cast) -> None:
    _configure(place, bpfConnectTimeLoadBalancing="TCP", bpfExternalServiceMode="DSR")
    _await_translation_at_connect(place, wanted=True)
    backend = next(entry.address for entry in place.cluster.places if entry.name == cast.BACKENDS)
    waiting.wait_until(
        lambda: capturing.reply_senders(place),
        lambda senders: set(senders.values()) == {backend},
        what="replies straight from the backend's node",
        timeout_s=_IN_FORCE_S,
    )


_ENTRANCES: dict[str, Callable[[cast.Cast], None]] = {
    "iptables": _iptables,
    "ebpf": _ebpf,
    "ebpf-noctlb": _without_connect_time,
    "ebpf-dsr": _direct_return,
    "reverted": _iptables,
}


def _configure(place: cast.Cast, **spec: str) -> None:
    place.api.patch(switching.FELIX, {"spec": spec})


def _await_translation_at_connect(place: cast.Cast, *, wanted: bool) -> None:
    """Every node's connect-time load balancing shows in its own host-network client's peer name."""
    cells = {
        recorded.Cell(client=who, service="echo", via="clusterip", protocol="TCP", port=8080): frozenset(
            {outcomes.Outcome(seen="anyone")}
        )
        for who in ("host-cp", "host-w1", "host-w2")
    }
    waiting.wait_until(
        lambda: playing.played(place, cells),
        lambda found: all(bool(seen.peer) is wanted for group in found.values() for seen in group),
        what=f"connect-time load balancing {'on' if wanted else 'off'} on every node",
        timeout_s=_IN_FORCE_S,
        delay_s=_PAUSE_S,
    )
