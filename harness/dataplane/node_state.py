"""What a node's devices, settings and cgroup say of the dataplane. Pure.

Formats: ``ip -d -j addr show``, lines ``NAME = VALUE`` as sysctl prints them, ``bpftool cgroup show``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core import errors
from harness.model import facts

TUNNEL = "vxlan.calico"
POD_PREFIX = "cali"
PAIR = frozenset({"bpfin.cali", "bpfout.cali"})
_PROGRAM = re.compile(r"\bcalico_\w+|\bsip_\w+")
_SETTING = re.compile(r"net[./]ipv4[./]conf[./](?P<device>[^\s:]+)[./](?P<name>\w+)\s*[=:]\s*(?P<value>\d+)")
# What a kind node starts with, and what eBPF mode leaves behind (finding 12).
FRESH: Mapping[str, int] = {"all.rp_filter": 1, "eth0.rp_filter": 0}


@dataclass(frozen=True, kw_only=True)
class Devices:
    """A node's network devices.

    Attributes:
        own: Those that carry the node's own address.
        pods: The node's ends of its pods' veths, those that are up.
        tunnel: What ``vxlan.calico`` is: ``external``, ``id 4096``, or ``none``.
        pair: Whether ``bpfin.cali`` and ``bpfout.cali`` are there.
    """

    own: frozenset[str]
    pods: frozenset[str]
    tunnel: str
    pair: bool

    @property
    def watched(self) -> frozenset[str]:
        """Where programs must be for every packet to meet one."""
        return self.own | self.pods | (frozenset({TUNNEL}) if self.tunnel != "none" else frozenset())


def devices(text: str, address: facts.Address) -> Devices:
    """The devices in what ``ip -d -j addr show`` printed.

    Raises:
        ParseError: It is no such text.
    """
    try:
        found = {str(item["ifname"]): item for item in json.loads(text) if item.get("ifname")}
        return Devices(
            own=frozenset(name for name, item in found.items() if _carries(item, address)),
            pods=frozenset(name for name, item in found.items() if _is_pod(name) and item.get("operstate") == "UP"),
            tunnel=_tunnel(found.get(TUNNEL)),
            pair=found.keys() >= PAIR,
        )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise errors.ParseError(f"ip -d -j addr show: {error}") from error


def _carries(item: Mapping[str, Any], address: facts.Address) -> bool:
    return any(entry.get("local") == str(address) for entry in item.get("addr_info") or ())


def _is_pod(name: str) -> bool:
    return name.startswith(POD_PREFIX) and "." not in name


def _tunnel(item: Mapping[str, Any] | None) -> str:
    if item is None:
        return "none"
    data = item["linkinfo"]["info_data"]
    return "external" if data.get("external") else f"id {data['id']}"


def settings(text: str) -> dict[str, int]:
    """``rp_filter`` and others by ``DEVICE.NAME``, from lines as sysctl or ``grep`` over /proc/sys prints them."""
    return {f"{match['device']}.{match['name']}": int(match["value"]) for match in _SETTING.finditer(text)}


def changed(found: Mapping[str, int]) -> dict[str, int]:
    """The settings that are not what a fresh node has."""
    return {name: found[name] for name, fresh in FRESH.items() if name in found and found[name] != fresh}


def connect_programs(text: str) -> frozenset[str]:
    """The dataplane's programs that ``bpftool cgroup show`` lists: those of connect-time load balancing."""
    return frozenset(_PROGRAM.findall(text))
