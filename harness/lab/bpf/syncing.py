"""Making the maps hold what is wanted, by difference and without a moment in which a service is missing.

A set of backends is written under an id of its own before any frontend points to it, and removed after none does;
so a packet sees the old set or the new one, whole.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.lab.bpf import contents, kernel, layouts

Backends = tuple[layouts.Backend, ...]


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The open maps that user space writes or reads."""

    settings: kernel.Map
    frontends: kernel.Map
    backends: kernel.Map
    members: kernel.Map
    routes: kernel.Map
    conntrack: kernel.Map

    def close(self) -> None:
        """Give the descriptors back."""
        for opened in (self.settings, self.frontends, self.backends, self.members, self.routes, self.conntrack):
            opened.close()


def open_maps(pins: Path) -> Maps:
    """The maps that are pinned under that folder; KernelError if one is not."""
    return Maps(
        settings=kernel.Map.at(pins / "sip_settings"),
        frontends=kernel.Map.at(pins / "sip_frontends"),
        backends=kernel.Map.at(pins / "sip_backends"),
        members=kernel.Map.at(pins / "sip_members"),
        routes=kernel.Map.at(pins / "sip_routes"),
        conntrack=kernel.Map.at(pins / "sip_conntrack"),
    )


def write_routes(routes: kernel.Map, wanted: contents.MapContents) -> None:
    """Make the routes as wanted. A pod whose interface is not there yet is left out."""
    entries = {
        layouts.route_key(network): layouts.RouteValue(route.flags, route.next_hop, index).pack()
        for network, route in wanted.routes.items()
        if (index := _index(route.ifname)) is not None
    }
    _replace(routes, entries)


def write_services(maps: Maps, wanted: contents.MapContents) -> None:
    """Make the frontends and backends as wanted."""
    present = backend_sets(maps.backends.items())
    numbers = numbered({frontend.backends for frontend in wanted.frontends.values()}, present)
    entries, members = set_entries(numbers)
    _put(maps.backends, entries)
    _put(maps.members, members)
    _replace(maps.frontends, {key.pack(): frontend_value(f, numbers).pack() for key, f in wanted.frontends.items()})
    _keep_only(maps.members, members.keys())
    _keep_only(maps.backends, entries.keys())


def set_entries(numbers: Mapping[Backends, int]) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """The sets as the maps hold them, by ordinal and by backend. Pure."""
    entries: dict[bytes, bytes] = {}
    members: dict[bytes, bytes] = {}
    for backends, number in numbers.items():
        for ordinal, backend in enumerate(backends):
            entries[layouts.backend_key(number, ordinal)] = backend.pack()
            # A backend that is listed twice keeps the place that counts as local.
            members.setdefault(layouts.member_key(number, backend), struct.pack("=I", ordinal))
    return entries, members


def backend_sets(entries: Mapping[bytes, bytes]) -> dict[int, Backends]:
    """The sets of backends in a map's entries, by id. Pure."""
    found: dict[int, dict[int, layouts.Backend]] = {}
    for key, value in entries.items():
        number, ordinal = layouts.backend_key_from(key)
        found.setdefault(number, {})[ordinal] = layouts.Backend.unpack(value)
    return {number: tuple(backend for _, backend in sorted(members.items())) for number, members in found.items()}


def numbered(wanted: set[Backends], present: Mapping[int, Backends]) -> dict[Backends, int]:
    """An id for each set: the one it has, or the lowest that no set has now. Pure.

    A set that goes keeps its id until the frontends have left it, so a new one never takes it over half way.
    """
    numbers = {backends: number for number, backends in sorted(present.items(), reverse=True) if backends in wanted}
    taken = set(present)
    candidate = 0
    for backends in sorted(wanted - set(numbers)):
        while candidate in taken:
            candidate += 1
        numbers[backends] = candidate
        taken.add(candidate)
    return numbers


def frontend_value(frontend: contents.Frontend, numbers: Mapping[Backends, int]) -> layouts.FrontendValue:
    """A frontend as the programs read it. Pure."""
    return layouts.FrontendValue(
        id=numbers[frontend.backends],
        count=len(frontend.backends),
        local=frontend.local,
        affinity_s=frontend.affinity_s,
        flags=frontend.flags,
    )


def _replace(target: kernel.Map, wanted: Mapping[bytes, bytes]) -> None:
    _put(target, wanted)
    _keep_only(target, wanted.keys())


def _put(target: kernel.Map, wanted: Mapping[bytes, bytes]) -> None:
    present = target.items()
    for key, value in wanted.items():
        if present.get(key) != value:
            target.put(key, value)


def _keep_only(target: kernel.Map, keys: Iterable[bytes]) -> None:
    for key in target.items().keys() - set(keys):
        target.drop(key)


def _index(ifname: str) -> int | None:
    try:
        return socket.if_nametoindex(ifname) if ifname else 0
    except OSError:
        return None
