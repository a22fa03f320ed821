"""What programs on a node print, parsed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_POLICY = re.compile(r":FORWARD (?P<policy>[A-Z]+) \[(?P<packets>\d+):\d+\]")
_BOOT = re.compile(r"^/proc/stat:btime (\d+)$", re.MULTILINE)
_UPTIME = re.compile(r"^/proc/uptime:(\d+\.\d+) ", re.MULTILINE)
_RP_FILTER = re.compile(r"/proc/sys/net/ipv4/conf/(?P<device>[^/]+)/rp_filter:(?P<value>\d+)")


def forward_policy(rules: str) -> tuple[str, int]:
    """The filter table's FORWARD policy in ``iptables-save -c``, and how many packets have met it; empty if none."""
    table = ""
    for line in rules.splitlines():
        table = line[1:].strip() if line.startswith("*") else table
        found = _POLICY.match(line)
        if found is not None and table == "filter":
            return found["policy"], int(found["packets"])
    return "", 0


def rp_filters(text: str) -> Mapping[str, int]:
    """``rp_filter`` by device in what ``grep -rH`` printed of ``/proc/sys/net/ipv4/conf``."""
    return {match["device"]: int(match["value"]) for match in _RP_FILTER.finditer(text)}


def clock_s(text: str) -> float | None:
    """A node's time in what ``grep -rH`` printed of ``/proc/stat`` and ``/proc/uptime``; None if it is not there.

    The kernel's ``btime`` is the time of day at which the machine started, in whole seconds, so half of one is added.
    """
    started, up = _BOOT.search(text), _UPTIME.search(text)
    return float(started[1]) + 0.5 + float(up[1]) if started is not None and up is not None else None
