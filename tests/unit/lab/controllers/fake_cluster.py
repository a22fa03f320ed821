"""A cluster for controllers without HTTP: it keeps objects as the API server would, and refuses what it does not know.

``settle`` passes over reconcilers until none has anything to write, as the controllers' loop does. ``start_pods``,
``pods_become_ready`` and ``remove_pods`` are the kubelets' part, one step at a time. ``history`` has every version of
every object in order, as a watch would have shown it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from harness.core import errors
from harness.lab.controllers import actions, metadata, paths

Object = dict[str, Any]

NOW = "2026-11-23T06:00:00Z"
NAMESPACE = "test"
"""Where pods and workloads are."""
_WITH_GENERATION = {
    paths.DEPLOYMENTS,
    paths.REPLICASETS,
    paths.DAEMONSETS,
    paths.INSTALLATIONS,
    paths.FELIXCONFIGURATIONS,
    paths.IPPOOLS,
}
_WITH_STATUS = {*_WITH_GENERATION, paths.PODS, paths.NODES, paths.NAMESPACES, paths.SERVICES, paths.TIGERASTATUSES}
_PASSES = 60


class FakeCluster:
    """Objects by collection; also the ``View`` that reconcilers read."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[tuple[str, str], Object]] = {path: {} for path in paths.WATCHED}
        self.history: list[tuple[str, Object]] = []
        self.emptied: set[tuple[str, str]] = set()
        self.now = NOW
        self._version = 100

    # What reconcilers read

    def items(self, path: str) -> list[Object]:
        """The objects of a collection, ordered."""
        return [item for _, item in sorted(self.objects[path].items())]

    def get(self, path: str, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        return self.objects[path].get((namespace, name))

    def one(self, path: str, name: str, namespace: str = "") -> Object:
        """One object that must be there."""
        return self.objects[path][namespace, name]

    # What tests and controllers write

    def add(self, path: str, item: Object) -> Object:
        """Create an object as a user would."""
        made = copy.deepcopy(item)
        meta = made["metadata"]
        if "generateName" in meta and "name" not in meta:
            meta["name"] = f"{meta['generateName']}{self._version:05d}"
        key = (meta.get("namespace", ""), meta["name"])
        if key in self.objects[path]:
            raise errors.ApiError(409, "AlreadyExists", f"{path} {key}")
        meta.setdefault("uid", f"uid-{self._version}")
        meta.setdefault("creationTimestamp", self.now)
        meta["generation"] = 1
        return self._keep(path, made)

    def patch(self, path: str, name: str, body: Object, namespace: str = "", subresource: str = "") -> Object:
        """Merge a patch into an object, or into its status and nothing else."""
        item = copy.deepcopy(self._found(path, name, namespace))
        if subresource not in ("", "status") or (subresource and path not in _WITH_STATUS):
            raise errors.ApiError(404, "NotFound", f"{path} has no {subresource}")
        if path in _WITH_STATUS and (set(body) == {"status"}) != bool(subresource):
            raise errors.ApiError(422, "Invalid", f"status and the rest are written apart: {sorted(body)}")
        before = copy.deepcopy(item)
        merge(item, body)
        if item == before:
            return item
        if item.get("spec") != before.get("spec") and path in _WITH_GENERATION:
            item["metadata"]["generation"] += 1
        self._keep(path, item)
        self._go_if_released(path, item)
        return item

    def delete(self, path: str, name: str, namespace: str = "") -> None:
        """Ask an object to go; what has finalizers, or a pod that is bound, stays until its keeper lets it go."""
        item = copy.deepcopy(self._found(path, name, namespace))
        item["metadata"].setdefault("deletionTimestamp", self.now)
        self._keep(path, item)
        bound = path == paths.PODS and item["spec"].get("nodeName")
        held = path == paths.NAMESPACES and item["spec"].get("finalizers")
        if not bound and not held:
            self._go_if_released(path, item)

    def apply(self, action: actions.Action) -> None:
        """Carry one write of a controller out."""
        match action:
            case actions.Create(subresource="binding"):
                pod = copy.deepcopy(self._found(paths.PODS, action.name, action.namespace))
                pod["spec"]["nodeName"] = action.body["target"]["name"]
                self._keep(paths.PODS, pod)
            case actions.Create(subresource=""):
                if action.body["metadata"].get("namespace", "") != action.namespace:
                    raise errors.ApiError(400, "BadRequest", "the namespaces of object and request differ")
                self.add(action.path, action.body)
            case actions.Patch():
                self.patch(action.path, action.name, action.body, action.namespace, action.subresource)
            case actions.Replace(path=paths.NAMESPACES, subresource="finalize"):
                self._found(paths.NAMESPACES, action.name, "")
                if self._left_in(action.name):
                    raise errors.ApiError(409, "Conflict", f"{action.name} is not empty")
                if not action.body["spec"]["finalizers"]:
                    del self.objects[paths.NAMESPACES]["", action.name]
            case actions.Delete():
                if metadata.uid(self._found(action.path, action.name, action.namespace)) != action.uid:
                    raise errors.ApiError(409, "Conflict", f"another {action.name}")
                if not any(self._is(*owner) for owner in action.unless):
                    self.delete(action.path, action.name, action.namespace)
            case actions.DeleteAll(path=path, namespace=namespace) if path in paths.UNWATCHED:
                self.emptied.add((path, namespace))
            case _:
                raise errors.ApiError(404, "NotFound", f"the server does not know {action}")

    def settle(self, reconcilers: Sequence[actions.Reconciler]) -> None:
        """Pass over the reconcilers until none has anything left to write."""
        for _ in range(_PASSES):
            writes = 0
            for reconcile in reconcilers:
                for action in reconcile(self, self.now):
                    writes += 1
                    self.apply(action)
            if not writes:
                return
        raise AssertionError(f"the controllers still write after {_PASSES} passes")

    # The kubelets' part

    def start_pods(self) -> None:
        """Bound pods that do not run yet: they run now, and are not ready."""
        for pod in self._pods_in(None):
            self.set_pod(pod, ready=False)

    def pods_become_ready(self) -> None:
        """Running pods become ready."""
        for pod in self._pods_in("Running"):
            self.set_pod(pod, ready=True)

    def set_pod(self, pod: Object, *, ready: bool, ip: str = "10.244.0.9") -> None:
        """Let one pod run, ready or not."""
        condition = {"type": "Ready", "status": str(ready)}
        status = {"phase": "Running", "podIP": ip, "conditions": [condition]}
        self.patch(paths.PODS, metadata.name(pod), {"status": status}, metadata.namespace(pod), "status")

    def remove_pods(self) -> None:
        """Pods that were asked to go have gone."""
        for pod in self.items(paths.PODS):
            if metadata.deleting(pod):
                del self.objects[paths.PODS][metadata.namespace(pod), metadata.name(pod)]

    def _pods_in(self, phase: str | None) -> Iterable[Object]:
        for pod in self.items(paths.PODS):
            bound = pod["spec"].get("nodeName") and not metadata.deleting(pod)
            if bound and (pod.get("status") or {}).get("phase") == phase:
                yield pod

    # Keeping

    def _keep(self, path: str, item: Object) -> Object:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path][metadata.namespace(item), metadata.name(item)] = item
        self.history.append((path, copy.deepcopy(item)))
        return item

    def _found(self, path: str, name: str, namespace: str) -> Object:
        item = self.objects[path].get((namespace, name))
        if item is None:
            raise errors.ApiError(404, "NotFound", f"{path} {namespace}/{name}")
        return item

    def _is(self, path: str, name: str, namespace: str, uid: str) -> bool:
        item = self.objects[path].get((namespace, name))
        return item is not None and metadata.uid(item) == uid

    def _left_in(self, namespace: str) -> list[str]:
        return [path for path, held in self.objects.items() if any(key[0] == namespace for key in held)]

    def _go_if_released(self, path: str, item: Object) -> None:
        if metadata.deleting(item) and not item["metadata"].get("finalizers") and path != paths.NAMESPACES:
            self.objects[path].pop((metadata.namespace(item), metadata.name(item)), None)


def merge(target: Object, patch: Object) -> None:
    """Apply a merge patch as RFC 7386 says."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            inner = target.get(key)
            target[key] = inner if isinstance(inner, dict) else {}
            merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)


def node(name: str, address: str = "172.18.0.2", *, control_plane: bool = False) -> Object:
    """A node as a kubelet registers it."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    taints = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}] if control_plane else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints} if taints else {},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


def three_nodes(cluster: FakeCluster) -> None:
    """The nodes of a kind cluster with two workers."""
    cluster.add(paths.NODES, node("kind-control-plane", "172.18.0.2", control_plane=True))
    cluster.add(paths.NODES, node("kind-worker", "172.18.0.3"))
    cluster.add(paths.NODES, node("kind-worker2", "172.18.0.4"))


def pod(name: str, **spec: object) -> Object:
    """A pod that nobody owns."""
    full = {"containers": [{"name": "main", "image": "sourceip/tools"}], **spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": full,
    }


def workload(kind: str, name: str, **spec: object) -> Object:
    """A Deployment or DaemonSet of one container, labelled by its name."""
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "sourceip/tools"}], "terminationGracePeriodSeconds": 0},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }
