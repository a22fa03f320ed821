"""``kubeProxyManagement``: takes kube-proxy off the nodes while eBPF is on, and puts it back.

It follows ``FelixConfiguration.spec.bpfEnabled``, not the Installation's wish, so kube-proxy goes after the flip and
stays away where the flip back was refused. It leaves a kube-proxy alone that someone else manages.
"""

from __future__ import annotations

from typing import Any

from harness.lab.controllers import actions, metadata, paths
from harness.lab.controllers.operator import defaults, installation

Object = dict[str, Any]

SELECTOR = "operator.tigera.io/disable-kube-proxy"
_OTHERS_LABELS = ("app.kubernetes.io/managed-by", "addonmanager.kubernetes.io/mode")
_OTHERS_ANNOTATIONS = ("argocd.argoproj.io/tracking-id",)


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Set or take away the nodeSelector that no node satisfies."""
    del now
    owner = view.get(paths.INSTALLATIONS, installation.NAME)
    felix = view.get(paths.FELIXCONFIGURATIONS, installation.FELIX)
    daemonset = view.get(paths.DAEMONSETS, "kube-proxy", "kube-system")
    if owner is None or felix is None or daemonset is None or managed_elsewhere(daemonset):
        return []
    if not defaults.settings(defaults.filled(owner["spec"])).manages_kube_proxy:
        return []
    selector: Object = daemonset["spec"]["template"]["spec"].get("nodeSelector") or {}
    disabled = bool(felix["spec"].get("bpfEnabled"))
    if (SELECTOR in selector) is disabled:
        return []
    value = "true" if disabled else None
    body = {"spec": {"template": {"spec": {"nodeSelector": {SELECTOR: value}}}}}
    return [actions.Patch(path=paths.DAEMONSETS, name="kube-proxy", namespace="kube-system", body=body)]


def managed_elsewhere(daemonset: Object) -> bool:
    """Whether kube-proxy carries the mark of another manager, such as Helm, the addon manager or Argo CD."""
    labels, notes = metadata.labels(daemonset), metadata.annotations_of(daemonset)
    return any(key in labels for key in _OTHERS_LABELS) or any(key in notes for key in _OTHERS_ANNOTATIONS)
