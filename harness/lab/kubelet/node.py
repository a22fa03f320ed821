"""The Node object: what a real kubelet registers, as recorded. Pure, but for reading the machine's facts."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import errors
from harness.lab import api, plan

HEARTBEAT_S = 60.0
PATH = "/api/v1/nodes"
_HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the Node object says of the machine.

    Attributes:
        architecture: Go's name for it.
        kernel: The kernel's release.
        os_image: The distribution's name.
        boot_id: The kernel's identity of this boot.
        machine_id: The machine's identity.
        cpus: How many processors.
        memory_kib: Main memory in KiB.
        disk_kib: The root file system's size in KiB.
    """

    architecture: str
    kernel: str
    os_image: str
    boot_id: str
    machine_id: str
    cpus: int
    memory_kib: int
    disk_kib: int


def read_machine() -> Machine:
    """The facts of this machine."""
    disk = os.statvfs("/")
    return Machine(
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=_os_image(),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        machine_id=_text("/etc/machine-id"),
        cpus=os.cpu_count() or 1,
        memory_kib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024,
        disk_kib=disk.f_blocks * disk.f_frsize // 1024,
    )


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _text(path: str) -> str:
    file = Path(path)
    return file.read_text().strip() if file.exists() else ""


def node_object(name: str, address: str, machine: Machine, *, now: str) -> dict[str, Any]:
    """The Node as a kubelet of a kind cluster registers it; the control plane has its role and its taint."""
    plane = name == plan.CONTROL_PLANE
    labels = {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }
    spec: dict[str, Any] = {"providerID": f"kind://docker/kind/{name}"}
    if plane:
        labels |= {
            "node-role.kubernetes.io/control-plane": "",
            "node.kubernetes.io/exclude-from-external-load-balancers": "",
        }
        spec["taints"] = [{"effect": "NoSchedule", "key": "node-role.kubernetes.io/control-plane"}]
    annotations = {
        "node.alpha.kubernetes.io/ttl": "0",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": spec,
        "status": status(name, address, machine, now=now),
    }


def status(name: str, address: str, machine: Machine, *, now: str) -> dict[str, Any]:
    """The Node's status: addresses, capacity, conditions and the machine's facts."""
    capacity = {
        "cpu": str(machine.cpus),
        "ephemeral-storage": f"{machine.disk_kib}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{machine.memory_kib}Ki",
        "pods": "110",
    }
    return {
        "addresses": [{"address": address, "type": "InternalIP"}, {"address": name, "type": "Hostname"}],
        "allocatable": capacity,
        "capacity": capacity,
        "conditions": conditions(now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": machine.architecture,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": "containerd://2.3.1",
            "kernelVersion": machine.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": plan.KUBERNETES_VERSION,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": machine.os_image,
            "systemUUID": machine.machine_id,
        },
    }


def conditions(now: str) -> list[dict[str, Any]]:
    """The four conditions that a kubelet reports."""
    return [
        {
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
            "message": message,
            "reason": reason,
            "status": holds,
            "type": kind,
        }
        for kind, holds, reason, message in _HEALTHY
    ]


def register(client: api.Api, item: dict[str, Any]) -> None:
    """Create the Node, or bring the status of one that exists up to date; ApiError as every call."""
    try:
        client.create(PATH, item)
    except errors.ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    # Creation ignores the status, as for every kind with a status of its own.
    client.patch(f"{PATH}/{item['metadata']['name']}/status", {"status": item["status"]}, kind="strategic")


def heartbeat(client: api.Api, name: str, now: str) -> None:
    """Say that the node lives: the conditions' heartbeat times, nothing else."""
    beats = [{"type": kind, "lastHeartbeatTime": now} for kind, *_ in _HEALTHY]
    client.patch(f"{PATH}/{name}/status", {"status": {"conditions": beats}}, kind="strategic")
