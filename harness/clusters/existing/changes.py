"""What a switch leaves behind on a cluster, and how each of it is put back to what was found.

The way back to the dataplane that was in force is the walk's own. It leaves fields and a ConfigMap that were not there
before; those are put back here, once that dataplane forwards again, since any earlier it would disturb the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.checks import walk
from harness.core import errors
from harness.dataplane import calico
from harness.kube import client, inventory

_FIELDS = ("linuxDataplane", "hostPorts", "bpfNetworkBootstrap", "kubeProxyManagement")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a switch may change, as it was.

    Attributes:
        network: The fields of the Installation's ``calicoNetwork``; None for one that was not there.
        selector: kube-proxy's nodeSelector.
        endpoint: The data of the ConfigMap of the manual way; None if there was none.
    """

    network: Mapping[str, Any]
    selector: Mapping[str, str]
    endpoint: Mapping[str, str] | None


def found(api: client.Client) -> Found:
    """The cluster as it is now; raises ApiError."""
    endpoint = api.find(calico.ENDPOINT)
    return Found(
        network=_network(api.get(inventory.INSTALLATION)),
        selector=_selector(api.find(calico.KUBE_PROXY) or {}),
        endpoint=endpoint.get("data") or {} if endpoint is not None else None,
    )


def put_back(api: client.Client, before: Found, say: Callable[[str], None]) -> None:
    """Put back every field that differs from what was found.

    Raises:
        ApiError: The API refused.
        WaitTimeout: The operator, which has to be started again, did not come back.
        CleanupError: The dataplane itself is not the one that was found, so nothing else is touched.
    """
    now = found(api)
    if now == before:
        return
    wanted, declared = before.network.get("linuxDataplane"), now.network.get("linuxDataplane")
    if _dataplane(wanted) != _dataplane(declared):
        why = errors.UsageError(f"linuxDataplane is {declared} and was {wanted}")
        raise errors.CleanupError([("the cluster's dataplane", why)])
    for text, path, body, kind in _patches(before, now):
        say(f"putting back {text}")
        api.patch(path, body, kind)
    _put_back_endpoint(api, before, now, say)


def _patches(before: Found, now: Found) -> list[tuple[str, str, client.Object, str]]:
    network = _difference(before.network, now.network)
    selector = _difference(before.selector, now.selector)
    found_: list[tuple[str, str, client.Object, str]] = []
    if network:
        body = {"spec": {"calicoNetwork": network}}
        found_.append((f"Installation default: {', '.join(network)}", inventory.INSTALLATION, body, client.MERGE))
    if selector:
        body = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
        found_.append(("kube-proxy's nodeSelector", calico.KUBE_PROXY, body, client.STRATEGIC))
    return found_


def _put_back_endpoint(api: client.Client, before: Found, now: Found, say: Callable[[str], None]) -> None:
    if before.endpoint == now.endpoint:
        return
    say("putting back ConfigMap tigera-operator/kubernetes-services-endpoint")
    if before.endpoint is None:
        api.delete(calico.ENDPOINT)
    else:
        data = _difference(before.endpoint, now.endpoint or {})
        api.patch(calico.ENDPOINT, {"data": data})
    # One that runs on would keep the endpoint that it has seen, and give it to every node's agent (finding 11).
    say("restarting tigera-operator, which has read it")
    calico.restart_operator(api)


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge patch says to come from one to the other; what was not there is None. Pure."""
    names = [*before, *(name for name in now if name not in before)]
    return {name: before.get(name) for name in names if before.get(name) != now.get(name)}


def _dataplane(value: object) -> str:
    return walk.declared({"spec": {"calicoNetwork": {"linuxDataplane": value}}})


def _network(installation: client.Object) -> dict[str, Any]:
    network = (installation.get("spec") or {}).get("calicoNetwork") or {}
    return {name: network[name] for name in _FIELDS if name in network}


def _selector(daemon_set: client.Object) -> dict[str, str]:
    template = (daemon_set.get("spec") or {}).get("template") or {}
    return dict((template.get("spec") or {}).get("nodeSelector") or {})
