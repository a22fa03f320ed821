"""The nfacct objects that some of kube-proxy's rules count in."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable

from harness.lab.proxy import netlink

log = logging.getLogger("harness.lab.proxy.counters")

# linux/netfilter/nfnetlink.h and nfnetlink_acct.h
_SUBSYSTEM_ACCT = 7
_NEW = 0
_NAME = 1


def ensured(wanted: Iterable[str]) -> frozenset[str]:
    """Make these counters in this network namespace; those that are there now, since a kernel need not have any.

    A rule that names a counter that is not there cannot be loaded, so the others are left out of the rules.
    """
    return frozenset(name for name in sorted(wanted) if _ensure(name))


def _ensure(name: str) -> bool:
    try:
        netlink.call(_SUBSYSTEM_ACCT, _NEW, netlink.attribute(_NAME, name.encode() + b"\0"), create=True)
    except OSError as error:
        # The kernel says busy for a counter that exists.
        if error.errno in (errno.EBUSY, errno.EEXIST):
            return True
        log.warning("no counter %s: %s", name, error)
        return False
    return True
