"""What the operator fills into an Installation, and how its spec is read. Pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

FINALIZERS = ["operator.tigera.io/installation-controller", "tigera.io/operator-cleanup"]

_NETWORK = {
    "bgp": "Disabled",
    "hostPorts": "Enabled",
    "linuxDataplane": "Iptables",
    "linuxPolicySetupTimeoutSeconds": 0,
    "multiInterfaceMode": "None",
    "nodeAddressAutodetectionV4": {"firstFound": True},
    "windowsDataplane": "Disabled",
}
_POOL = {
    "allowedUses": ["Workload", "Tunnel"],
    "assignmentMode": "Automatic",
    "blockSize": 26,
    "disableBGPExport": False,
    "disableNewAllocations": False,
    "encapsulation": "VXLAN",
    "natOutgoing": "Enabled",
    "nodeSelector": "all()",
}
_SPEC: Object = {
    "cni": {"binDir": "/opt/cni/bin", "confDir": "/etc/cni/net.d", "ipam": {"type": "Calico"}, "type": "Calico"},
    "controlPlaneReplicas": 1,
    "flexVolumePath": "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/",
    "kubeletVolumePluginPath": "None",
    "kubernetesProvider": "Kind",
    "logging": {
        "cni": {"logFileMaxAgeDays": 30, "logFileMaxCount": 10, "logFileMaxSize": "100Mi", "logSeverity": "Info"}
    },
    "nodeUpdateStrategy": {"rollingUpdate": {"maxUnavailable": 1}, "type": "RollingUpdate"},
    "variant": "Calico",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What of an Installation decides how Calico runs.

    Attributes:
        dataplane: ``linuxDataplane``: Iptables, BPF, Nftables or VPP.
        bootstrap: ``bpfNetworkBootstrap`` is Enabled: the nodes find the API server without kube-proxy.
        manages_kube_proxy: ``kubeProxyManagement`` is Enabled.
        host_ports: ``hostPorts`` is Enabled.
        pools: The address pools, with everything filled in.
        update_strategy: How calico-node is replaced.
    """

    dataplane: str
    bootstrap: bool
    manages_kube_proxy: bool
    host_ports: bool
    pools: tuple[Object, ...]
    update_strategy: Object

    @property
    def bpf(self) -> bool:
        """Whether eBPF is wanted."""
        return self.dataplane == "BPF"


def filled(spec: Object) -> Object:
    """The spec with everything filled in that the user left out or set to null."""
    complete = _over(_SPEC, spec)
    network = _over(_NETWORK, complete.get("calicoNetwork") or {})
    network["ipPools"] = [_over(_POOL, pool) for pool in network.get("ipPools") or []]
    return {**complete, "calicoNetwork": network}


def _over(defaults: Object, given: Object) -> Object:
    result = copy.deepcopy(defaults)
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            # Where the user chose one way of several, such as another address autodetection, no default is added.
            result[key] = copy.deepcopy(value) if key == "nodeAddressAutodetectionV4" else _over(result[key], value)
        elif value is not None:
            result[key] = copy.deepcopy(value)
    return result


def settings(spec: Object) -> Settings:
    """Read a filled spec."""
    network = spec["calicoNetwork"]
    return Settings(
        dataplane=network["linuxDataplane"],
        bootstrap=network.get("bpfNetworkBootstrap") == "Enabled",
        manages_kube_proxy=network.get("kubeProxyManagement") == "Enabled",
        host_ports=network["hostPorts"] == "Enabled",
        pools=tuple(network["ipPools"]),
        update_strategy=spec["nodeUpdateStrategy"],
    )
