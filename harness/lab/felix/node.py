"""The node that felix works on: its programs and kernel settings behind a few methods.

Everything happens in the network namespace that this process is in.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core import errors, process
from harness.lab.felix import flows, overlay, saved, sysctls, workloads

log = logging.getLogger("felix.node")

_LOCK_S = 5
# The calling thread's own network namespace, which need not be the main thread's.
_ROUTES = Path("/proc/thread-self/net/route")


class Node:
    """The one place where felix changes its node.

    Every method raises ``errors.CommandError`` when a program refuses; the agent then tries the whole pass again.
    """

    def __init__(self, proc: Path = Path("/proc/sys")) -> None:
        self._proc = proc

    def devices(self) -> tuple[tuple[int, str], ...]:
        """The index and name of every network device; a device that is made anew has another index."""
        return tuple(socket.if_nameindex())

    def pods(self) -> tuple[workloads.Pod, ...]:
        """The pods that are wired to this node."""
        return workloads.pods(_ROUTES.read_text())

    def has_tunnel(self, tunnel: overlay.Tunnel) -> bool:
        """Whether the tunnel device is there and as it must be."""
        return overlay.device_matches(_listing("ip", "-d", "-j", "addr", "show"), tunnel)

    def paths(self) -> overlay.Paths:
        """What leads to the other nodes; nothing where there is no tunnel device."""
        routes = _listing("ip", "-j", "-4", "route", "show", "table", "main")
        if not self._has_device():
            return overlay.paths_present(routes, (), ())
        neighbours = _listing("ip", "-j", "-4", "neigh", "show", "dev", overlay.DEVICE)
        return overlay.paths_present(routes, neighbours, _listing("bridge", "-j", "fdb", "show", "dev", overlay.DEVICE))

    def make_tunnel(self, want: overlay.Overlay) -> None:
        """Make the tunnel device, in place of one that is not as it must be."""
        _batch("ip", overlay.render_device(want, replace=self._has_device()))

    def _has_device(self) -> bool:
        return overlay.DEVICE in dict(self.devices()).values()

    def change_overlay(self, addresses: Sequence[str], forwarding: Sequence[str]) -> None:
        """Run commands of ``ip`` and of ``bridge``, the latter first: routes lead there."""
        _batch("bridge", forwarding)
        _batch("ip", addresses)

    def tables(self) -> dict[str, saved.Table]:
        """The node's iptables rules."""
        return saved.tables(process.run(["iptables-save"]).text)

    def restore(self, text: str) -> None:
        """Apply rules in one go, leaving alone what the text does not name."""
        if text:
            process.run(["iptables-restore", "--noflush", "-w", str(_LOCK_S)], stdin=text.encode())

    def mark(self, found: Iterable[flows.Flow]) -> None:
        """Mark flows that must not go on; OSError if the kernel does not let us."""
        flows.mark(found)

    def set_sysctls(self, wanted: sysctls.Settings) -> None:
        """Write the settings that differ; a device that has gone meanwhile has none to write."""
        for name, value in wanted.items():
            path = self._proc / name
            try:
                if path.read_text().strip() != value:
                    path.write_text(value)
                    log.info("/proc/sys/%s set to %s", name, value)
            except FileNotFoundError:
                log.debug("%s: its device has gone", path)
            except OSError as error:
                log.warning("%s: %s", path, error)


def _listing(*argv: str) -> list[Mapping[str, Any]]:
    text = process.run(argv).text
    try:
        items: list[Mapping[str, Any]] = json.loads(text or "[]")
        return items
    except ValueError as error:
        raise errors.ParseError(f"{argv}: {text[:200]!r}") from error


def _batch(program: str, commands: Sequence[str]) -> None:
    if commands:
        process.run([program, "-batch", "-"], stdin="".join(f"{line}\n" for line in commands).encode())
