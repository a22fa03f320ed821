"""What the kubelet tells the API server: statuses, events and the last delete, from one thread.

Statuses come first and only the newest of a pod is sent; events wait until there is nothing else to say.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from harness.core import errors
from harness.lab import api
from harness.lab.kubelet import moments, specs

log = logging.getLogger("harness.lab.kubelet")

_RETRY_S = 0.2


class Reporter:
    """Sends in the background; its methods return at once and are safe for threads."""

    def __init__(self, client: api.Api, node: str) -> None:
        self.api = client
        self._node = node
        self._condition = threading.Condition()
        self._statuses: dict[str, tuple[specs.Pod, dict[str, Any]]] = {}
        self._urgent: deque[Callable[[], None]] = deque()
        self._events: deque[Callable[[], None]] = deque()
        self._counts: dict[tuple[str, str, str, str], tuple[str, int]] = {}

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="reporter", daemon=True).start()

    def status(self, pod: specs.Pod, status: dict[str, Any]) -> None:
        """Report a pod's whole status."""
        with self._condition:
            if pod.uid not in self._statuses:
                self._urgent.append(lambda: self._send_status(pod.uid))
            self._statuses[pod.uid] = (pod, status)
            self._condition.notify()

    def gone(self, pod: specs.Pod) -> None:
        """Report that nothing of a pod is left, after which the API server forgets it."""
        with self._condition:
            self._urgent.append(lambda: self._send_delete(pod))
            self._condition.notify()

    def event(self, pod: specs.Pod, kind: str, reason: str, message: str, *, container: str = "") -> None:
        """Report an event; the same again counts up."""
        moment = moments.now()
        with self._condition:
            self._events.append(lambda: self._send_event(pod, kind, reason, message, container, moment))
            self._condition.notify()

    def node(self, send: Callable[[], None]) -> None:
        """Send something about the node in its turn."""
        with self._condition:
            self._urgent.append(send)
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._urgent and not self._events:
                    self._condition.wait()
                send = self._urgent.popleft() if self._urgent else self._events.popleft()
            self._deliver(send)

    def _deliver(self, send: Callable[[], None]) -> None:
        pause = threading.Event()
        while True:
            try:
                send()
            except errors.ApiError as error:
                if error.code == 0 or error.code >= 500:
                    log.debug("report: %s", error)
                    pause.wait(_RETRY_S)
                    continue
                # NotFound and Conflict mean that the object is no longer what this report is about.
                log.log(logging.DEBUG if error.code in (404, 409) else logging.WARNING, "report: %s", error)
            return

    def _send_status(self, uid: str) -> None:
        with self._condition:
            pod, status = self._statuses.pop(uid)
        try:
            body = {"metadata": {"uid": pod.uid}, "status": status}
            self.api.patch(f"{_path(pod)}/status", body, kind="merge")
        except errors.ApiError as error:
            if error.code == 0 or error.code >= 500:
                with self._condition:
                    self._statuses.setdefault(uid, (pod, status))
            raise

    def _send_delete(self, pod: specs.Pod) -> None:
        self.api.delete(_path(pod), gracePeriodSeconds="0")

    def _send_event(self, pod: specs.Pod, kind: str, reason: str, message: str, container: str, moment: str) -> None:
        collection = f"/api/v1/namespaces/{pod.namespace}/events"
        key = (pod.uid, reason, message, container)
        name, count = self._counts.get(key, ("", 0))
        if name:
            self.api.patch(f"{collection}/{name}", {"count": count + 1, "lastTimestamp": moment}, kind="merge")
        else:
            name = f"{pod.name}.{secrets.token_hex(8)}"
            self.api.create(collection, self._event(name, pod, kind, reason, message, container, moment))
        self._counts[key] = (name, count + 1)

    def _event(
        self, name: str, pod: specs.Pod, kind: str, reason: str, message: str, container: str, moment: str
    ) -> dict[str, Any]:
        about = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": pod.name,
            "namespace": pod.namespace,
            "uid": pod.uid,
            **({"fieldPath": _field_path(pod, container)} if container else {}),
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": pod.namespace},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": "kubelet", "host": self._node},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
        }


def _path(pod: specs.Pod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"


def _field_path(pod: specs.Pod, container: str) -> str:
    kind = "initContainers" if any(each.name == container for each in pod.init) else "containers"
    return f"spec.{kind}{{{container}}}"
