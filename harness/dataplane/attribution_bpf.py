"""Which program, and which entry of the NAT map, makes a translation in eBPF mode, from ``calico-node``'s dumps. Pure.

The forms are those of the recordings (``nodes/ebpf/NODE/bpf-*.txt``). A line of the connection map has the tuple that
was dialled and, where it is translated, the backend. It says nothing of a source that changed, so an entry is one
account of the source only where it is the backend's own node's.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.dataplane import bpf_dumps
from harness.dataplane.attribution import Changed, Flow, Hop, Made
from harness.model import facts

_END = r"(?P<{0}>[0-9a-fA-F.:\[\]]+):(?P<{0}_port>\d+)"
_CONNECTION = re.compile(
    rf"(?P<protocol>TCP|UDP) {_END.format('source')} -> {_END.format('dialled')}(?: -> {_END.format('backend')})? .*"
)
_FRONTEND = re.compile(r"(?P<address>\S+) port (?P<port>\d+) proto (?P<proto>\d+) id (?P<id>\d+) count \d+ .*")
_BACKEND = re.compile(r"\s+(?P<id>\d+):(?P<ordinal>\d+)\s+(?P<address>\S+):(?P<port>\d+)")
_NUMBERS = {"TCP": 6, "UDP": 17}
# Frontends of this address are for every node's own.
_ANY_NODE = ipaddress.ip_address("255.255.255.255")
_TUNNEL, _FROM_HOST = "vxlan.calico", "bpfout.cali"

Connections = Mapping[Flow, Flow]
"""How each flow came, and as what it went on."""

Frontend = tuple[facts.Address, int, int]
"""Address, port and protocol number."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """What a node's maps and devices say.

    Attributes:
        frontends: The number of the Service port, by frontend.
        backends: The backends of each number by their ordinal.
        interfaces: The devices that have programs, with their flags (``host``, ``workload``, ``vxlan``).
        programs: The names of the programs at devices' entries, where the node has a tool that tells.
    """

    frontends: Mapping[Frontend, int] = field(default_factory=dict)
    backends: Mapping[int, Mapping[int, tuple[facts.Address, int]]] = field(default_factory=dict)
    interfaces: Mapping[str, frozenset[str]] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a flow comes from, as one node sees it.

    Attributes:
        pod: The pod of this node that sent it, as namespace/name; empty if none did.
        host: Whether this node itself sent it.
        handed: Whether another node handed it over untranslated.
        connected: Whether the socket itself was translated as it connected, so that the dialled address never left it.
    """

    pod: str = ""
    host: bool = False
    handed: bool = False
    connected: bool = False


def connections(dump: str) -> dict[Flow, Flow]:
    """The flows of ``conntrack dump``; whatever else it prints is passed over."""
    found: dict[Flow, Flow] = {}
    for line in dump.splitlines():
        match = _CONNECTION.fullmatch(line + " ")
        if match is None:
            continue
        came = Flow(
            protocol=match["protocol"],
            source=_address(match["source"]),
            source_port=int(match["source_port"]),
            destination=_address(match["dialled"]),
            port=int(match["dialled_port"]),
        )
        end = (
            (match["backend"], match["backend_port"]) if match["backend"] else (match["dialled"], match["dialled_port"])
        )
        found[came] = Flow(
            protocol=came.protocol,
            source=came.source,
            source_port=came.source_port,
            destination=_address(end[0]),
            port=int(end[1]),
        )
    return found


def maps(nat: str, interfaces: str, programs: str = "") -> Maps:
    """What ``nat dump``, ``ifstate dump`` and ``bpftool -j net show`` printed; the last may be anything.

    Raises:
        ParseError: A line of the second is none of that dump's.
    """
    frontends: dict[Frontend, int] = {}
    backends: dict[int, dict[int, tuple[facts.Address, int]]] = {}
    for line in nat.splitlines():
        if front := _FRONTEND.fullmatch(line + " "):
            frontends[_address(front["address"]), int(front["port"]), int(front["proto"])] = int(front["id"])
        elif back := _BACKEND.fullmatch(line):
            ends = backends.setdefault(int(back["id"]), {})
            ends[int(back["ordinal"])] = (_address(back["address"]), int(back["port"]))
    return Maps(
        frontends=frontends,
        backends=backends,
        interfaces=bpf_dumps.interfaces(interfaces),
        programs=program_names(programs),
    )


def program_names(shown: str) -> dict[str, str]:
    """The program at the entry of each device, from bpftool's JSON; nothing if it is none."""
    try:
        parts = json.loads(shown)
        attached = [item for part in parts for item in part["tc"]]
        return {item["devname"]: item["name"] for item in attached if "ingress" in item["kind"]}
    except (ValueError, TypeError, KeyError):
        return {}


def explain(hop: Hop, changed: Changed, there: Maps, origin: Origin) -> Made | None:
    """The entry of the NAT map that has this backend for what was dialled, and the program that reads it."""
    if changed != "destination":
        return None
    before, after = hop.before, hop.after
    number = _NUMBERS[before.protocol]
    for address in (before.destination, _ANY_NODE):
        key = there.frontends.get((address, before.port, number))
        for ordinal, end in there.backends.get(-1 if key is None else key, {}).items():
            if end == (after.destination, after.port):
                entry = f"{address}:{before.port} {before.protocol} id {key} -> {key}:{ordinal} {end[0]}:{end[1]}"
                return Made(by=f"{program(there, origin)}, NAT map {entry}")
    return None


def program(there: Maps, origin: Origin) -> str:
    """The program that a flow of that origin meets first, and where it is attached."""
    if origin.connected:
        return "BPF program at the node's cgroup (connect-time load balancing)"
    device = _device(there, origin)
    name = there.programs.get(device, "")
    return f"BPF program {name + ' ' if name else ''}at {device} (entry)"


def _device(there: Maps, origin: Origin) -> str:
    if origin.pod:
        return next((name for name in (pod_device(origin.pod),) if name in there.interfaces), "the pod's device")
    if origin.host:
        return _FROM_HOST
    if origin.handed and "vxlan" in there.interfaces.get(_TUNNEL, ()):
        return _TUNNEL
    hosts = [name for name, flags in there.interfaces.items() if "host" in flags and not _is_internal(name)]
    return " or ".join(sorted(hosts)) or "the node's device"


def _is_internal(name: str) -> bool:
    return name == "lo" or name.endswith(".cali")


def pod_device(pod: str) -> str:
    """The name that Calico's CNI gives the host's end of a pod's veth, for the pod as namespace/name."""
    return "cali" + hashlib.sha1(pod.replace("/", ".").encode(), usedforsecurity=False).hexdigest()[:11]


def _address(text: str) -> facts.Address:
    return ipaddress.ip_address(text.strip("[]"))
