"""One node's eBPF dataplane: programs, maps, devices and attachments, kept as the cluster wants them.

``apply`` may be called at any time and as often as one likes; it loads what is missing and changes what differs.
Everything is pinned below the node's folder of the bpffs, so a new process takes over a running dataplane with its
connections. It must run in the node's network namespace.

Links: ``vxlan.calico`` is made anew as an ``external`` device (see ``devices``) and removed by ``stop``.
Programs: both directions of eth0, lo, vxlan.calico and every ``cali*``, and the node's cgroup. Packets that the
programs have dealt with carry mark 0x3000000/0x3000000, should a rule want to leave them alone. Those with mark
0x3500000/0x3500000 must not be tracked (iptables' NOTRACK), or the kernel may give them another source port.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from harness.core import errors
from harness.lab.bpf import attaching, contents, devices, layouts, loading, sweeping, syncing
from harness.lab.bpf.contents import Cluster, LocalPod, MapContents, Node, Pool, Settings, desired

__all__ = ["Cluster", "Dataplane", "LocalPod", "MapContents", "Node", "Pool", "Settings", "desired"]

log = logging.getLogger("harness.lab.bpf")

Attach = Literal["auto", "tcx", "clsact"]

MAPS, LINKS, FILTERS, CGROUP = "maps", "links", "filters", "cgroup"


class Dataplane:
    """The eBPF dataplane of one node. One thread owns it."""

    def __init__(self, node: str, *, bpffs: Path, cgroup: Path, attach: Attach = "auto") -> None:
        """Touch nothing yet.

        Args:
            node: The node's name, as the cluster has it.
            bpffs: The node's own folder in a bpffs; made if it is missing.
            cgroup: The node's cgroup, of version 2.
            attach: How to attach to interfaces; ``auto`` takes TCX where the kernel has it.
        """
        self._node = node
        self._folders = {name: bpffs / name for name in (MAPS, LINKS, FILTERS, CGROUP)}
        self._bpffs = bpffs
        self._cgroup = cgroup
        self._attach = attach
        self._programs: dict[str, loading.Program] = {}
        self._maps: syncing.Maps | None = None
        self._tcx = True
        self._done: set[str] = set()
        self._hooked: set[str] = set()
        self._wanted: MapContents | None = None

    def prepare(self) -> None:
        """Load the programs and open or make the maps, which takes longest and touches no packet.

        ``apply`` does it too where it was not done.

        Raises:
            CapabilityMissing: There is no libbpf, or no TCX where that was asked for.
            KernelError: The kernel refused a program or a map.
            OSError: The node's folder is in no bpffs that can be written.
        """
        self._opened()

    def apply(self, settings: Settings, cluster: Cluster) -> None:
        """Make this node's dataplane as the settings and the cluster want it.

        Raises:
            KeyError: The cluster has no such node.
            CapabilityMissing: There is no libbpf.
            KernelError: The kernel refused a program, a map or an attachment.
            CommandError: A device could not be made.
        """
        node = cluster.node(self._node)
        maps = self._opened()
        links = self._make_devices(settings, cluster, node)
        self._wanted = desired(settings, cluster, self._node)
        # A frontend must not lead to where no route does yet.
        syncing.write_routes(maps.routes, self._wanted)
        maps.settings.put(bytes(4), _settings(settings, node, links).pack())
        syncing.write_services(maps, self._wanted)
        self._attach_interfaces(links)
        self._attach_cgroup(settings)

    def sweep(self) -> None:
        """Forget what has expired; to be called each second."""
        if self._maps is None:
            return
        now_ns = sweeping.now_ns()
        entries = sweeping.of_interest(self._maps.conntrack.items(), now_ns=now_ns)
        for key in sweeping.expired(entries, now_ns=now_ns, wanted=self._wanted):
            self._maps.conntrack.drop(key.pack())

    def stop(self) -> None:
        """Detach everything and remove every pin, map and device, also those of an earlier process.

        From when eth0 has no program, none of the others has one.
        """
        self._detach_all(tcx=True)
        self._detach_all(tcx=False)
        for folder in self._folders.values():
            _remove(folder)
        self._close()
        link = devices.links().get(devices.TUNNEL)
        if link is not None and _is_external(link):
            devices.batch([f"link del {devices.TUNNEL}"])

    def _opened(self) -> syncing.Maps:
        if self._maps is None:
            try:
                self._load()
                self._tcx = self._choose_tcx()
                self._maps = syncing.open_maps(self._folders[MAPS])
            except BaseException:
                # What was loaded before the failure must not stay behind in this process.
                self._close()
                raise
        return self._maps

    def _load(self) -> None:
        for folder in self._folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        for name in loading.NAMES:
            for program in loading.load(name, self._folders[MAPS]):
                self._programs[program.name] = program

    def _choose_tcx(self) -> bool:
        tcx = self._attach != "clsact" and attaching.has_tcx(self._programs[loading.HARMLESS])
        if self._attach == "tcx" and not tcx:
            raise errors.CapabilityMissing("TCX", "the kernel has no such attachment", "use clsact")
        log.info("programs are attached by %s", "TCX" if tcx else "clsact")
        return tcx

    def _attacher(self, *, tcx: bool) -> attaching.Attacher:
        return attaching.Tcx(self._folders[LINKS]) if tcx else attaching.Clsact(self._folders[FILTERS])

    def _detach_all(self, *, tcx: bool) -> None:
        for name in _in_order(attaching.remembered(self._folders[LINKS if tcx else FILTERS])):
            self._attacher(tcx=tcx).detach(name)

    def _make_devices(self, settings: Settings, cluster: Cluster, node: Node) -> dict[str, devices.Link]:
        links = devices.links()
        tunnel = links.get(devices.TUNNEL)
        mtu = int(links[devices.HOST]["mtu"])
        if not devices.is_external(tunnel, settings.vxlan_port):
            commands = devices.tunnel_commands(
                cluster, node, port=settings.vxlan_port, mtu=mtu, present=tunnel is not None
            )
            devices.batch(commands)
            return devices.links()
        devices.batch(devices.overlay_commands(cluster, node, mtu=mtu - devices.OVERHEAD))
        return links

    def _attach_interfaces(self, links: dict[str, devices.Link]) -> None:
        attacher = self._attacher(tcx=self._tcx)
        names = _in_order(links)
        devices.admit(names)
        present = attacher.attached()
        for name in sorted(present - set(names)):
            attacher.detach(name)
        self._done &= present
        fresh = [name for name in names if name not in self._done]
        for direction, which in _WAY_OUT_FIRST:
            for name in fresh:
                # A pod may end between the listing and this line; the next pass no longer sees its interface.
                with contextlib.suppress(OSError):
                    attacher.attach(name, direction, self._programs[_pair(name)[which]])
        self._done |= attacher.attached() & set(fresh)
        # An earlier process may have attached the other way.
        self._detach_all(tcx=not self._tcx)

    def _attach_cgroup(self, settings: Settings) -> None:
        datagrams = ("sip_sendmsg4", "sip_recvmsg4")
        for name in ("sip_connect4", *datagrams):
            on = settings.connect_time == "Enabled" or (settings.connect_time == "TCP" and name not in datagrams)
            if not on:
                attaching.detach_cgroup(self._folders[CGROUP], name)
                self._hooked.discard(name)
            elif name not in self._hooked:
                attaching.attach_cgroup(self._folders[CGROUP], self._cgroup, self._programs[name])
                self._hooked.add(name)

    def _close(self) -> None:
        for program in self._programs.values():
            program.close()
        self._programs.clear()
        if self._maps is not None:
            self._maps.close()
        self._maps, self._wanted = None, None
        self._done.clear()
        self._hooked.clear()


# Every way out has its program before any way in: a request that is let in earlier is answered, through a way out
# without a program, with the backend's own address.
_WAY_OUT_FIRST: tuple[tuple[attaching.Direction, int], ...] = (("egress", 1), ("ingress", 0))

_PAIRS = {
    devices.TUNNEL: ("sip_from_tunnel", "sip_to_tunnel"),
    devices.LOOPBACK: ("sip_from_host", "sip_to_outside"),
    devices.HOST: ("sip_from_outside", "sip_to_outside"),
}


def _pair(ifname: str) -> tuple[str, str]:
    """The programs of an interface, ingress and egress. Pure."""
    return _PAIRS.get(ifname, ("sip_from_pod", "sip_to_pod"))


def _in_order(names: Iterable[str]) -> list[str]:
    """The interfaces that have programs, in the order in which they get them, and lose them. Pure.

    What comes from other hosts is let in last: it must find its way on and back by all the others. At the end, when
    no new flow is taken (``felix.ebpf`` sees to that), it is let through to the stack last: a connection that the
    stack's own rules translate must meet no program on its way back.
    """
    present = set(names)
    pods = sorted(name for name in present if name.startswith(devices.POD_PREFIX))
    return [name for name in (*pods, devices.LOOPBACK, devices.TUNNEL, devices.HOST) if name in present]


def _settings(settings: Settings, node: Node, links: dict[str, devices.Link]) -> layouts.SettingsValue:
    host, tunnel = links[devices.HOST], links[devices.TUNNEL]
    return layouts.SettingsValue(
        host_address=node.address,
        tunnel_address=node.tunnel_address,
        host_ifindex=int(host["ifindex"]),
        tunnel_ifindex=int(tunnel["ifindex"]),
        flags=contents.settings_flags(settings),
        overlay_vni=settings.vxlan_vni,
        tunnel_mtu=int(host["mtu"]) - devices.OVERHEAD,
        host_mac=bytes.fromhex(str(host["address"]).replace(":", "")),
    )


def _is_external(link: devices.Link) -> bool:
    return bool(((link.get("linkinfo") or {}).get("info_data") or {}).get("external"))


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
