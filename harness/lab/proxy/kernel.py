"""kube-proxy's hands: what it does to the kernel of its network namespace.

The programs are iptables' own. Each table is replaced by one transaction, so no packet ever meets half of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from harness.core import process
from harness.lab.proxy import counters, flows, health_checks, names, options, restoring, rules, saved

log = logging.getLogger("harness.lab.proxy.kernel")

_TIMEOUT_S = 10.0
_SYSCTL = Path("/proc/sys")
_TCP_LIBERAL = "net/netfilter/nf_conntrack_tcp_be_liberal"

SETTINGS = {
    # A node port on 127.0.0.1 leads to a pod, so packets with that source must be let out.
    "net/ipv4/conf/all/route_localnet": 1,
    "net/netfilter/nf_conntrack_tcp_timeout_established": 86400,
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait": 3600,
}
"""What the real kube-proxy sets with kind's configuration, as its log in the recordings says."""


def in_force() -> dict[str, saved.SavedTable]:
    """The tables as they are now.

    Raises:
        CommandError: ``iptables-save`` is not there or failed.
    """
    return saved.tables_from_text(process.run(["iptables-save"], timeout_s=_TIMEOUT_S).text)


class Kernel:
    """The network namespace that this program runs in."""

    def __init__(self) -> None:
        self._health_checks = health_checks.HealthChecks()

    def counters(self) -> frozenset[str]:
        """The nfacct objects of ``options.COUNTERS`` that the kernel has or could be made to have."""
        return counters.ensured(options.COUNTERS)

    def is_liberal(self) -> bool:
        """Whether TCP packets outside the window count as valid; false where the kernel does not say."""
        try:
            return (_SYSCTL / _TCP_LIBERAL).read_text().strip() != "0"
        except FileNotFoundError:
            return False

    def apply(self, wanted: rules.Ruleset) -> bool:
        """Put the rules in force; whether anything had to be changed.

        Raises:
            CommandError: A program of iptables is not there or failed; then no table is half changed.
        """
        text = restoring.restore_text(in_force(), wanted)
        if text:
            argv = ["iptables-restore", "-w", "5", "--noflush", "--counters"]
            process.run(argv, stdin=text.encode(), timeout_s=_TIMEOUT_S)
        return bool(text)

    def is_flushed(self) -> bool:
        """Whether a canary chain is gone, as it is once somebody has flushed a table and deleted its chains.

        Raises:
            CommandError: ``iptables-save`` is not there or failed.
        """
        tables = in_force()
        return not all(names.CANARY in tables.get(name, saved.EMPTY).chains for name in ("mangle", "filter", "nat"))

    def settle(self) -> None:
        """Set the kernel settings that the rules rely on, where they are not set.

        Call it once rules are loaded: a kernel that loads connection tracking on demand has no settings for it
        before.

        Raises:
            OSError: The kernel does not let us.
        """
        for name, value in SETTINGS.items():
            path = _SYSCTL / name
            if path.read_text().strip() != str(value):
                log.info("setting %s to %d", name, value)
                path.write_text(str(value))

    def drop_flows(self, allowed: flows.Served) -> None:
        """Remove the UDP flows that lead to an endpoint that is gone.

        Raises:
            OSError: The kernel does not let us read or change its connection table.
        """
        flows.remove_stale(allowed)

    def answer_health_checks(self, checks: Mapping[int, health_checks.Check]) -> None:
        """Answer load balancers on these ports, and on no others any more."""
        self._health_checks.sync(checks)
