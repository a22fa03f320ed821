"""The maps of one node as text, in the words of ``calico-node -bpf … dump``, so that its readers can read the lab.

The formats are those of the recordings (``nodes/ebpf/NODE/bpf-*.txt``). Maps are read where ``dataplane`` pinned
them; the folder is the node's own in the bpffs. What the lab has no part in, such as policy programs, is shown as
absent.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.lab.bpf import attaching, dataplane, devices, kernel, layouts, sweeping, syncing

_NS_PER_S = 1_000_000_000


def nat_dump(bpffs: Path) -> str:
    """Every frontend with its backends; KernelError if no dataplane is there."""
    frontends = {
        layouts.FrontendKey.unpack(key): layouts.FrontendValue.unpack(value)
        for key, value in _items(bpffs, "sip_frontends").items()
    }
    return render_nat(frontends, syncing.backend_sets(_items(bpffs, "sip_backends")))


def conntrack_dump(bpffs: Path) -> str:
    """Every translated connection; KernelError if no dataplane is there."""
    entries = {
        layouts.Tuple.unpack(key): layouts.Flow.unpack(value) for key, value in _items(bpffs, "sip_conntrack").items()
    }
    return render_conntrack(entries, now_ns=sweeping.now_ns())


def routes_dump(bpffs: Path) -> str:
    """Every address that the programs know; KernelError if no dataplane is there."""
    routes = {
        layouts.route_network(key): layouts.RouteValue.unpack(value)
        for key, value in _items(bpffs, "sip_routes").items()
    }
    return render_routes(routes)


def ifstate_dump(bpffs: Path) -> str:
    """Every interface of this network namespace that has programs."""
    found = attaching.remembered(bpffs / dataplane.LINKS) | attaching.remembered(bpffs / dataplane.FILTERS)
    return "".join(f"{render_interface(socket.if_nametoindex(name), name)}\n" for name in sorted(found))


def render_nat(
    frontends: Mapping[layouts.FrontendKey, layouts.FrontendValue], sets: Mapping[int, Iterable[layouts.Backend]]
) -> str:
    """Pure."""
    lines = []
    for key, value in sorted(frontends.items()):
        flags = [
            name
            for bit, name in ((layouts.EXTERNAL_LOCAL, "external-local"), (layouts.INTERNAL_LOCAL, "internal-local"))
            if value.flags & bit
        ]
        lines.append(
            f"{key.address} port {key.port} proto {key.protocol} id {value.id} count {value.count} local {value.local}"
            + (f" flags {', '.join(flags)}" if flags else "")
        )
        for ordinal, backend in enumerate(sets.get(value.id, ())):
            lines.append(f"\t{value.id}:{ordinal}\t {backend.address}:{backend.port}")
    return "".join(f"{line}\n" for line in lines)


def render_routes(routes: Mapping[ipaddress.IPv4Network, layouts.RouteValue]) -> str:
    """Pure."""
    return "".join(f"{_route(str(network), route)}\n" for network, route in sorted(routes.items()))


def render_conntrack(entries: Mapping[layouts.Tuple, layouts.Flow], *, now_ns: int) -> str:
    """Pure."""
    return "".join(f"{_connection(item, now_ns)}\n" for item in sweeping.connections(entries))


def go_duration(nanoseconds: int) -> str:
    """As Go prints a ``time.Duration``: ``1m23.7906257s``, ``140.534666ms``, ``0s``. Pure."""
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 1000 and nanoseconds:
            return f"{_trimmed(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60 * _NS_PER_S)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{lead}{_trimmed(rest, _NS_PER_S)}s"


def _trimmed(value: int, unit: int) -> str:
    whole, part = divmod(value, unit)
    digits = f"{part:0{len(str(unit)) - 1}d}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else f"{whole}"


def _connection(item: sweeping.Connection, now_ns: int) -> str:
    key, forward = item.key, item.forward
    protocol = layouts.PROTOCOL_NAMES.get(key.protocol, str(key.protocol))
    other = forward if forward.flags & layouts.ENCAP else item.reply
    by_tunnel = other is not None and bool(other.flags & (layouts.ENCAP | layouts.TUNNEL))
    between = f" external client, service forwarded to/from {other.tunnel}" if by_tunnel and other else ""
    age = go_duration(max(now_ns - item.seen_ns, 0))
    return (
        f"{protocol} {key.source}:{key.source_port} -> {key.destination}:{key.destination_port}"
        f" -> {forward.destination}:{forward.destination_port}{between}  Active ago {age} {item.state}".rstrip()
    )


def _route(network: str, route: layouts.RouteValue) -> str:
    words = ["local" if route.flags & layouts.LOCAL else "remote"]
    for bit, word in (
        (layouts.WORKLOAD, "workload"),
        (layouts.HOST, "host"),
        (layouts.IN_POOL, "in-pool"),
        (layouts.NAT_OUT, "nat-out"),
        (layouts.TUNNELED, "tunneled"),
    ):
        if route.flags & bit:
            words.append(word)
    if route.flags & layouts.WORKLOAD:
        words.append(f"idx {route.ifindex}" if route.flags & layouts.LOCAL else f"nh {route.next_hop}")
    return f"{network:>15}: {' '.join(words)}"


def render_interface(index: int, name: str) -> str:
    """Pure."""
    kind = {devices.TUNNEL: "v4Ready,vxlan"}.get(name, "v4Ready,host")
    if name.startswith(devices.POD_PREFIX):
        kind = "workload,v4Ready"
    absent = ("XDPPolicy", "IngressPolicy", "EgressPolicy")
    policies = ", ".join(f"{policy}V{family}: -1" for family in (4, 6) for policy in absent)
    return f"{index:5} : {{flags: {kind}, {policies}, IngressFilter: -1, EgressFilter: -1, name: {name}}}"


def _items(bpffs: Path, name: str) -> dict[bytes, bytes]:
    opened = kernel.Map.at(bpffs / dataplane.MAPS / name)
    try:
        return opened.items()
    finally:
        opened.close()
