"""The kernel settings that felix makes for a node. Pure.

Values are those of the recorded nodes (``nodes/PHASE/NODE/sysctl.txt``). eBPF mode leaves two traces behind: after
the way back ``all.rp_filter`` is still 0 and ``rp_filter`` of the node's own devices still 2.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.lab.felix import overlay, workloads

Settings = dict[str, str]


def wanted(devices: Iterable[str], *, bpf: bool) -> Settings:
    """Paths below ``/proc/sys`` with their values, for these devices."""
    pods = sorted(device for device in devices if device.startswith(workloads.DEVICE_PREFIX))
    settings = {"net/ipv4/ip_forward": "1"}
    if bpf:
        # The programs check where a packet came from; the kernel's own check would refuse what they redirect.
        settings["net/ipv4/conf/all/rp_filter"] = "0"
        for device in (overlay.DATA_DEVICE, "lo", overlay.DEVICE):
            settings |= _conf(device, rp_filter=2, accept_local=1)
    else:
        # The real felix makes this device anew at every switch, which gives it the defaults again.
        settings |= _conf(overlay.DEVICE, rp_filter=1, accept_local=0)
    for device in pods:
        settings |= _pod(device, bpf=bpf)
    return settings


def _pod(device: str, *, bpf: bool) -> Settings:
    # A pod's default route leads to an address that nobody has: proxy ARP answers for it, at once.
    settings = _conf(device, route_localnet=1, proxy_arp=1, forwarding=1) | {
        f"net/ipv4/neigh/{device}/proxy_delay": "0",
    }
    return settings | (_conf(device, rp_filter=0, accept_local=1) if bpf else _conf(device, rp_filter=1))


def _conf(device: str, **values: int) -> Settings:
    return {f"net/ipv4/conf/{device}/{name}": str(value) for name, value in values.items()}
