"""The kubelet's main loop: pods that are bound to this node get a worker, and Services reach every hosts file."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.lab import api, plan, state
from harness.lab.kubelet import hosts, images, moments, node, pump, reporting, sandbox, worker
from harness.lab.topology import cgroups

log = logging.getLogger("harness.lab.kubelet")

PODS = "/api/v1/pods"
SERVICES = "/api/v1/services"
_BPFFS = Path("/run/lab/bpf")


class Kubelet:
    """One node's kubelet. ``run`` returns after ``stop``; the pods' processes end with the lab, not with it."""

    def __init__(self, lab: state.LabState, name: str, client: api.Api) -> None:
        self._api = client
        self._name = name
        self._address = lab.addresses[lab.nodes.index(name)]
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[str, worker.PodWorker] = {}
        self._services: list[hosts.Entry] = []
        self._mirror = api.Mirror(client, {PODS: {"fieldSelector": f"spec.nodeName={name}"}, SERVICES: {}})
        self._node = self._shared(lab)

    def _shared(self, lab: state.LabState) -> worker.Node:
        place = images.Place(
            lab=lab.directory,
            node=self._name,
            bpffs=_BPFFS / self._name,
            cgroup=cgroups.node_path(lab.name, self._name),
        )
        return worker.Node(
            name=self._name,
            address=self._address,
            folder=lab.directory / "nodes" / self._name / "pods",
            place=place,
            addresses=sandbox.Addresses(plan.plan(workers=len(lab.nodes) - 1).node(self._name).block),
            api=self._api,
            reporter=reporting.Reporter(self._api.clone(), self._name),
            pump=pump.Pump(),
            neighbours=[(ip, (each,)) for each, ip in zip(lab.nodes, lab.addresses, strict=True)],
        )

    def stop(self) -> None:
        """Make ``run`` return."""
        self._stopping.set()
        self._mirror.wake()

    def run(self) -> None:
        """Register the node, then follow its pods until ``stop``."""
        machine = node.read_machine()
        item = node.node_object(self._name, self._address, machine, now=moments.now())
        self._node.reporter.node(lambda: node.register(self._node.reporter.api, item))
        self._node.reporter.start()
        self._node.pump.start()
        self._mirror.start()
        beat = time.monotonic() + node.HEARTBEAT_S
        while not self._stopping.is_set():
            self._mirror.wait(max(0.0, beat - time.monotonic()))
            if time.monotonic() >= beat:
                beat = time.monotonic() + node.HEARTBEAT_S
                self._node.reporter.node(self._beat)
            if self._mirror.synced:
                self._sync()

    def _beat(self) -> None:
        node.heartbeat(self._node.reporter.api, self._name, moments.now())

    def _sync(self) -> None:
        services = hosts.service_entries(self._mirror.items(SERVICES))
        pods = {item["metadata"]["uid"]: item for item in self._mirror.items(PODS)}
        with self._lock:
            self._forget(pods)
            for uid, item in pods.items():
                self._take(uid, item, services)
            for uid, each in self._workers.items():
                if uid not in pods:
                    each.vanish()
                elif services != self._services:
                    each.set_services(services)
        self._services = services

    def _forget(self, pods: Mapping[str, Any]) -> None:
        # A worker that is done is kept until the API server has let its pod go, or the pod would be run again.
        gone = [uid for uid, each in self._workers.items() if each.done.is_set() and uid not in pods]
        for uid in gone:
            del self._workers[uid]

    def _take(self, uid: str, item: dict[str, Any], services: list[hosts.Entry]) -> None:
        known = self._workers.get(uid)
        if known is not None:
            known.update(item)
        else:
            made = worker.PodWorker(item, self._node)
            made.set_services(services)
            self._workers[uid] = made
            made.start()

    def find(self, namespace: str, name: str) -> worker.PodWorker | None:
        """The worker of a pod, or None; safe for threads."""
        with self._lock:
            found = [
                each for each in self._workers.values() if (each.pod.namespace, each.pod.name) == (namespace, name)
            ]
        return found[-1] if found else None
