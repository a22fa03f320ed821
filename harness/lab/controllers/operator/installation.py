"""The reconciler of ``Installation/default``.

Recorded order. On: ``nftablesMode``, calico-node's template, ``status.computed``; the DaemonSet rolls; only when every
node is updated and available ``bpfEnabled: true``, then Available. Off: ``nftablesMode``, the template, ``bpfEnabled:
false`` at once, ``status.computed``. A combination that is refused stops it after ``nftablesMode``, so that
``bpfEnabled`` stays as it was: the way back from the automatic path by ``linuxDataplane`` alone is a trap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.lab import plan
from harness.lab.controllers import actions, merging, metadata, paths
from harness.lab.controllers.operator import defaults, rendering, requirements, statuses

Object = dict[str, Any]

NAME = "default"
FELIX = "default"
MTU = 1450


@dataclass(frozen=True, kw_only=True)
class _Observed:
    """The Installation and what has been made of it so far."""

    view: actions.View
    now: str
    installation: Object
    spec: Object
    wanted: defaults.Settings
    felix: Object | None
    daemonset: Object | None


def reconcile(view: actions.View, now: str) -> list[actions.Action]:
    """Bring Calico a step closer to what the Installation says, and its status to what is."""
    installation = view.get(paths.INSTALLATIONS, NAME)
    if installation is None:
        return []
    if metadata.deleting(installation):
        return _released(installation)
    observed = _observe(view, installation, now)
    if not installation["metadata"].get("finalizers"):
        return _adopted(observed)
    refusal = requirements.refusal(view, observed.wanted)
    writes = _prepared(observed)
    if refusal is None:
        writes += _rendered(observed)
        # On waits for the new template to have rolled; off does not wait for anything.
        if not (observed.wanted.bpf and _calico_node_changes(writes)):
            flipped, refusal = _bpf(observed)
            writes += flipped
        writes += _computed(observed) + _completed(observed)
    # The status tells of what is, so it waits until nothing is left to write and the DaemonSet has been seen.
    return writes or _status(observed, refusal)


def _observe(view: actions.View, installation: Object, now: str) -> _Observed:
    spec = defaults.filled(installation["spec"])
    return _Observed(
        view=view,
        now=now,
        installation=installation,
        spec=spec,
        wanted=defaults.settings(spec),
        felix=view.get(paths.FELIXCONFIGURATIONS, FELIX),
        daemonset=view.get(paths.DAEMONSETS, rendering.NAME, rendering.NAMESPACE),
    )


def _released(installation: Object) -> list[actions.Action]:
    if not installation["metadata"].get("finalizers"):
        return []
    return [actions.Patch(path=paths.INSTALLATIONS, name=NAME, body={"metadata": {"finalizers": None}})]


def _adopted(observed: _Observed) -> list[actions.Action]:
    body = {"metadata": {"finalizers": defaults.FINALIZERS}}
    change = merging.difference(observed.installation["spec"], observed.spec)
    return [actions.Patch(path=paths.INSTALLATIONS, name=NAME, body=body | ({"spec": change} if change else {}))]


def _prepared(observed: _Observed) -> list[actions.Action]:
    """The address pools, and felix's configuration with its ``nftablesMode``."""
    writes: list[actions.Action] = []
    for pool in map(rendering.ip_pool, observed.wanted.pools):
        if observed.view.get(paths.IPPOOLS, pool["metadata"]["name"]) is None:
            writes.append(actions.Create(path=paths.IPPOOLS, body=pool))
    if observed.felix is None:
        body = rendering.felix_configuration(observed.wanted)
        return [*writes, actions.Create(path=paths.FELIXCONFIGURATIONS, body=body)]
    mode = rendering.nftables_mode(observed.wanted.dataplane)
    if observed.wanted.dataplane in requirements.IN_THE_LAB and observed.felix["spec"].get("nftablesMode") != mode:
        writes.append(_felix({"spec": {"nftablesMode": mode}}))
    return writes


def _felix(body: Object) -> actions.Patch:
    return actions.Patch(path=paths.FELIXCONFIGURATIONS, name=FELIX, body=body)


def _rendered(observed: _Observed) -> list[actions.Action]:
    endpoint = requirements.endpoint(observed.view)
    desired = rendering.daemonset(observed.installation, observed.wanted, endpoint, _api_endpoint(observed.view))
    if observed.daemonset is None:
        return [actions.Create(path=paths.DAEMONSETS, namespace=rendering.NAMESPACE, body=desired)]
    if merging.covers(observed.daemonset["spec"], desired["spec"]):
        return []
    body = {"spec": {key: desired["spec"][key] for key in ("template", "updateStrategy")}}
    name, namespace = rendering.NAME, rendering.NAMESPACE
    return [actions.Patch(path=paths.DAEMONSETS, name=name, namespace=namespace, body=body)]


def _api_endpoint(view: actions.View) -> str:
    """Address and port behind the API server's Service, from its slice."""
    found: Object = view.get(paths.ENDPOINTSLICES, "kubernetes", "default") or {}
    for endpoint in found.get("endpoints") or ():
        for port in found.get("ports") or ():
            return f"{endpoint['addresses'][0]}:{port['port']}"
    return ""


def _calico_node_changes(writes: list[actions.Action]) -> bool:
    return any(action.path == paths.DAEMONSETS for action in writes)


def _bpf(observed: _Observed) -> tuple[list[actions.Action], tuple[str, str] | None]:
    """The flip of ``bpfEnabled``, when it is due; or why it is refused."""
    if observed.felix is None or observed.felix["spec"].get("bpfEnabled") is observed.wanted.bpf:
        return [], None if observed.felix is None else requirements.edited_by_hand(observed.felix)
    refusal = requirements.edited_by_hand(observed.felix)
    if refusal is not None:
        return [], refusal
    if observed.wanted.bpf and not rolled_out(observed.daemonset):
        return [], None
    note = {requirements.FELIX_NOTE: str(observed.wanted.bpf).lower()}
    return [_felix({"metadata": {"annotations": note}, "spec": {"bpfEnabled": observed.wanted.bpf}})], None


def rolled_out(daemonset: Object | None) -> bool:
    """Whether every node runs the DaemonSet's current template and is available."""
    if daemonset is None:
        return False
    status: Object = daemonset.get("status") or {}
    desired = status.get("desiredNumberScheduled", 0)
    counts = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    return _seen(daemonset) and all(status.get(key, 0) == desired for key in counts)


def _seen(daemonset: Object) -> bool:
    return bool((daemonset.get("status") or {}).get("observedGeneration") == daemonset["metadata"].get("generation"))


def _computed(observed: _Observed) -> list[actions.Action]:
    current: Object = observed.installation.get("status") or {}
    version = {"calicoVersion": plan.CALICO_VERSION, "mtu": MTU, "variant": observed.spec["variant"]}
    desired = {**current, **version, "computed": observed.spec}
    change = merging.difference(current, desired)
    return [_installation_status(change)] if change else []


def _installation_status(change: Object) -> actions.Patch:
    return actions.Patch(path=paths.INSTALLATIONS, name=NAME, subresource="status", body={"status": change})


def _completed(observed: _Observed) -> list[actions.Action]:
    """What the user left out or nulled since the Installation was adopted, such as ``hostPorts``: written last."""
    change = merging.difference(observed.installation["spec"], observed.spec)
    return [actions.Patch(path=paths.INSTALLATIONS, name=NAME, body={"spec": change})] if change else []


def _status(observed: _Observed, refusal: tuple[str, str] | None) -> list[actions.Action]:
    if observed.daemonset is not None and not _seen(observed.daemonset):
        return []
    findings = _findings(observed, refusal)
    generation = observed.installation["metadata"].get("generation", 0)
    writes = statuses.tigera_status(observed.view, "ippools", statuses.Findings(), generation, observed.now)
    writes += statuses.tigera_status(observed.view, "calico", findings, generation, observed.now)
    conditions = statuses.installation_conditions(observed.installation, findings, observed.now)
    return [*writes, *([_installation_status({"conditions": conditions})] if conditions else [])]


def _findings(observed: _Observed, refusal: tuple[str, str] | None) -> statuses.Findings:
    if observed.daemonset is None:
        return statuses.Findings(degraded=refusal)
    owned = metadata.controlled_by(observed.daemonset, observed.view.items(paths.PODS))
    return statuses.Findings(
        progressing=tuple(statuses.rollout(observed.daemonset)),
        failing=tuple(statuses.failing_pods(owned)),
        degraded=refusal,
    )
