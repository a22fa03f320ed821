"""When the operator refuses an Installation, and in which words. Pure."""

from __future__ import annotations

from typing import Any

from harness.lab.controllers import actions, metadata, paths
from harness.lab.controllers.operator import defaults

Object = dict[str, Any]

OPERATOR_NAMESPACE = "tigera-operator"
ENDPOINT_CONFIGMAP = "kubernetes-services-endpoint"
FELIX_NOTE = "operator.tigera.io/bpfEnabled"
IN_THE_LAB = ("Iptables", "BPF")


def endpoint(view: actions.View) -> tuple[str, str] | None:
    """Host and port of the API server as a user gave them in the ConfigMap; None without it."""
    found = view.get(paths.CONFIGMAPS, ENDPOINT_CONFIGMAP, OPERATOR_NAMESPACE)
    data: Object = (found or {}).get("data") or {}
    host, port = data.get("KUBERNETES_SERVICE_HOST"), data.get("KUBERNETES_SERVICE_PORT")
    return (str(host), str(port)) if host and port else None


def refusal(view: actions.View, wanted: defaults.Settings) -> tuple[str, str] | None:
    """Why this Installation can't be carried out: reason and message, or None. The words are recorded ones."""
    if wanted.dataplane not in IN_THE_LAB:
        message = f"linuxDataplane {wanted.dataplane} is not in the lab, which has {' and '.join(IN_THE_LAB)}"
        return "InvalidConfigurationError", message
    if not wanted.bootstrap:
        return None
    missing = ""
    if not wanted.bpf:
        missing = "bpfNetworkBootstrap is enabled but linuxDataplane is not set to BPF"
    elif endpoint(view) is not None:
        missing = "kubernetes service endpoint is defined by the kubernetes-service-endpoints ConfigMap"
    if not missing:
        return None
    return (
        "ResourceValidationError",
        f"bpfNetworkBootstrap is Enabled but the requirements are not met: {missing}",
    )


def edited_by_hand(felix: Object) -> tuple[str, str] | None:
    """Whether someone else has set ``bpfEnabled``: the operator notes its own value in an annotation.

    The words are those of the operator's source (``bpf.go``); the recorded cluster was not edited by hand.
    """
    value = felix["spec"].get("bpfEnabled")
    noted = metadata.annotations_of(felix).get(FELIX_NOTE)
    if value is None or noted == str(bool(value)).lower():
        return None
    message = (
        f'unable to set bpfEnabled: FelixConfiguration "{metadata.name(felix)}" has been modified by someone else, '
        "refusing to override potential user configuration"
    )
    return "ResourceUpdateError", message
