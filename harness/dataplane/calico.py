"""Calico: how to switch its dataplane the manual way, and how to read what its BPF programs translate.

The way there and back is the one of the original walk-through and of Calico's documentation: the ConfigMap with the
API's own address, the Installation, the kube-proxy DaemonSet. A field that the automatic way would have set is set
back too, because ``linuxDataplane: Iptables`` alone leaves a cluster in which ``bpfNetworkBootstrap`` or
``kubeProxyManagement`` is enabled degraded and without kube-proxy (the recordings' finding 10).
"""

from __future__ import annotations

from typing import Any

from harness.core import errors
from harness.kube import client, inventory
from harness.model import words

KUBE_PROXY = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"
_API_ENDPOINTS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
_AUTOMATIC = ("bpfNetworkBootstrap", "kubeProxyManagement")
_SELECTORS = ("non-calico", "operator.tigera.io/disable-kube-proxy")


def switch(api: client.Client, target: words.Dataplane) -> None:
    """Ask for a dataplane; returns when the API has taken it, long before any node forwards by it.

    Raises:
        ApiError: The API refused.
        UsageError: There is no way to that dataplane here.
    """
    if target is words.Dataplane.BPF:
        _to_bpf(api)
    elif target is words.Dataplane.IPTABLES:
        _to_iptables(api)
    else:
        raise errors.UsageError(f"no way is known to switch Calico to {target.value}")


def _to_bpf(api: client.Client) -> None:
    api.apply(endpoint_config(api.get(_API_ENDPOINTS)))
    # hostPorts is cleared as the walk-through does it: old operators refuse BPF with it.
    api.patch(inventory.INSTALLATION, {"spec": {"calicoNetwork": {"linuxDataplane": "BPF", "hostPorts": None}}})
    _select_kube_proxy(api, {"non-calico": "true"})


def _to_iptables(api: client.Client) -> None:
    api.patch(inventory.INSTALLATION, way_back(api.get(inventory.INSTALLATION)))
    _select_kube_proxy(api, dict.fromkeys(_SELECTORS))


def _select_kube_proxy(api: client.Client, selector: dict[str, str | None]) -> None:
    patch = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
    api.patch(KUBE_PROXY, patch, kind=client.STRATEGIC)


def way_back(installation: client.Object) -> dict[str, Any]:
    """The patch that leads an Installation back to iptables, whichever way it went there. Pure."""
    network = (installation.get("spec") or {}).get("calicoNetwork") or {}
    # Older operators don't know these fields, so they are only named where they are set.
    automatic = {name: "Disabled" for name in _AUTOMATIC if network.get(name) == "Enabled"}
    return {"spec": {"calicoNetwork": {"linuxDataplane": "Iptables", **automatic}}}


def endpoint_config(slice_: client.Object) -> dict[str, Any]:
    """The ConfigMap that tells Calico where the API is without kube-proxy. Pure.

    The address is that of the API server itself and not its name, which a node may be unable to resolve once its
    own service translation is gone (the recordings' finding 11).
    """
    address = slice_["endpoints"][0]["addresses"][0]
    port = slice_["ports"][0]["port"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kubernetes-services-endpoint", "namespace": "tigera-operator"},
        "data": {"KUBERNETES_SERVICE_HOST": str(address), "KUBERNETES_SERVICE_PORT": str(port)},
    }
