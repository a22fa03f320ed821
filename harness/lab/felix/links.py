"""Notices when a network device or a route comes or goes, from the kernel's own announcements (rtnetlink(7))."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

log = logging.getLogger("felix.iface_monitor")

_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_ROUTE = 0x40
_BUFFER = 65536


def follow(changed: Callable[[], None]) -> None:
    """Call back at every such announcement, from a daemon thread of its own.

    What happened is not parsed: the receiver looks for itself, and so cannot miss what was lost on the way.

    Raises:
        OSError: The kernel gives no such socket.
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    sock.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_ROUTE))
    threading.Thread(target=_listen, args=(sock, changed), name="links", daemon=True).start()


def _listen(sock: socket.socket, changed: Callable[[], None]) -> None:
    while True:
        try:
            sock.recv(_BUFFER)
        except OSError as error:
            # ENOBUFS: announcements came faster than they were read. The receiver looks for itself anyway.
            log.debug("announcements were lost: %s", error)
        changed()
