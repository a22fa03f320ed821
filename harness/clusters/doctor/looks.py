"""How to look: each function here finds one thing on this machine, or raises what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from harness.core import errors, process, timeouts

_QUICK_S = timeouts.DEFAULT.tool_s
_OLDEST_KERNEL = (5, 10)


def system() -> str:
    """Linux; raises CapabilityMissing on any other."""
    if sys.platform != "linux":
        raise errors.CapabilityMissing("Linux", f"this is {platform.system()}", "run it on a Linux machine")
    return f"Linux {platform.release()}"


def kernel() -> str:
    """A kernel that Calico's eBPF dataplane runs on; raises CapabilityMissing for an older one."""
    found = kernel_version(platform.release())
    if found < _OLDEST_KERNEL:
        raise errors.CapabilityMissing(
            "kernel", f"{platform.release()} is older than 5.10", "Calico's eBPF dataplane needs 5.10 or newer"
        )
    return platform.release()


def kernel_version(release: str) -> tuple[int, int]:
    """The two numbers that a kernel's release begins with; (0, 0) if it begins with none. Pure."""
    numbers = release.split("-", maxsplit=1)[0].split(".")
    if len(numbers) < 2 or not all(number.isdigit() for number in numbers[:2]):
        return 0, 0
    return int(numbers[0]), int(numbers[1])


def root() -> str:
    """Root's rights; raises CapabilityMissing without."""
    if os.geteuid() != 0:
        raise errors.CapabilityMissing("root", f"this is user {os.geteuid()}", "run it with sudo")
    return "user 0"


def program(name: str, remedy: str, path: str | None = None) -> str:
    """Where a program is; raises CapabilityMissing if it is nowhere."""
    found = shutil.which(name, path=path)
    if found is None:
        raise errors.CapabilityMissing(name, "no such program on PATH", remedy)
    return found


def network_namespaces() -> str:
    """That a network namespace can be made, by making one; raises CapabilityMissing if not."""
    done = process.run(["unshare", "--net", "true"], timeout_s=_QUICK_S, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="backslashreplace").strip() or f"unshare ended with {done.returncode}"
        raise errors.CapabilityMissing("network namespaces", said, "run it with sudo, on a kernel with CONFIG_NET_NS")
    return "one was made and is gone again"


def cgroup2() -> str:
    """The unified control group hierarchy; raises CapabilityMissing if the kernel has none."""
    kinds = Path("/proc/filesystems").read_text().split()
    if "cgroup2" not in kinds:
        raise errors.CapabilityMissing("cgroup v2", "the kernel has none", "boot a kernel with CONFIG_CGROUPS")
    return "the kernel has it"


def memory(wanted_mib: int) -> str:
    """That so much memory is available, in MiB; raises CapabilityMissing if it is less."""
    available = available_mib(Path("/proc/meminfo").read_text())
    if available < wanted_mib:
        raise errors.CapabilityMissing("memory", f"{available} MiB available", f"{wanted_mib} MiB are needed")
    return f"{available} MiB available"


def available_mib(meminfo: str) -> int:
    """MemAvailable in what ``/proc/meminfo`` says, in MiB. Pure; raises ParseError if it does not say."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    raise errors.ParseError("/proc/meminfo: no MemAvailable")


def inotify(wanted: int) -> str:
    """That a user may have so many inotify instances, which kind's nodes use up; raises CapabilityMissing if fewer."""
    name = "fs.inotify.max_user_instances"
    found = int(Path("/proc/sys").joinpath(*name.split(".")).read_text())
    if found < wanted:
        raise errors.CapabilityMissing("inotify", f"{name} is {found}", f"sysctl -w {name}={wanted}")
    return f"{name} is {found}"
