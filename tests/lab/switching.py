"""What the tests of switching share: a cluster at hand, a prober that never rests, and the question who was seen."""

from __future__ import annotations

import contextlib
import ipaddress
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.clusters import lab as provider
from harness.core import errors, waiting
from harness.dataplane import calico
from harness.kube import client, execution, logs
from harness.lab import state
from harness.lab.felix import saved
from harness.model import cells, words
from harness.probing import client as probing
from harness.witness import access_log

PORT = 30180
INSTALLATION = "/apis/operator.tigera.io/v1/installations/default"
FELIX = "/apis/crd.projectcalico.org/v1/felixconfigurations/default"
SAMPLE_S = 1.0
SWITCH_S = 30.0
_PAUSE_S = 0.02
_STREAK = 3
_LOG_S = 5.0
_LAST_LINES = 12

Object = dict[str, Any]
Rules = dict[tuple[str, str], tuple[str, ...]]
"""A node's rules by table and chain."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One node as the external client dials it.

    Attributes:
        name: Its name.
        address: The address that is dialled.
        tunnel: The address of its vxlan.calico.
        masqueraded: Whom the customer sees in iptables mode, as recorded (finding 1).
    """

    name: str
    address: str
    tunnel: str
    masqueraded: str


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One request of the prober."""

    place: Place
    token: str
    reply: cells.Reply


@dataclass
class Cluster:
    """A lab with what a test needs to switch it and to look at it."""

    lab: state.LabState
    api: client.Client
    probe: probing.Session
    places: tuple[Place, ...]

    def seen(self) -> dict[str, str]:
        """Whom the customer sees for one fresh connection through each node; a word for how it was silent."""
        samples = ask(self.probe, self.places)
        tokens = [sample.token for sample in samples if sample.reply.answered]
        found = waiting.wait_until(
            lambda: self.logged(tokens),
            lambda lines: all(lines[token] for token in tokens),
            what="the log lines of all answered samples",
            timeout_s=_LOG_S,
            delay_s=_PAUSE_S,
        )
        return {sample.place.name: word_for(sample.reply, found.get(sample.token, [])) for sample in samples}

    def logged(self, tokens: list[str]) -> dict[str, list[access_log.Line]]:
        """The customer's log lines of these tokens."""
        lines: list[access_log.Line] = []
        for pod in self.pods("yaobank-customer", "app=customer"):
            raw = logs.read(self.api, namespace="yaobank-customer", pod=pod["metadata"]["name"])
            lines += access_log.parse(raw)
        return access_log.by_token(lines, tokens)

    def await_seen(self, wanted: Mapping[str, str]) -> None:
        """Wait until fresh connections show exactly this, several times in a row; WaitTimeout with what they showed."""
        try:
            waiting.wait_until(
                self.seen,
                lambda found: found == wanted,
                what=f"connections that show {dict(wanted)}",
                timeout_s=SWITCH_S,
                delay_s=_PAUSE_S,
                successes=_STREAK,
            )
        except errors.WaitTimeout as error:
            error.add_note(self.evidence())
            raise

    def evidence(self) -> str:
        """What the cluster says of itself, and the agents' last words."""
        said = [f"FelixConfiguration: {self.api.get(FELIX)['spec']}"]
        for namespace, selector in (("kube-system", "k8s-app=kube-proxy"), ("calico-system", "k8s-app=calico-node")):
            for pod in self.pods(namespace, selector):
                name = pod["metadata"]["name"]
                text = logs.read(self.api, namespace=namespace, pod=name).decode(errors="backslashreplace")
                said.append(f"{name} on {pod['spec'].get('nodeName')}: {pod['status'].get('phase')}")
                said += text.splitlines()[-_LAST_LINES:]
        return "\n".join(said)

    def masqueraded(self) -> dict[str, str]:
        """Whom the customer must see in iptables mode, by node."""
        return {place.name: place.masqueraded for place in self.places}

    def preserved(self) -> dict[str, str]:
        """Whom the customer must see in eBPF mode, by node."""
        return {place.name: self.lab.client for place in self.places}

    def pods(self, namespace: str, selector: str) -> list[Object]:
        """The pods of a namespace that have these labels."""
        return self.api.items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": selector})

    def kube_proxies(self) -> list[Object]:
        """kube-proxy's pods."""
        return self.pods("kube-system", "k8s-app=kube-proxy")

    def felixes(self) -> list[Object]:
        """calico-node's pods."""
        return self.pods("calico-system", "k8s-app=calico-node")

    def on_nodes(self, *argv: str) -> dict[str, str]:
        """What a program prints in each node's calico-node pod."""
        return {
            pod["spec"]["nodeName"]: execution.run(
                self.api,
                namespace="calico-system",
                pod=pod["metadata"]["name"],
                container="calico-node",
                argv=argv,
            ).text
            for pod in self.felixes()
        }

    def kube_proxy_rules(self) -> dict[str, Rules]:
        """On each node kube-proxy's chains, and what jumps to them; chains have no order among each other."""
        return {
            node: {
                (name, chain): tuple(rule for rule in rules if chain.startswith("KUBE-") or "-j KUBE-" in rule)
                for name, table in saved.tables(text).items()
                for chain, rules in table.chains.items()
            }
            for node, text in self.on_nodes("iptables-save").items()
        }

    def patch_installation(self, **network: object) -> None:
        """Patch ``spec.calicoNetwork``."""
        self.api.patch(INSTALLATION, {"spec": {"calicoNetwork": network}})


@contextmanager
def cluster(lab: state.LabState) -> Iterator[Cluster]:
    """A lab's API, its client's probe and its nodes."""
    with contextlib.closing(client.connect(lab.kubeconfig)) as api:
        backend = api.items("/api/v1/namespaces/yaobank-customer/pods", {"labelSelector": "app=customer"})[0]
        places = tuple(_place(item, backend["spec"]["nodeName"]) for item in api.items("/api/v1/nodes"))
        with probing.running(provider.client_runner(lab)) as session:
            yield Cluster(lab=lab, api=api, probe=session, places=places)


def _place(item: Object, backend: str) -> Place:
    name, annotations = item["metadata"]["name"], item["metadata"]["annotations"]
    internal = next(entry["address"] for entry in item["status"]["addresses"] if entry["type"] == "InternalIP")
    tunnel = annotations["projectcalico.org/IPv4VXLANTunnelAddr"]
    return Place(name=name, address=internal, tunnel=tunnel, masqueraded=internal if name == backend else tunnel)


def ask(probe: probing.Session, places: tuple[Place, ...]) -> list[Sample]:
    """One fresh connection through each node, side by side."""
    tokens = [str(uuid.uuid4()) for _ in places]
    dials = [
        probing.Dial(
            address=ipaddress.ip_address(place.address),
            port=PORT,
            protocol=words.Protocol.HTTP,
            tokens=(token,),
            timeout_s=SAMPLE_S,
        )
        for place, token in zip(places, tokens, strict=True)
    ]
    replies = probe.dial_many(dials)
    return [
        Sample(place=place, token=token, reply=reply[token])
        for place, token, reply in zip(places, tokens, replies, strict=True)
    ]


def word_for(reply: cells.Reply, lines: list[access_log.Line]) -> str:
    """Whom the customer saw, or how the sample stayed without a proper answer."""
    if not reply.answered:
        return reply.silence.value if reply.silence else reply.error
    if reply.status != 200 or len(lines) != 1:
        return f"HTTP {reply.status}, {len(lines)} lines"
    return str(lines[0].address)


@dataclass
class Prober:
    """Asks through every node again and again, from a thread of its own."""

    probe: probing.Session
    places: tuple[Place, ...]
    samples: list[Sample] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask until ``stop``."""
        while not self._stopping.is_set():
            self.samples += ask(self.probe, self.places)
            self._stopping.wait(_PAUSE_S)

    def stop(self) -> None:
        """Let the round that is under way be the last."""
        self._stopping.set()


@contextmanager
def probing_throughout(found: Cluster) -> Iterator[Prober]:
    """A prober that asks for as long as the block runs; what it has found is complete after the block."""
    with probing.running(provider.client_runner(found.lab)) as session:
        prober = Prober(probe=session, places=found.places)
        thread = threading.Thread(target=prober.run, name="prober")
        thread.start()
        try:
            yield prober
        finally:
            prober.stop()
            thread.join()


def wrong_answers(found: Cluster, samples: list[Sample]) -> list[str]:
    """Everything that is neither a right answer nor an error nor a reset, one sentence each.

    Right is an answer from the address that was dialled, with the sample's own log line, that shows the client or the
    address that the dialled node masquerades with. A request that the customer logged must be right even where its
    answer was lost.
    """
    lines = found.logged([sample.token for sample in samples])
    return [
        f"{sample.place.name}: {problem}; {sample.reply}"
        for sample in samples
        for problem in _problems(sample, lines[sample.token], {found.lab.client, sample.place.masqueraded})
    ]


def _problems(sample: Sample, lines: list[access_log.Line], allowed: set[str]) -> Iterator[str]:
    reply = sample.reply
    if reply.error and reply.silence is None:
        yield "an answer that is none of the application's"
    if reply.status == 200 and len(lines) != 1:
        yield f"answered, but logged {len(lines)} times"
    if reply.peer is not None and (str(reply.peer[0]), reply.peer[1]) != (sample.place.address, PORT):
        yield f"the socket's peer is {reply.peer}"
    yield from (f"logged as {line.address}" for line in lines if str(line.address) not in allowed)


def to_bpf(found: Cluster) -> None:
    """The manual way there."""
    calico.switch(found.api, words.Dataplane.BPF, told=calico.Way.MANUAL)


def to_iptables(found: Cluster) -> None:
    """The way back from whichever way there."""
    calico.switch(found.api, words.Dataplane.IPTABLES)


def to_bpf_automatically(found: Cluster) -> None:
    """The operator's own way there."""
    calico.switch(found.api, words.Dataplane.BPF, told=calico.Way.AUTOMATIC)
