"""Attaching programs to interfaces and to the node's cgroup.

Where the kernel has TCX (6.6 and later) a program is attached by a link of its own, which is pinned so that it
outlives this process and can be given another program without a gap. Elsewhere, or where it is asked for, it is a
filter of the interface's clsact qdisc, which ``tc`` replaces in place. A program on a cgroup is always a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from harness.core import process
from harness.lab.bpf import kernel, loading

Direction = Literal["ingress", "egress"]
DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")

_TCX = {"ingress": kernel.TCX_INGRESS, "egress": kernel.TCX_EGRESS}
_CGROUP = {
    "sip_connect4": kernel.CGROUP_CONNECT4,
    "sip_sendmsg4": kernel.CGROUP_SENDMSG4,
    "sip_recvmsg4": kernel.CGROUP_RECVMSG4,
}


class Attacher(Protocol):
    """A way to attach programs to interfaces of this network namespace."""

    def attach(self, ifname: str, direction: Direction, program: loading.Program) -> None:
        """Make the program the one that sees what enters or leaves that interface."""

    def detach(self, ifname: str) -> None:
        """Leave the interface as it was; one that is gone is no error."""

    def attached(self) -> frozenset[str]:
        """The interfaces that have programs in both directions."""


def _pin_name(ifname: str, direction: str) -> str:
    # A bpffs reserves names with dots.
    return f"{ifname.replace('.', ':')}-{direction}"


def interface_of(pin_name: str) -> str:
    """The interface that a pin below the folder of links belongs to."""
    return pin_name.rpartition("-")[0].replace(":", ".")


def _link_index(link: int) -> int:
    # struct bpf_link_info: type, id, prog_id, padding, and for TCX the interface, which is 0 once it is gone.
    return int(struct.unpack_from("=IIIII", kernel.info(link))[4])


class Tcx:
    """Links of type TCX, pinned under a folder of the bpffs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def attach(self, ifname: str, direction: Direction, program: loading.Program) -> None:
        """See ``Attacher``."""
        path = self._folder / _pin_name(ifname, direction)
        ifindex = socket.if_nametoindex(ifname)
        with _opened(path) as existing:
            if existing is not None and _link_index(existing) == ifindex:
                kernel.relink(existing, program.fd)
                return
        path.unlink(missing_ok=True)
        _pin_link(kernel.link(program.fd, ifindex, _TCX[direction]), path)

    def detach(self, ifname: str) -> None:
        """See ``Attacher``."""
        for direction in DIRECTIONS:
            (self._folder / _pin_name(ifname, direction)).unlink(missing_ok=True)

    def attached(self) -> frozenset[str]:
        """See ``Attacher``. Pins of interfaces that are gone are removed on the way."""
        count: dict[str, int] = {}
        for path in self._folder.iterdir():
            name = interface_of(path.name)
            with _opened(path) as link:
                alive = link is not None and _link_index(link) == _index(name)
            if alive:
                count[name] = count.get(name, 0) + 1
            else:
                path.unlink(missing_ok=True)
        return frozenset(name for name, links in count.items() if links == len(DIRECTIONS))


class Clsact:
    """Filters of the clsact qdisc; a folder of the bpffs remembers which interfaces have them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def attach(self, ifname: str, direction: Direction, program: loading.Program) -> None:
        """See ``Attacher``."""
        path = self._folder / _pin_name(ifname, direction)
        path.unlink(missing_ok=True)
        kernel.pin(program.fd, path)
        process.run(["tc", "qdisc", "replace", "dev", ifname, "clsact"])
        where = ["dev", ifname, direction, "protocol", "all", "prio", "1", "handle", "1"]
        process.run(["tc", "filter", "replace", *where, "bpf", "direct-action", "object-pinned", str(path)])

    def detach(self, ifname: str) -> None:
        """See ``Attacher``."""
        for direction in DIRECTIONS:
            (self._folder / _pin_name(ifname, direction)).unlink(missing_ok=True)
        if _index(ifname):
            process.run(["tc", "qdisc", "del", "dev", ifname, "clsact"], check=False)

    def attached(self) -> frozenset[str]:
        """See ``Attacher``."""
        names = [interface_of(path.name) for path in self._folder.iterdir()]
        return frozenset(name for name in names if names.count(name) == len(DIRECTIONS) and self._present(name))

    def _present(self, ifname: str) -> bool:
        if not _index(ifname):
            return False
        # A new interface by an old name has the pins of its predecessor but no filter.
        shown = process.run(["tc", "filter", "show", "dev", ifname, "egress"], check=False)
        return b"handle 0x1" in shown.stdout


def has_tcx(program: loading.Program) -> bool:
    """Whether the kernel attaches by TCX, found by trying on lo and undoing it.

    Raises:
        KernelError: It refused for a reason other than not knowing TCX.
    """
    try:
        os.close(kernel.link(program.fd, socket.if_nametoindex("lo"), kernel.TCX_EGRESS))
    except kernel.KernelError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return False
        raise
    return True


def remembered(folder: Path) -> frozenset[str]:
    """The interfaces that have pins in that folder; none if there is no such folder."""
    return frozenset(interface_of(path.name) for path in folder.iterdir()) if folder.is_dir() else frozenset()


def attach_cgroup(folder: Path, cgroup: Path, program: loading.Program) -> None:
    """Attach a program to a cgroup, and through it to every cgroup below, by a pinned link.

    Raises:
        KernelError: The cgroup is none of version 2.
        OSError: There is no such folder.
    """
    path = folder / program.name
    with _opened(path) as existing:
        if existing is not None:
            kernel.relink(existing, program.fd)
            return
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _pin_link(kernel.link(program.fd, fd, _CGROUP[program.name]), path)
    finally:
        os.close(fd)


def detach_cgroup(folder: Path, name: str) -> None:
    """Undo ``attach_cgroup``."""
    (folder / name).unlink(missing_ok=True)


def _pin_link(link: int, path: Path) -> None:
    try:
        kernel.pin(link, path)
    finally:
        os.close(link)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """A descriptor of what is pinned there, or None."""
    try:
        fd = kernel.pinned(path)
    except kernel.KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _index(ifname: str) -> int:
    try:
        return socket.if_nametoindex(ifname)
    except OSError:
        return 0
