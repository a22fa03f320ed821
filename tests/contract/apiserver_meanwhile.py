"""What the other programs of a real cluster did between the recorded requests, done here by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.contract import apiserver_replay as replay

Json = Any
Meanwhile = Callable[[replay.Player, dict[str, Json]], Awaitable[None]]

_REC = "/api/v1/namespaces/rec"
_APPS = "/apis/apps/v1/namespaces"


async def what_is_there(player: replay.Player, recorded: dict[str, Json]) -> None:
    """A cluster has namespaces, nodes and kube-dns before anybody asks; nodes are made from what a Table shows."""
    for row in recorded["namespaces table"]["response"]["rows"]:
        if row["cells"][0] != "rec":
            await player.call("POST", "/api/v1/namespaces", _bare(row["object"]))
    for row in recorded["nodes table"]["response"]["rows"]:
        await _node(player, row)
    for row in recorded["endpointslices table"]["response"]["rows"]:
        path = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
        await player.call("POST", path, _bare(row["object"]) | {"addressType": row["cells"][1]})


async def _node(player: replay.Player, row: Json) -> None:
    name, _, _, _, kubelet, address, _, image, kernel, runtime = row["cells"]
    version, _, architecture = kernel.rpartition(" ")
    info = {
        "kubeletVersion": kubelet, "osImage": image, "kernelVersion": version, "containerRuntimeVersion": runtime,
        "architecture": architecture.strip("()"),
    }  # fmt: skip
    await player.call("POST", "/api/v1/nodes", _bare(row["object"]))
    addresses = [{"type": "InternalIP", "address": address}]
    status = {"nodeInfo": info, "addresses": addresses, "conditions": [{"type": "Ready", "status": "False"}]}
    content = "application/merge-patch+json"
    await player.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, content)


async def root_certificate(player: replay.Player, recorded: dict[str, Json]) -> None:
    """Controllers put the cluster's root certificates into every new namespace."""
    item = recorded["watch too old"]["response"][0]["object"]
    await player.call("POST", f"{_REC}/configmaps", _bare(item))
    other = {"metadata": {"name": "openshift-service-ca.crt", "annotations": _annotations(recorded)}, "data": {"a": ""}}
    await player.call("POST", f"{_REC}/configmaps", other)


def _annotations(recorded: dict[str, Json]) -> Json:
    rows = recorded["table"]["response"]["rows"]
    meta = next(row["object"]["metadata"] for row in rows if row["cells"][0] == "openshift-service-ca.crt")
    return meta.get("annotations", {})


async def events(player: replay.Player, recorded: dict[str, Json]) -> None:
    """Controllers and the scheduler report: the events that a Table shows, and as many as it leaves out."""
    found = recorded["events table"]["response"]
    for row in found["rows"]:
        await player.call("POST", f"{_REC}/events", _event(row))
    for number in range(found["metadata"]["remainingItemCount"]):
        reference = {"kind": "Pod", "namespace": "rec", "name": "z"}
        await player.call("POST", f"{_REC}/events", {"metadata": {"name": f"z{number}"}, "involvedObject": reference})


def _event(row: Json) -> Json:
    _, kind, reason, about, _, source, message, _, count, name = row["cells"]
    what, _, of = about.partition("/")
    names = {"pod": "Pod", "replicaset": "ReplicaSet", "deployment": "Deployment"}
    now = row["object"]["metadata"]["creationTimestamp"]
    return {
        "metadata": {"name": name}, "type": kind, "reason": reason, "message": message, "count": count,
        "involvedObject": {"kind": names[what], "namespace": "rec", "name": of}, "source": {"component": source},
        "firstTimestamp": now, "lastTimestamp": now,
    }  # fmt: skip


async def a_change_and_a_deletion(player: replay.Player, recorded: dict[str, Json]) -> None:
    """Somebody changes and deletes what is watched."""
    patch = {"data": {"K": "w"}}
    await player.call("PATCH", f"{_REC}/configmaps/c1", patch, "application/merge-patch+json")
    await player.call("DELETE", f"{_REC}/configmaps/c1")


async def first_revision(player: replay.Player, recorded: dict[str, Json]) -> None:
    """The deployment controller numbers the revision and reports."""
    want = recorded["strategic merge: container by name, env by name"]["response"]
    await _report(player, f"{_APPS}/rec/deployments/web", want)


async def third_revision(player: replay.Player, recorded: dict[str, Json]) -> None:
    """The deployment controller has come to the third revision, with its ReplicaSets and pods; nothing schedules."""
    await _report(player, f"{_APPS}/rec/deployments/web", recorded["deployment status"]["response"])
    for item in recorded["replicasets"]["response"]["items"]:
        path = f"{_APPS}/rec/replicasets"
        await player.call("POST", path, _bare(item) | {"spec": item["spec"] | {"replicas": 9}})
        await _scale(player, f"{path}/{item['metadata']['name']}", item)
        await _report(player, f"{path}/{item['metadata']['name']}", item)
    for row in recorded["pods table"]["response"]["rows"]:
        await _pod(player, row["object"]["metadata"], recorded)


async def _scale(player: replay.Player, path: str, want: Json) -> None:
    """Scale as often as the recorded generation says."""
    for left in range(want["metadata"]["generation"] - 2, -1, -1):
        patch = {"spec": {"replicas": want["spec"]["replicas"] + 20 * left}}
        await player.call("PATCH", path, patch, "application/merge-patch+json")


async def _pod(player: replay.Player, meta: Json, recorded: dict[str, Json]) -> None:
    owner = meta["ownerReferences"][0]["name"]
    sets = {item["metadata"]["name"]: item for item in recorded["replicasets"]["response"]["items"]}
    template = sets[owner]["spec"]["template"]["spec"]
    await player.call("POST", f"{_REC}/pods", _bare({"metadata": meta}) | {"spec": template})
    status = recorded["a pod of the deployment"]["response"]["status"]
    given = {key: value for key, value in status.items() if key != "qosClass"}
    path = f"{_REC}/pods/{meta['name']}/status"
    await player.call("PATCH", path, {"status": given}, "application/merge-patch+json")


async def kube_proxy(player: replay.Player, recorded: dict[str, Json]) -> None:
    """kubeadm has made kube-proxy's DaemonSet long ago."""
    item = recorded["kube-proxy daemonset"]["response"]
    await player.call("POST", f"{_APPS}/kube-system/daemonsets", _bare(item) | {"spec": item["spec"]})
    await _report(player, f"{_APPS}/kube-system/daemonsets/kube-proxy", item)


async def kube_proxy_off(player: replay.Player, recorded: dict[str, Json]) -> None:
    """The DaemonSet controller has taken kube-proxy's pods away."""
    want = recorded["kube-proxy daemonset after the patch"]["response"]
    await _report(player, f"{_APPS}/kube-system/daemonsets/kube-proxy", want)


async def kube_proxy_on(player: replay.Player, recorded: dict[str, Json]) -> None:
    """The DaemonSet controller has brought kube-proxy's pods back."""
    want = recorded["kube-proxy daemonset after the way back"]["response"]
    await _report(player, f"{_APPS}/kube-system/daemonsets/kube-proxy", want)


async def dependents_are_gone(player: replay.Player, recorded: dict[str, Json]) -> None:
    """The garbage collector has deleted what the deployment owned, and lets go of it."""
    patch = {"metadata": {"finalizers": None}}
    await player.call("PATCH", f"{_APPS}/rec/deployments/web", patch, "application/merge-patch+json")


async def _report(player: replay.Player, path: str, want: Json) -> None:
    """Write what a controller writes: annotations to the object, then its status."""
    meta = {key: want["metadata"][key] for key in ("annotations",) if key in want["metadata"]}
    await player.call("PATCH", path, {"metadata": meta}, "application/merge-patch+json")
    current = await player.call("GET", path)
    await player.call("PUT", f"{path}/status", current | {"status": want["status"]})


def _bare(item: Json) -> Json:
    """An object as a client would write it: without what the server fills in."""
    kept = ("name", "generateName", "labels", "annotations", "ownerReferences")
    meta = {key: value for key, value in item["metadata"].items() if key in kept}
    return ({"data": item["data"]} if "data" in item else {}) | {"metadata": meta}


BEFORE: dict[str, Meanwhile] = {
    "legacy versions": what_is_there,
    "create configmap": root_certificate,
    "watch from a resourceVersion": a_change_and_a_deletion,
    "strategic merge: container by name, env by name": first_revision,
    "deployment status": third_revision,
    "kube-proxy daemonset": kube_proxy,
    "events table": events,
    "kube-proxy daemonset after the patch": kube_proxy_off,
    "kube-proxy daemonset after the way back": kube_proxy_on,
    "deployment while it is deleted": dependents_are_gone,
}
"""What other programs of a real cluster did before a recorded request."""
