"""Starts an agent at any client's place: in a pod by the API's exec, outside the cluster by a runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.core import errors
from harness.kube import client, inventory, streaming
from harness.model import facts, words
from harness.probing import client as probing
from harness.probing import runners

_HANDSHAKE_S = 15.0
# An exec's command is part of a URL, and proxies before an API server take 8 KiB and less. So the command only loads
# the source, which comes first on its standard input.
_LOADER = "import sys; exec(compile(sys.stdin.buffer.read(int(sys.argv.pop())), 'agent.py', 'exec'))"

Opened = tuple[probing.Dialler, Callable[[], object]]


@dataclass(frozen=True, kw_only=True)
class Opener:
    """Starts agents; what ``clients.Clients`` asks for one.

    Attributes:
        api: The cluster's API.
        gateway: Where the machine that hosts the nodes can be entered, or None.
        timeout_s: Seconds that the API may take to start an agent in a pod.
    """

    api: client.Client
    gateway: runners.Runner | None = None
    timeout_s: float = _HANDSHAKE_S

    def __call__(self, who: facts.Client) -> Opened:
        """An agent at that client's place, and what ends it.

        Raises:
            ApiError: The API can't start it.
            ProbeError: It did not start, or there is no way to that client.
        """
        if who.kind is words.ClientKind.POD:
            namespace, _, name = who.pod.partition("/")
            return self._in_pod(self.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}"))
        if who.kind is words.ClientKind.HOST:
            return self._in_pod(self._host_pod(who.node))
        if who.kind is words.ClientKind.GATEWAY and self.gateway is not None:
            return ready(probing.started(self.gateway))
        raise probing.ProbeError(f"there is no way to run a probe at the {who.kind.value} client")

    def _host_pod(self, node: str) -> client.Object:
        selector = {"labelSelector": inventory.CLIENTS}
        for item in self.api.items("/api/v1/pods", selector):
            if item["spec"].get("hostNetwork") and item["spec"].get("nodeName") == node and inventory.is_client(item):
                return item
        raise probing.ProbeError(f"no host-network client pod is ready on {node}")

    def _in_pod(self, pod: client.Object) -> Opened:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        source = runners.AGENT.read_bytes()
        stream = streaming.opened(
            self.api,
            namespace=namespace,
            pod=name,
            container=pod["spec"]["containers"][0]["name"],
            argv=("python3", "-u", "-c", _LOADER, str(len(source))),
            timeout_s=self.timeout_s,
        )
        session = probing.Session(stream, f"pod {namespace}/{name}")
        try:
            stream.write(source)
        except OSError as error:
            session.close()
            raise errors.ApiError(0, "Unreachable", f"exec in {namespace}/{name}: {error}") from error
        return ready(session)


def ready(session: probing.Session) -> Opened:
    """A session whose agent has spoken, and what ends it; raises ProbeError."""
    try:
        session.wait_ready()
    except probing.ProbeError:
        session.close()
        raise
    return session, session.close
