"""Starts an agent at any client's place: in a pod by the API's exec, outside the cluster by a runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.core import errors, timeouts
from harness.kube import client, inventory, streaming
from harness.model import facts, words
from harness.probing import client as probing
from harness.probing import runners

_HANDSHAKE_S = timeouts.DEFAULT.agent_s
# An exec's command is part of a URL, and proxies before an API server take 8 KiB and less. So the command only loads
# the source, which comes first on its standard input.
# The source is read without a buffer, which would keep what follows it from the agent.
_LOADER = """\
import os, sys
source, size = b"", int(sys.argv.pop())
while len(source) < size:
    source += os.read(0, size - len(source)) or sys.exit("the agent's source was cut off")
exec(compile(source, "agent.py", "exec"))
"""
# Pods of a node leave it with the node's own address, and the eBPF dataplane gives the port no other number where the
# kernel's table does not know that two flows became one. So who may stand on one node has source ports of its own.
_HOST, _CLIENT, _BACKEND = range(3)
_SHARES = 3

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
            pod = self.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
            return self._in_pod(pod, _CLIENT if inventory.is_client(self.api, pod) else _BACKEND)
        if who.kind is words.ClientKind.HOST:
            return self._in_pod(self._host_pod(who.node), _HOST)
        if who.kind is words.ClientKind.GATEWAY and self.gateway is not None:
            return ready(probing.started(self.gateway))
        raise probing.ProbeError(f"there is no way to run a probe at the {who.kind.value} client")

    def _host_pod(self, node: str) -> client.Object:
        selector = {"labelSelector": inventory.CLIENTS}
        for item in self.api.items("/api/v1/pods", selector):
            here = item["spec"].get("hostNetwork") and item["spec"].get("nodeName") == node
            if here and inventory.is_client(self.api, item):
                return item
        raise probing.ProbeError(f"no host-network client pod is ready on {node}")

    def _in_pod(self, pod: client.Object, share: int) -> Opened:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        source = runners.AGENT.read_bytes()
        stream = streaming.opened(
            self.api,
            namespace=namespace,
            pod=name,
            container=pod["spec"]["containers"][0]["name"],
            argv=argv_for(source, share),
            timeout_s=self.timeout_s,
        )
        session = probing.Session(stream, f"pod {namespace}/{name}")
        try:
            stream.write(source)
        except OSError as error:
            session.close()
            raise errors.ApiError(0, "Unreachable", f"exec in {namespace}/{name}: {error}") from error
        return ready(session)


def argv_for(source: bytes, share: int = 0) -> tuple[str, ...]:
    """The command that takes an agent of this source from its standard input, and becomes it.

    Its source ports are first of all those of a share, of which each kind of client on a node has one.
    """
    return ("env", f"SOURCEIP_SHARE=[{share},{_SHARES}]", "python3", "-u", "-c", _LOADER, str(len(source)))


def ready(session: probing.Session) -> Opened:
    """A session whose agent has spoken, and what ends it; raises ProbeError."""
    try:
        session.wait_ready()
    except probing.ProbeError:
        session.close()
        raise
    return session, session.close
