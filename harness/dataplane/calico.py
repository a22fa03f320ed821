"""Calico: how to switch its dataplane, by either way there and back.

The *manual* way is the one of the original walk-through and of Calico's documentation: the ConfigMap with the API's
own address, the Installation, the kube-proxy DaemonSet. The *automatic* way (Calico 3.31 and later) asks the operator
for all of it: ``bpfNetworkBootstrap`` and ``kubeProxyManagement``. Each refuses what the other leaves: with the
ConfigMap there the operator refuses the automatic way, and ``linuxDataplane: Iptables`` alone leaves a cluster that
went the automatic way degraded, in eBPF mode and without kube-proxy (the recordings' finding 10).
"""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Mapping
from typing import Any

from harness.core import errors, timeouts, waiting
from harness.kube import client, conditions, inventory
from harness.model import words

KUBE_PROXY = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"
OPERATOR = "/apis/apps/v1/namespaces/tigera-operator/deployments/tigera-operator"
ENDPOINT = "/api/v1/namespaces/tigera-operator/configmaps/kubernetes-services-endpoint"
_API_ENDPOINTS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
_AUTOMATIC_SINCE = (3, 31)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.")
_MANUAL_SELECTOR, _AUTOMATIC_SELECTOR = "non-calico", "operator.tigera.io/disable-kube-proxy"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


class Way(enum.Enum):
    """A way to eBPF mode."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


def switch(
    api: client.Client,
    target: words.Dataplane,
    *,
    told: Way | None = None,
    timeout_s: float = timeouts.DEFAULT.rollout_s,
    clock: waiting.Clock = waiting.REAL,
) -> None:
    """Ask for a dataplane; returns when the API has taken it, long before any node forwards by it.

    Args:
        api: The cluster's API.
        target: What is asked for.
        told: The way there; None chooses one that this cluster has. The way back is the one that undoes what is set.
        timeout_s: How long the operator may take to start again, where it must.
        clock: Time.

    Raises:
        ApiError: The API refused.
        UsageError: There is no way to that dataplane here, or not by that way.
        WaitTimeout: The operator did not come back.
    """
    if target is words.Dataplane.BPF:
        installation = api.get(inventory.INSTALLATION)
        if way_there(installation, has_endpoint=api.find(ENDPOINT) is not None, told=told) is Way.AUTOMATIC:
            api.patch(inventory.INSTALLATION, _network(_automatic("BPF", bootstrap="Enabled")))
        else:
            _to_bpf_by_hand(api, timeout_s, clock)
    elif target is words.Dataplane.IPTABLES:
        _to_iptables(api)
    else:
        raise errors.UsageError(f"no way is known to switch Calico to {target.value}")


def way_there(installation: client.Object, *, has_endpoint: bool, told: Way | None = None) -> Way:
    """The way to eBPF mode on a cluster: the one that was told, or else the automatic one where it is open. Pure.

    Args:
        installation: The Installation.
        has_endpoint: Whether the ConfigMap of the manual way is there.
        told: The way that the user wants.

    Raises:
        UsageError: The operator would refuse what was told.
    """
    version = str((installation.get("status") or {}).get("calicoVersion") or "")
    found = _VERSION.match(version)
    known = found is not None and (int(found[1]), int(found[2])) >= _AUTOMATIC_SINCE
    if told is not Way.AUTOMATIC:
        return told or (Way.AUTOMATIC if known and not has_endpoint else Way.MANUAL)
    if has_endpoint:
        raise errors.UsageError(
            "--switch automatic: the operator refuses it while the ConfigMap "
            "tigera-operator/kubernetes-services-endpoint is there; delete it and restart the operator, "
            "or use --switch manual"
        )
    if not known:
        raise errors.UsageError(f"--switch automatic: Calico {version or 'of unknown version'} has it since v3.31")
    return told


def _to_bpf_by_hand(api: client.Client, timeout_s: float, clock: waiting.Clock) -> None:
    wanted = endpoint_config(api.get(_API_ENDPOINTS))
    if (api.find(ENDPOINT) or {}).get("data") != wanted["data"]:
        api.apply(wanted)
        restart_operator(api, timeout_s, clock)
    # hostPorts is cleared as the walk-through does it: old operators refuse BPF with it.
    api.patch(inventory.INSTALLATION, _network({"linuxDataplane": "BPF", "hostPorts": None}))
    _select_kube_proxy(api, {_MANUAL_SELECTOR: "true"})


def restart_operator(
    api: client.Client,
    timeout_s: float = timeouts.DEFAULT.rollout_s,
    clock: waiting.Clock = waiting.REAL,
) -> None:
    """As ``kubectl rollout restart`` does it: an operator that runs keeps the endpoint that it has seen (finding 11).

    An operator that is no Deployment, such as the lab's, is left to notice by itself.

    Raises:
        ApiError: The API refused.
        WaitTimeout: The operator did not come back.
    """
    if api.find(OPERATOR) is None:
        return
    now = datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds")
    api.patch(OPERATOR, {"spec": {"template": {"metadata": {"annotations": {_RESTARTED: now}}}}}, kind=client.STRATEGIC)
    waiting.wait_until(
        lambda: _operator(api),
        lambda found: isinstance(found, dict) and conditions.deployment_is_available(found),
        what="tigera-operator started again",
        timeout_s=timeout_s,
        delay_s=1.0,
        clock=clock,
    )


def _operator(api: client.Client) -> client.Object | str:
    """The operator's Deployment, or why the API could not show it just now."""
    try:
        return api.get(OPERATOR)
    except errors.ApiError as error:
        if not error.is_momentary:
            raise
        return str(error)


def _to_iptables(api: client.Client) -> None:
    patch = way_back(api.get(inventory.INSTALLATION))
    api.patch(inventory.INSTALLATION, patch)
    # Where the operator manages kube-proxy it takes its own selector away, once no node is in eBPF mode.
    managed = "kubeProxyManagement" in patch["spec"]["calicoNetwork"]
    _select_kube_proxy(api, dict.fromkeys([_MANUAL_SELECTOR] if managed else [_MANUAL_SELECTOR, _AUTOMATIC_SELECTOR]))


def _select_kube_proxy(api: client.Client, selector: Mapping[str, str | None]) -> None:
    patch = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
    api.patch(KUBE_PROXY, patch, kind=client.STRATEGIC)


def way_back(installation: client.Object) -> dict[str, Any]:
    """The patch that leads an Installation back to iptables, whichever way it went there. Pure.

    All fields of the automatic way are patched at once, and the operator goes on managing kube-proxy, so that it puts
    back what it took away. Older operators don't know these fields, so they are only named where they are set.
    """
    network = (installation.get("spec") or {}).get("calicoNetwork") or {}
    if "Enabled" in (network.get("bpfNetworkBootstrap"), network.get("kubeProxyManagement")):
        return _network(_automatic("Iptables", bootstrap="Disabled"))
    return _network({"linuxDataplane": "Iptables"})


def _automatic(dataplane: str, *, bootstrap: str) -> dict[str, Any]:
    return {"linuxDataplane": dataplane, "bpfNetworkBootstrap": bootstrap, "kubeProxyManagement": "Enabled"}


def _network(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"spec": {"calicoNetwork": dict(fields)}}


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
