"""Tables, held against what a real API server answered and what kubectl printed."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.lab.apiserver import tables
from harness.lab.apiserver.tables import ages
from tests import recordings
from tests.unit.lab.apiserver import json_values

Object = dict[str, Any]

_NOW = datetime(2026, 11, 23, 6, 15, 9, tzinfo=UTC)
_PHASES = ("iptables", "ebpf", "ebpf-noctlb", "automatic-broken", "nftables", "reverted")
_TABLES = {
    "table": "configmaps",
    "service table": "services",
    "deployments table": "deployments",
    "pods table": "pods",
    "daemonsets table": "daemonsets",
    "nodes table": "nodes",
    "endpointslices table": "endpointslices",
    "events table": "events",
    "namespaces table": "namespaces",
}


@pytest.mark.parametrize(("name", "resource"), _TABLES.items())
def test_columns_are_as_recorded(name: str, resource: str) -> None:
    """Names, types, formats, priorities and descriptions are the real API server's."""
    assert tables.columns(resource) == json_values.recorded(name)["response"]["columnDefinitions"]


_LISTS = {"pods": "pods", "nodes": "nodes", "svc": "services", "ds": "daemonsets", "tigerastatus": "tigerastatuses"}
_MOVING = {"AGE", "RESTARTS", "SINCE"}
# Pods were recorded as objects in two phases only.
_PRINTED = [(phase, name) for phase in _PHASES for name in _LISTS if name != "pods" or phase in ("iptables", "ebpf")]


def _printed(phase: str, name: str) -> tuple[list[str], list[list[str]]]:
    """The titles and the rows that kubectl printed, cut where the titles start."""
    head, *lines = (recordings.path() / "api" / phase / f"{name}.txt").read_text().splitlines()
    titles = re.split(r" {2,}", head.strip())
    starts = [match.start() for match in re.finditer(r"(?:(?<= {2})|^)\S", head)]
    cuts = list(zip(starts, [*starts[1:], None], strict=True))
    return titles, [[line[start:end].strip() for start, end in cuts] for line in lines]


def _shown(cell: object) -> str:
    """A cell as kubectl prints it: null as nothing, and of several lines the first."""
    first, *more = ("" if cell is None else str(cell)).split("\n")
    return first + "..." * bool(more)


@pytest.mark.parametrize(("phase", "name"), _PRINTED)
def test_rows_are_what_kubectl_printed(phase: str, name: str) -> None:
    """Every cell of the recorded objects is the recorded one, but for ages, which the clock decides."""
    resource = _LISTS[name]
    items = json.loads((recordings.path() / "api" / phase / f"{resource}.json").read_text())["items"]
    titles, lines = _printed(phase, name)
    shown = [column["name"].upper() for column in tables.columns(resource)]
    expected = [dict(zip(titles, line, strict=True)) for line in lines]
    rows = tables.render(resource, items, now=_NOW)["rows"]
    seen = [dict(zip(shown, map(_shown, row["cells"]), strict=True)) for row in rows]
    for item, cells in zip(items, seen, strict=True):
        if "NAMESPACE" in titles:
            cells["NAMESPACE"] = item["metadata"]["namespace"]
    keep = [title for title in titles if title not in _MOVING]
    assert [[row[title] for title in keep] for row in seen] == [[row[title] for title in keep] for row in expected]


def test_a_row_carries_what_was_asked_for() -> None:
    """Metadata by default, as recorded; the object or nothing on request; columns only where wanted."""
    recorded = json_values.recorded("service table")["response"]
    web = json_values.recorded("create ClusterIP service: what is filled in")["response"]
    table = tables.render("services", [web], now=ages.moment(web["metadata"]["creationTimestamp"]) or _NOW)
    assert table["rows"] == [row for row in recorded["rows"] if row["cells"][0] == "web"]
    assert {key: table[key] for key in ("kind", "apiVersion")} == {key: recorded[key] for key in ("kind", "apiVersion")}
    assert tables.render("services", [web], now=_NOW, include="Object")["rows"][0]["object"] == web
    assert "object" not in tables.render("services", [web], now=_NOW, include="None")["rows"][0]
    assert tables.render("services", [], now=_NOW, headers=False)["columnDefinitions"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (131, "2m11s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (7 * 3600 + 125, "7h2m"),
        (8 * 3600, "8h"),
        (48 * 3600 - 1, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (800 * 86400, "2y70d"),
        (8 * 365 * 86400 + 86400, "8y"),
    ],
)
def test_durations_have_kubernetes_short_form(seconds: float, text: str) -> None:
    """Two units while the first is small, then one."""
    assert ages.human_duration(seconds) == text


def test_ages_count_from_the_time_given() -> None:
    """An age is the difference of two moments; what is no time is unknown."""
    assert ages.since("2026-11-23T06:15:09Z", _NOW + timedelta(seconds=3)) == "3s"
    assert ages.since("2026-11-23T06:15:09.123456Z", _NOW + timedelta(seconds=3)) == "2s"
    assert [ages.since(text, _NOW) for text in (None, "", "soon", 7)] == ["<unknown>"] * 4


def _status(name: str = "a", *, ready: bool = False, restarts: int = 0, **state: Object) -> Object:
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


def _ended(code: int = 0, **more: json_values.Json) -> Object:
    return {"exitCode": code, **more}


_RUNNING = _status(ready=True, running={})
_READY = {"type": "Ready", "status": "True"}
_PODS: list[tuple[Object, Object, str]] = [
    ({}, {"phase": "Pending"}, "Pending"),
    ({}, {"phase": "Running", "containerStatuses": [_RUNNING]}, "Running"),
    ({}, {"phase": "Pending", "containerStatuses": [_status(waiting={"reason": "ErrImagePull"})]}, "ErrImagePull"),
    (
        {},
        {"phase": "Pending", "containerStatuses": [_status(waiting={"reason": "ContainerCreating"})]},
        "ContainerCreating",
    ),
    (
        {},
        {"phase": "Running", "containerStatuses": [_status(waiting={"reason": "CrashLoopBackOff"})]},
        "CrashLoopBackOff",
    ),
    ({}, {"phase": "Succeeded", "containerStatuses": [_status(terminated=_ended(reason="Completed"))]}, "Completed"),
    ({}, {"phase": "Failed", "containerStatuses": [_status(terminated=_ended(1, reason="Error"))]}, "Error"),
    ({}, {"phase": "Failed", "containerStatuses": [_status(terminated=_ended(3))]}, "ExitCode:3"),
    ({}, {"phase": "Failed", "containerStatuses": [_status(terminated=_ended(137, signal=9))]}, "Signal:9"),
    ({}, {"phase": "Failed", "reason": "Evicted"}, "Evicted"),
    (
        {},
        {"phase": "Running", "containerStatuses": [_status(terminated=_ended(reason="Completed")), _RUNNING]},
        "NotReady",
    ),
    (
        {},
        {
            "phase": "Running",
            "conditions": [_READY],
            "containerStatuses": [_status(terminated=_ended(reason="Completed")), _RUNNING],
        },
        "Running",
    ),
    (
        {},
        {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
        },
        "SchedulingGated",
    ),
    (
        {"initContainers": [{"name": "i"}, {"name": "j"}]},
        {"phase": "Pending", "initContainerStatuses": [_status("i", terminated=_ended()), _status("j", running={})]},
        "Init:1/2",
    ),
    (
        {"initContainers": [{"name": "i"}]},
        {"phase": "Pending", "initContainerStatuses": [_status("i", waiting={"reason": "ErrImagePull"})]},
        "Init:ErrImagePull",
    ),
    (
        {"initContainers": [{"name": "i"}]},
        {"phase": "Pending", "initContainerStatuses": [_status("i", terminated=_ended(2, reason="Error"))]},
        "Init:Error",
    ),
    (
        {"initContainers": [{"name": "i"}]},
        {"phase": "Pending", "initContainerStatuses": [_status("i", waiting={"reason": "PodInitializing"})]},
        "Init:0/1",
    ),
]


def _pod(spec: Object, status: Object, **meta: str) -> Object:
    containers = [{"name": "a"}]
    return {"metadata": {"name": "p", **meta}, "spec": {"containers": containers, **spec}, "status": status}


def _cells(pod: Object, now: datetime = _NOW) -> list[Any]:
    cells: list[Any] = tables.render("pods", [pod], now=now)["rows"][0]["cells"]
    return cells


@pytest.mark.parametrize(("spec", "status", "word"), _PODS)
def test_a_pods_status_is_one_word(spec: Object, status: Object, word: str) -> None:
    """The phase, the reason, init containers and containers become the word that Kubernetes' printer says."""
    assert _cells(_pod(spec, status))[2] == word


def test_a_deleted_pod_is_terminating() -> None:
    """A pod that is being deleted says so, unless it has ended already or its node is lost."""
    stamp = "2026-11-23T06:15:09Z"
    assert _cells(_pod({}, {"phase": "Running"}, deletionTimestamp=stamp))[2] == "Terminating"
    assert _cells(_pod({}, {"phase": "Succeeded"}, deletionTimestamp=stamp))[2] == "Succeeded"
    assert _cells(_pod({}, {"phase": "Running", "reason": "NodeLost"}, deletionTimestamp=stamp))[2] == "Unknown"


def test_restarts_are_counted_with_the_last_ones_age() -> None:
    """Restarts add up over containers; the newest one's time is said where one is known."""
    first = _status(restarts=2) | {"lastState": {"terminated": {"finishedAt": "2026-11-23T06:14:09Z"}}}
    pod = _pod({}, {"phase": "Running", "containerStatuses": [first, _status("b", restarts=1)]})
    assert _cells(pod)[3] == "3 (60s ago)"
    assert _cells(_pod({}, {"containerStatuses": [_status(restarts=1)]}))[3] == "1"


def test_a_sidecar_counts_as_a_container() -> None:
    """An init container that restarts always counts towards readiness and lets the next one start."""
    sidecar = _status("s", ready=True, running={}) | {"started": True}
    status = {"phase": "Running", "initContainerStatuses": [sidecar], "containerStatuses": [_RUNNING]}
    spec = {"initContainers": [{"name": "s", "restartPolicy": "Always"}]}
    assert _cells(_pod(spec, status))[1:3] == ["2/2", "Running"]


def test_an_ended_pods_row_says_so() -> None:
    """A row of a pod that has ended carries the Completed condition, and no other row any."""
    rows = tables.render("pods", [_pod({}, {"phase": "Succeeded"}), _pod({}, {"phase": "Running"})], now=_NOW)["rows"]
    assert rows[0]["conditions"][0]["type"] == "Completed"
    assert "conditions" not in rows[1]


def test_readiness_gates_are_counted() -> None:
    """Of the gates, how many conditions hold."""
    spec = {"readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}]}
    assert _cells(_pod(spec, {"conditions": [{"type": "x", "status": "True"}]}))[8] == "1/2"


def _row(resource: str, obj: Object) -> list[Any]:
    cells: list[Any] = tables.render(resource, [{"metadata": {"name": "n"}, **obj}], now=_NOW)["rows"][0]["cells"]
    return cells


def test_a_service_says_how_it_is_reached_from_outside() -> None:
    """The external address depends on the Service's type."""
    ingress = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "h"}]}}
    balanced = {"type": "LoadBalancer", "clusterIP": "10.96.0.9"}
    assert _row("services", {"spec": balanced})[3] == "<pending>"
    assert _row("services", {"spec": balanced, "status": ingress})[3] == "1.2.3.4,h"
    assert _row("services", {"spec": {"type": "ExternalName", "externalName": "x.org"}})[2:5] == [
        "<none>",
        "x.org",
        "<none>",
    ]
    assert _row("services", {"spec": {"externalIPs": ["5.6.7.8"], "ports": [{"port": 1}]}})[3:5] == ["5.6.7.8", "1/TCP"]


def test_a_nodes_status_and_roles() -> None:
    """Ready, not ready, unknown or cordoned; roles by their labels."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert _row("nodes", {"status": ready, "spec": {"unschedulable": True}})[1] == "Ready,SchedulingDisabled"
    assert _row("nodes", {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})[1] == "NotReady"
    assert _row("nodes", {})[1:3] == ["Unknown", "<none>"]
    labels = {"node-role.kubernetes.io/b": "", "kubernetes.io/role": "a"}
    assert _row("nodes", {"metadata": {"name": "n", "labels": labels}})[2] == "a,b"


def test_an_endpoint_slice_shows_three_of_each() -> None:
    """More than three ports or addresses are counted."""
    endpoints = [{"addresses": [f"10.0.0.{n}"]} for n in range(5)]
    cells = _row("endpointslices", {"addressType": "IPv4", "endpoints": endpoints, "ports": [{"port": 80}]})
    assert cells[1:4] == ["IPv4", "80", "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more..."]


def test_an_event_shows_what_it_is_about_and_when() -> None:
    """An event of either API: old ones count and have two times, new ones have one time and perhaps a series."""
    old = {
        "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{a}"},
        "firstTimestamp": "2026-11-23T06:14:09Z",
        "lastTimestamp": "2026-11-23T06:15:04Z",
        "count": 4,
        "source": {"component": "kubelet", "host": "w"},
        "type": "Normal",
        "reason": "Pulled",
        "message": "text\n",
    }
    cells = ["5s", "Normal", "Pulled", "pod/p", "spec.containers{a}", "kubelet, w", "text", "60s", 4, "n"]
    assert _row("events", old) == cells
    new = {"eventTime": "2026-11-23T06:15:08.000000Z", "reportingComponent": "scheduler", "type": "Warning"}
    assert _row("events", new) == ["1s", "Warning", "", "", "", "scheduler", "", "1s", 1, "n"]
    series = {"series": {"count": 9, "lastObservedTime": "2026-11-23T06:15:09.000000Z"}}
    assert _row("events", new | series)[::8] == ["0s", 9]


def test_small_kinds_count_what_they_hold() -> None:
    """ConfigMaps, secrets and service accounts say how much is in them, ReplicaSets how many pods."""
    assert _row("configmaps", {"data": {"a": ""}, "binaryData": {"b": ""}})[1] == 2
    assert _row("secrets", {"type": "Opaque", "data": {"a": ""}})[1:3] == ["Opaque", 1]
    assert _row("serviceaccounts", {})[1] == 0
    template = {"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "j"}]}}
    expressions = [
        {"key": "x", "operator": "In", "values": ["2", "1"]},
        {"key": "y", "operator": "DoesNotExist"},
        {"key": "z", "operator": "Exists"},
    ]
    selector = {"matchLabels": {"w": "v"}, "matchExpressions": expressions}
    spec = {"replicas": 3, "template": template, "selector": selector}
    cells = _row("replicasets", {"spec": spec, "status": {"replicas": 2}})
    assert cells == ["n", 3, 2, 0, "<unknown>", "a,b", "i,j", "w=v,x in (1,2),!y,z"]


def test_a_resource_without_a_printer_has_name_and_age() -> None:
    """Custom resources without columns of their own show both, the age as a date column."""
    assert [(column["name"], column["type"]) for column in tables.columns("ippools")] == [
        ("Name", "string"),
        ("Age", "date"),
    ]
    assert _row("ippools", {"metadata": {"name": "p", "creationTimestamp": "2026-11-23T06:15:09Z"}}) == ["p", "0s"]
