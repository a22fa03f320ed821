"""The objects that the operator makes of an Installation: calico-node, the address pool, felix's configuration. Pure.

The shapes are the recorded ones, less what the lab has no use for (Typha, CNI binaries, certificates).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from harness.lab import plan
from harness.lab.controllers import metadata
from harness.lab.controllers.operator import defaults

Object = dict[str, Any]

NAMESPACE = "calico-system"
NAME = "calico-node"
IMAGE = f"quay.io/calico/node:{plan.CALICO_VERSION}"
SERVICE = ("10.96.0.1", "443")
_LABELS = {
    "app.kubernetes.io/component": "Installation.operator.tigera.io",
    "app.kubernetes.io/instance": "default",
    "app.kubernetes.io/managed-by": "tigera-operator",
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/part-of": "Calico",
    "k8s-app": NAME,
}
_NFTABLES_MODE = {"BPF": "Enabled", "Nftables": "Auto", "Iptables": "Disabled"}
_PRIVILEGED = {
    "allowPrivilegeEscalation": True,
    "capabilities": {"drop": ["ALL"]},
    "privileged": True,
    "runAsGroup": 0,
    "runAsNonRoot": False,
    "runAsUser": 0,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def nftables_mode(dataplane: str) -> str:
    """felix's ``nftablesMode`` for a dataplane: eBPF's residual rules are nftables rules since operator v1.40."""
    return _NFTABLES_MODE.get(dataplane, "Disabled")


def felix_configuration(wanted: defaults.Settings) -> Object:
    """``FelixConfiguration/default`` as it stands once calico-node has filled in its own defaults."""
    spec = {
        "bpfConnectTimeLoadBalancing": "TCP",
        "bpfHostNetworkedNATWithoutCTLB": "Enabled",
        "bpfLogLevel": "",
        "floatingIPs": "Disabled",
        "healthPort": 9099,
        "logSeverityScreen": "Info",
        "nftablesMode": nftables_mode(wanted.dataplane),
        "reportingInterval": "0s",
        "vxlanPort": plan.VXLAN_PORT,
        "vxlanVNI": plan.VXLAN_VNI,
    }
    return _calico("FelixConfiguration", "default", {}, spec)


def ip_pool(pool: Object) -> Object:
    """The IPPool of one of the Installation's pools."""
    vxlan = {"VXLAN": "Always", "VXLANCrossSubnet": "CrossSubnet"}.get(pool["encapsulation"], "Never")
    ipip = {"IPIP": "Always", "IPIPCrossSubnet": "CrossSubnet"}.get(pool["encapsulation"], "Never")
    spec = {
        "allowedUses": pool["allowedUses"],
        "assignmentMode": pool["assignmentMode"],
        "blockSize": pool["blockSize"],
        "cidr": pool["cidr"],
        "ipipMode": ipip,
        "natOutgoing": pool["natOutgoing"] == "Enabled",
        "nodeSelector": pool["nodeSelector"],
        "vxlanMode": vxlan,
    }
    name = pool.get("name") or "default-ipv4-ippool"
    return _calico("IPPool", name, {"app.kubernetes.io/managed-by": "tigera-operator"}, spec)


def _calico(kind: str, name: str, labels: dict[str, str], spec: Object) -> Object:
    meta: Object = {"name": name} | ({"labels": labels} if labels else {})
    return {"apiVersion": "crd.projectcalico.org/v1", "kind": kind, "metadata": meta, "spec": spec}


def daemonset(installation: Object, wanted: defaults.Settings, endpoint: tuple[str, str] | None, api: str) -> Object:
    """The calico-node DaemonSet.

    Args:
        installation: Its owner.
        wanted: What the Installation asks for.
        endpoint: The API server as a user's ConfigMap names it, or None for its Service.
        api: Address and port behind the API server's Service, for the automatic path.
    """
    host, port = endpoint or SERVICE
    service = [{"name": "KUBERNETES_SERVICE_HOST", "value": host}, {"name": "KUBERNETES_SERVICE_PORT", "value": port}]
    notes = {
        "hash.operator.tigera.io/cni-config": _digest({"host": host, "port": port, "hostPorts": wanted.host_ports}),
        "hash.operator.tigera.io/system": _digest({"version": plan.CALICO_VERSION}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": _LABELS,
            "ownerReferences": [metadata.controller_reference(installation)],
        },
        "spec": {
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"k8s-app": NAME}},
            "template": {"metadata": {"annotations": notes, "labels": _LABELS}, "spec": _pod(wanted, service, api)},
            "updateStrategy": wanted.update_strategy,
        },
    }


def _digest(value: Object) -> str:
    return hashlib.sha1(json.dumps(value, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _pod(wanted: defaults.Settings, service: list[Object], api: str) -> Object:
    return {
        "containers": [_container(service)],
        "dnsPolicy": "ClusterFirstWithHostNet",
        "hostNetwork": True,
        "initContainers": [_bootstrap(wanted, api)],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "priorityClassName": "system-node-critical",
        "restartPolicy": "Always",
        "serviceAccount": NAME,
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 5,
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"effect": "NoSchedule", "operator": "Exists"},
            {"effect": "NoExecute", "operator": "Exists"},
        ],
        "volumes": [
            {"name": "bpffs", "hostPath": {"path": "/sys/fs/bpf", "type": "Directory"}},
            {"name": "lib-modules", "hostPath": {"path": "/lib/modules", "type": ""}},
            {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
        ],
    }


def _bootstrap(wanted: defaults.Settings, api: str) -> Object:
    """The init container whose arguments say which dataplane is meant: it is what rolls the DaemonSet at a switch."""
    known = {"KUBERNETES_SERVICE_IPS_PORTS": ":".join(SERVICE), "KUBERNETES_APISERVER_ENDPOINTS": api}
    return {
        "name": "ebpf-bootstrap",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["calico-node", "-init", *([] if wanted.bpf else ["-best-effort"])],
        "env": [{"name": name, "value": value} for name, value in known.items()] if wanted.bootstrap else [],
        "securityContext": _PRIVILEGED,
        "volumeMounts": [{"mountPath": "/sys/fs/bpf", "name": "bpffs"}],
    }


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _container(service: list[Object]) -> Object:
    values = {
        "DATASTORE_TYPE": "kubernetes",
        "WAIT_FOR_DATASTORE": "true",
        "CLUSTER_TYPE": "k8s,operator",
        "CALICO_DISABLE_FILE_LOGGING": "false",
        "FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
        "FELIX_HEALTHENABLED": "true",
        "FELIX_HEALTHPORT": "9099",
        "NO_DEFAULT_POOLS": "true",
        "CALICO_MANAGE_CNI": "true",
        "CALICO_NETWORKING_BACKEND": "vxlan",
        "IP": "autodetect",
        "IP_AUTODETECTION_METHOD": "first-found",
        "IP6": "none",
        "FELIX_IPV6SUPPORT": "false",
    }
    fields = [_field("NODENAME", "spec.nodeName"), _field("NODE_NAME", "spec.nodeName")]
    return {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "env": [*({"name": name, "value": value} for name, value in values.items()), *fields, *service],
        # The real one is a program run every thirty seconds; the lab asks felix itself, and asks often.
        "readinessProbe": {
            "httpGet": {"host": "127.0.0.1", "path": "/readiness", "port": 9099, "scheme": "HTTP"},
            "failureThreshold": 3,
            "periodSeconds": 1,
            "successThreshold": 1,
            "timeoutSeconds": 10,
        },
        "securityContext": _PRIVILEGED,
        "volumeMounts": [
            {"mountPath": "/sys/fs/bpf", "name": "bpffs"},
            {"mountPath": "/lib/modules", "name": "lib-modules", "readOnly": True},
            {"mountPath": "/run/xtables.lock", "name": "xtables-lock"},
        ],
    }
