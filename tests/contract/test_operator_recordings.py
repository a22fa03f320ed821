"""The lab's operator against the recorded one: the same changes of the same objects in the same order.

The recordings are the watch events of a real cluster through its switches. The lab's operator runs against a cluster
that keeps objects; kubelets' work is done a step at a time, as slowly as it was on the recorded cluster.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from harness.lab import bootstrap
from harness.lab.controllers import daemonsets, metadata, paths, scheduler
from harness.lab.controllers.operator import installation, kube_proxy
from tests import recordings
from tests.unit.lab.controllers import fake_cluster

Object = dict[str, Any]

CONTROLLERS = (installation.reconcile, kube_proxy.reconcile, daemonsets.reconcile, scheduler.reconcile)
FILES = ("installations", "tigerastatuses", "felixconfigurations", "daemonsets")
KINDS = {
    paths.INSTALLATIONS: "Installation",
    paths.TIGERASTATUSES: "TigeraStatus",
    paths.FELIXCONFIGURATIONS: "FelixConfiguration",
    paths.DAEMONSETS: "DaemonSet",
}
MANUAL_ON, MANUAL_OFF, AUTOMATIC_ON, TRAP = 5, 7, 8, 9
"""The generation of the recorded Installation with which each act begins."""


# The recording


@functools.cache
def recorded_events() -> list[Object]:
    """Every recorded object version of every kind, in the order in which the API server wrote them."""
    folder = recordings.path() / "timeline"
    lines = [line for name in FILES for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    objects: list[Object] = [json.loads(line)["object"] for line in lines]
    return sorted(objects, key=lambda item: int(item["metadata"]["resourceVersion"]))


def recorded(generation: int, until: int) -> tuple[list[Object], list[Object]]:
    """What was before the recorded patch of that generation, and what happened from then to a later one."""
    events = recorded_events()
    start, end = _begins(events, generation), _begins(events, until)
    return events[:start], events[start:end]


def _begins(events: list[Object], generation: int) -> int:
    for index, item in enumerate(events):
        if item["kind"] == "Installation" and item["metadata"]["generation"] >= generation:
            return index
    return len(events)


# What an event says, in a word or two; changes only


def milestones(before: Iterable[Object], act: Iterable[Object]) -> list[str]:
    """The changes of objects during an act, in order: configuration, templates, what is computed; no conditions."""
    return _changes(_objects_said, before, act)


def conditions(before: Iterable[Object], act: Iterable[Object], kind: str) -> list[str]:
    """The first time that each thing is said in the conditions of that kind during an act, in order."""
    said = _changes(functools.partial(_conditions_said, kind), before, act)
    return list(dict.fromkeys(said))


def _changes(
    say: Callable[[Object], Iterator[tuple[str, str]]], before: Iterable[Object], act: Iterable[Object]
) -> list[str]:
    state: dict[str, str] = {}
    for item in before:
        state |= dict(say(item))
    found = []
    for item in act:
        for key, value in say(item):
            if state.get(key) != value:
                state[key] = value
                found.append(f"{key} {value}")
    return found


def _objects_said(item: Object) -> Iterator[tuple[str, str]]:
    spec, name = item.get("spec") or {}, item["metadata"]["name"]
    if item["kind"] == "FelixConfiguration":
        yield "nftablesMode", str(spec.get("nftablesMode"))
        note = metadata.annotations_of(item).get("operator.tigera.io/bpfEnabled")
        yield "bpfEnabled", f"{spec.get('bpfEnabled')} noted {note}"
    elif item["kind"] == "Installation":
        computed = (item.get("status") or {}).get("computed") or {}
        yield "computed", str((computed.get("calicoNetwork") or {}).get("linuxDataplane"))
    elif name == "calico-node":
        init = next(each for each in spec["template"]["spec"]["initContainers"] if each["name"] == "ebpf-bootstrap")
        variables = [f"{each['name']}={each['value']}" for each in init.get("env") or []]
        yield "ebpf-bootstrap", " ".join([*init["command"], *variables])
    elif name == "kube-proxy":
        yield "kube-proxy", str("operator.tigera.io/disable-kube-proxy" in spec["template"]["spec"]["nodeSelector"])


def _conditions_said(kind: str, item: Object) -> Iterator[tuple[str, str]]:
    if item["kind"] != kind or (kind == "TigeraStatus" and item["metadata"]["name"] != "calico"):
        return
    listed = {entry["type"]: entry for entry in (item.get("status") or {}).get("conditions") or []}
    # What is written at one time has no order of its own; the operator's is Available (Ready), Progressing, Degraded.
    for each in ("Available", "Ready", "Progressing", "Degraded"):
        if each in listed:
            entry = listed[each]
            message = re.sub(r"Pod \S+/\S+", "Pod …", entry.get("message", ""))
            yield each, f"{entry['status']} {entry['reason']} {message}".strip()


# The lab


class Lab:
    """The lab's operator, DaemonSets and scheduler over three nodes, with calico-node and kube-proxy running."""

    def __init__(self) -> None:
        self.cluster = fake_cluster.FakeCluster()
        fake_cluster.three_nodes(self.cluster)
        for item in bootstrap.objects():
            path = next((each for each in paths.WATCHED if _collection_of(each, item)), None)
            if path is not None and path != paths.NAMESPACES:
                self.cluster.add(path, item)
        # As recorded, one node at a time; the lab's own manifest takes all at once to be quick.
        one = {"nodeUpdateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}}
        self.cluster.patch(paths.INSTALLATIONS, "default", {"spec": one})
        self.settle()

    def patch(self, **network: object) -> None:
        """Patch the Installation's calicoNetwork as a user does."""
        self.cluster.patch(paths.INSTALLATIONS, "default", {"spec": {"calicoNetwork": network}})

    def settle(self) -> None:
        """Let everything happen that is due, kubelets' work in small steps."""
        steps = (self.cluster.remove_pods, self.cluster.start_pods, self.cluster.pods_become_ready)
        count = -1
        while count != len(self.cluster.history):
            count = len(self.cluster.history)
            self.cluster.settle(CONTROLLERS)
            for step in steps:
                step()
                self.cluster.settle(CONTROLLERS)

    def act(self, **network: object) -> tuple[list[Object], list[Object]]:
        """Patch, settle, and give what was before and what happened."""
        start = len(self.cluster.history)
        self.patch(**network)
        self.settle()
        events = [item for path, item in self.cluster.history if path in KINDS]
        before = [item for path, item in self.cluster.history[:start] if path in KINDS]
        return before, events[len(before) :]

    def configmap(self) -> None:
        """Name the API server as the manual path's documentation says."""
        meta = {"name": "kubernetes-services-endpoint", "namespace": "tigera-operator"}
        data = {"KUBERNETES_SERVICE_HOST": "kind-control-plane", "KUBERNETES_SERVICE_PORT": "6443"}
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        self.cluster.add(paths.CONFIGMAPS, item)
        self.settle()

    def condition(self, kind: str) -> Object:
        """One condition of TigeraStatus ``calico``."""
        found = metadata.condition(self.cluster.one(paths.TIGERASTATUSES, "calico"), kind)
        assert found is not None
        return found


def _collection_of(path: str, item: Object) -> bool:
    version = item["apiVersion"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return path == f"{base}/{item['kind'].lower()}s"


@pytest.fixture
def lab() -> Lab:
    """A lab in iptables mode."""
    return Lab()


# The contracts


def test_manual_on_changes_objects_in_the_recorded_order(lab: Lab) -> None:
    """nftablesMode, the template, what is computed; bpfEnabled only when every node runs the new template."""
    lab.configmap()
    ours = milestones(*lab.act(linuxDataplane="BPF", hostPorts=None))
    assert ours == milestones(*recorded(MANUAL_ON, MANUAL_OFF))


def test_manual_on_says_what_the_recorded_status_says(lab: Lab) -> None:
    """TigeraStatus goes through the recorded conditions in the recorded order."""
    lab.configmap()
    ours = conditions(*lab.act(linuxDataplane="BPF", hostPorts=None), "TigeraStatus")
    assert ours == conditions(*recorded(MANUAL_ON, MANUAL_OFF), "TigeraStatus")


def test_manual_off_changes_objects_in_the_recorded_order(lab: Lab) -> None:
    """Off does not wait: bpfEnabled goes right after the template."""
    lab.configmap()
    lab.act(linuxDataplane="BPF")
    ours = milestones(*lab.act(linuxDataplane="Iptables"))
    assert ours == milestones(*recorded(MANUAL_OFF, AUTOMATIC_ON))


def test_manual_off_says_what_the_recorded_status_says(lab: Lab) -> None:
    """The way back goes through the recorded conditions in the recorded order."""
    lab.configmap()
    lab.act(linuxDataplane="BPF")
    ours = conditions(*lab.act(linuxDataplane="Iptables"), "TigeraStatus")
    assert ours == conditions(*recorded(MANUAL_OFF, AUTOMATIC_ON), "TigeraStatus")


def test_automatic_on_changes_objects_in_the_recorded_order(lab: Lab) -> None:
    """Refused while the ConfigMap is there, then as by hand, and kube-proxy goes after the flip."""
    lab.configmap()
    start = len(lab.cluster.history)
    lab.act(linuxDataplane="BPF", bpfNetworkBootstrap="Enabled", kubeProxyManagement="Enabled")
    lab.cluster.delete(paths.CONFIGMAPS, "kubernetes-services-endpoint", "tigera-operator")
    lab.settle()
    events = [(index, item) for index, (path, item) in enumerate(lab.cluster.history) if path in KINDS]
    before, act = [item for index, item in events if index < start], [item for index, item in events if index >= start]
    assert milestones(before, act) == milestones(*recorded(AUTOMATIC_ON, TRAP))
    assert conditions(before, act, "Installation") == conditions(*recorded(AUTOMATIC_ON, TRAP), "Installation")


def _recorded_status(name: str) -> dict[str, tuple[str, str, str | None]]:
    status = json.loads((recordings.path() / "timeline" / name).read_text())
    return {
        entry["type"]: (entry["status"], entry["reason"], entry.get("message"))
        for entry in status["status"]["conditions"]
    }


def _our_status(lab: Lab) -> dict[str, tuple[str, str, str | None]]:
    kinds = ("Progressing", "Degraded", "Available")
    return {
        kind: (entry["status"], entry["reason"], entry.get("message"))
        for kind in kinds
        for entry in [lab.condition(kind)]
    }


def test_automatic_path_is_refused_while_the_configmap_is_there(lab: Lab) -> None:
    """The ConfigMap and bpfNetworkBootstrap exclude each other; TigeraStatus has the recorded words."""
    lab.configmap()
    lab.act(linuxDataplane="BPF", bpfNetworkBootstrap="Enabled", kubeProxyManagement="Enabled")
    assert _our_status(lab) == _recorded_status("degraded-configmap.json")
    assert lab.cluster.one(paths.FELIXCONFIGURATIONS, "default")["spec"]["bpfEnabled"] is False


def test_the_revert_trap_leaves_ebpf_on_and_kube_proxy_off(lab: Lab) -> None:
    """After the automatic path, linuxDataplane alone does not go back; TigeraStatus has the recorded words."""
    lab.act(linuxDataplane="BPF", bpfNetworkBootstrap="Enabled", kubeProxyManagement="Enabled")
    before, act = lab.act(linuxDataplane="Iptables")
    assert milestones(before, act) == milestones(*recorded(TRAP, TRAP + 1))
    assert _our_status(lab) == _recorded_status("degraded-trap.json")
    assert lab.cluster.one(paths.FELIXCONFIGURATIONS, "default")["spec"]["bpfEnabled"] is True
    selector = lab.cluster.one(paths.DAEMONSETS, "kube-proxy", "kube-system")["spec"]["template"]["spec"][
        "nodeSelector"
    ]
    assert kube_proxy.SELECTOR in selector


def test_the_trap_opens_when_bootstrap_is_disabled(lab: Lab) -> None:
    """All three settings at once go back: eBPF off, kube-proxy on every node again."""
    lab.act(linuxDataplane="BPF", bpfNetworkBootstrap="Enabled", kubeProxyManagement="Enabled")
    lab.act(linuxDataplane="Iptables")
    lab.act(bpfNetworkBootstrap="Disabled")
    assert lab.cluster.one(paths.FELIXCONFIGURATIONS, "default")["spec"]["bpfEnabled"] is False
    assert lab.cluster.one(paths.DAEMONSETS, "kube-proxy", "kube-system")["status"]["numberReady"] == 3
    assert lab.condition("Available")["status"] == "True"


def test_an_installed_installation_is_filled_in_as_recorded() -> None:
    """Spec and computed status have the recorded fields and values."""
    known = json.loads((recordings.path() / "api" / "iptables" / "installations.json").read_text())["items"][0]
    ours = Lab().cluster.one(paths.INSTALLATIONS, "default")
    assert ours["spec"] == known["spec"]
    assert ours["metadata"]["finalizers"] == known["metadata"]["finalizers"]
    assert [set(entry) for entry in ours["status"]["conditions"]] == [
        set(entry) for entry in known["status"]["conditions"]
    ]
    assert {key: value for key, value in ours["status"].items() if key != "conditions"} == {
        key: value for key, value in known["status"].items() if key != "conditions"
    }


@pytest.mark.parametrize("name", ["calico", "ippools"])
def test_a_healthy_status_is_as_recorded(lab: Lab, name: str) -> None:
    """Conditions, their order and their words, apart from times and generations."""
    items = json.loads((recordings.path() / "api" / "iptables" / "tigerastatuses.json").read_text())["items"]
    known = next(item for item in items if item["metadata"]["name"] == name)
    ours = lab.cluster.one(paths.TIGERASTATUSES, name)

    def bare(item: Object) -> list[Object]:
        return [
            {key: value for key, value in entry.items() if key not in ("lastTransitionTime", "observedGeneration")}
            for entry in item["status"]["conditions"]
        ]

    assert bare(ours) == bare(known)


def test_a_kube_proxy_patched_away_counts_as_recorded(lab: Lab) -> None:
    """The walk-through's nodeSelector: nothing desired, pods misscheduled until they have gone, all back later."""

    def seen(items: Iterable[Object]) -> list[tuple[int, int, int]]:
        keys = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled")
        found = [
            tuple(item["status"][key] for key in keys) for item in items if item["metadata"]["name"] == "kube-proxy"
        ]
        return list(dict.fromkeys(found))

    start = len(lab.cluster.history)
    for value in ("true", None):
        body = {"spec": {"template": {"spec": {"nodeSelector": {"non-calico": value}}}}}
        lab.cluster.patch(paths.DAEMONSETS, "kube-proxy", body, "kube-system")
        lab.settle()
    ours = seen(item for path, item in lab.cluster.history[start:] if path == paths.DAEMONSETS)
    known = seen(item for item in recorded(MANUAL_ON, AUTOMATIC_ON)[1] if item["kind"] == "DaemonSet")
    # On the recorded cluster the three pods went one after another; here they go at one time.
    assert ours == [entry for entry in known if entry[2] in (0, 3)]
    assert lab.cluster.one(paths.DAEMONSETS, "kube-proxy", "kube-system")["status"]["numberReady"] == 3
