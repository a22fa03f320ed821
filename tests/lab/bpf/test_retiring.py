"""The end of eBPF mode: nothing new from when it is announced, and then everything at once."""

from __future__ import annotations

import pytest

from harness.lab.bpf import attaching, dataplane
from harness.lab.felix import ebpf
from tests.lab.bpf import dialling, world

NODE = "kind-worker"
ENTRY = world.NODES[NODE][0]
ECHO = 30200
TUNNEL, AT_PACKETS = dataplane.Settings(), dataplane.Settings(connect_time="Disabled")
CLIENTS = ("external", "pod-w1", "self-echo", "host-w1")


def retire(place: world.World) -> None:
    """Announce the end, as felix does."""
    with place.spaces[NODE].inside():
        ebpf.Dataplane(NODE, bpffs=place.folder / "bpf" / NODE, cgroup=place.cgroups).retire()


@pytest.mark.parametrize("settings", [TUNNEL, AT_PACKETS], ids=["connect", "packets"])
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("who", CLIENTS)
def test_no_new_flow_begins(place: world.World, who: str, protocol: str, settings: dataplane.Settings) -> None:
    """Neither the programs nor the stack, which would refuse it here, get what is for a service."""
    place.apply(settings)
    retire(place)
    seen = dialling.dial(place, who, ENTRY, ECHO, protocol, timeout_s=dialling.UNANSWERED_S)
    assert seen == dialling.TIMEOUT
    place.apply(TUNNEL)
    assert dialling.dial(place, who, ENTRY, ECHO, protocol) not in (dialling.TIMEOUT, dialling.REFUSED)


@pytest.mark.parametrize("who", CLIENTS)
def test_what_is_under_way_goes_on(place: world.World, who: str) -> None:
    """A client that was answered before is answered, translated as ever."""
    place.apply(TUNNEL)
    before = dialling.dial(place, who, ENTRY, ECHO, "UDP", source_port=24680)
    retire(place)
    assert dialling.dial(place, who, ENTRY, ECHO, "UDP", source_port=24680) == before
    place.apply(TUNNEL)


def test_eth0_is_let_through_last(place: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes in from outside when the programs have gone meets none of them on its way."""
    place.apply(TUNNEL)
    detached: list[str] = []

    def note(_self: object, ifname: str) -> None:
        detached.append(ifname)

    with place.spaces[NODE].inside():
        links = attaching.remembered(place.folder / "bpf" / NODE / dataplane.LINKS)
        filters = attaching.remembered(place.folder / "bpf" / NODE / dataplane.FILTERS)
        with monkeypatch.context() as patched:
            for kind in (attaching.Tcx, attaching.Clsact):
                patched.setattr(kind, "detach", note)
            place.planes[NODE].stop()
    place.apply(TUNNEL)
    assert set(detached) == links | filters
    assert detached[-1] == "eth0"
