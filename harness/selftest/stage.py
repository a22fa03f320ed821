"""The scene of a world without a network: its API, its clients and its witnesses, for the harness's own pipeline.

Everything above these seams is the code that measures a real cluster: the agent's events are parsed by the probe's
client, the log's bytes by the access log's parser, and the walk, the checks and the judge are the walk's.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlparse

from harness.checks import scene
from harness.checks.environment import seen
from harness.core import errors, timeouts
from harness.dataplane import proof
from harness.kube import client, inventory
from harness.model import cells, facts, words
from harness.probing import client as probing
from harness.probing import clients
from harness.selftest import world
from harness.witness import application, witnesses

# Time passes only when somebody sleeps, so patience costs nothing but looks.
_PATIENCE = timeouts.Timeouts(switch_s=1.0)
_LATENCY_MS = 1.5
_FIRST_PORT = 40000


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """The time."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self._now += seconds


@dataclass
class Happened:
    """What has happened in a world so far; whoever adds to it holds the lock.

    Attributes:
        logs: The log of each pod that keeps one, by its API path.
        wire: What the witness on the wire saw, by token.
        ports: Source ports, none twice.
    """

    logs: dict[str, bytes] = field(default_factory=lambda: {_log_of(world.CUSTOMER): b"", _log_of(world.SUMMARY): b""})
    wire: dict[str, cells.Account] = field(default_factory=dict)
    ports: Iterator[int] = field(default_factory=lambda: itertools.count(_FIRST_PORT))
    lock: threading.Lock = field(default_factory=threading.Lock)


def _log_of(pod: facts.Pod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"


class Api(client.Client):
    """The API of such a world: the Installation, yaobank's pods and their logs; it refuses every other path."""

    def __init__(self, of: world.World, phase: words.Phase, happened: Happened) -> None:
        self._world, self._phase, self._happened = of, phase, happened

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """The Installation, which asks for what the phase is about, or the pods of a namespace."""
        if path == inventory.INSTALLATION:
            return {"spec": {"calicoNetwork": {"linuxDataplane": self._phase.dataplane.value}}}
        for pod in (world.CUSTOMER, world.SUMMARY):
            if path == f"/api/v1/namespaces/{pod.namespace}/pods":
                return {"items": [_object(pod)]}
        raise errors.ApiError(404, "NotFound", f"{path} {params}")

    def raw(self, path: str, params: client.Params = ()) -> bytes:
        """A pod's log."""
        wanted = urlparse(path).path
        with self._happened.lock:
            found = self._happened.logs.get(wanted)
        if found is None:
            raise errors.ApiError(404, "NotFound", f"{path} {params}")
        return self._world.reads(found) if wanted == _log_of(world.CUSTOMER) else found


def _object(pod: facts.Pod) -> client.Object:
    return {
        "metadata": {"namespace": pod.namespace, "name": pod.name},
        "spec": {"nodeName": pod.node, "containers": [{"name": "app"}]},
        "status": {"podIP": str(pod.address), "conditions": [{"type": "Ready", "status": "True"}]},
    }


@dataclass(frozen=True, kw_only=True)
class Dialler:
    """A client of such a world."""

    of: world.World
    phase: words.Phase
    who: facts.Client
    happened: Happened

    @property
    def alive(self) -> bool:
        """A client of a world never dies."""
        return True

    def dial(self, wanted: probing.Dial) -> dict[str, cells.Reply]:
        """All samples of one path, as the world forwards and tells them."""
        # One client's samples happen one after another, so that a world is the same in every run.
        with self.happened.lock:
            moments = [self.of.forwards(self._moment(wanted, *item)) for item in enumerate(wanted.tokens)]
            events = [self._happen(moment) for moment in moments]
        return {str(event["token"]): probing.reply_from(event) for event in events if event is not None}

    def dial_many(self, wanted: Sequence[probing.Dial]) -> list[dict[str, cells.Reply]]:
        """One path after the other."""
        return [self.dial(dial) for dial in wanted]

    def _happen(self, moment: world.Moment) -> world.Event | None:
        telling = self.of.tells(moment, telling_of(moment))
        self.happened.logs[_log_of(world.CUSTOMER)] += telling.lines
        self.happened.logs[_log_of(world.SUMMARY)] += telling.asked
        if telling.wire is not None:
            self.happened.wire[moment.token] = _on_wire(telling.wire, telling.wire_backend, moment.port)
        return telling.event

    def _moment(self, wanted: probing.Dial, index: int, token: str) -> world.Moment:
        dialled = (wanted.address, wanted.port)
        node = next((node.name for node in self.of.known.nodes if node.address == wanted.address), "")
        dataplane = self.of.in_force.get(node, self.phase.dataplane)
        saw, silence = world.on_its_way(dataplane, self.who, dialled, wanted.protocol)
        return world.Moment(
            dataplane=dataplane,
            client=self.who,
            dialled=dialled,
            protocol=wanted.protocol,
            token=token,
            index=index,
            count=len(wanted.tokens),
            saw=saw,
            silence=silence,
            port=next(self.happened.ports),
        )


def _on_wire(address: facts.Address, pod: facts.Pod, port: int) -> cells.Account:
    return cells.Account(
        witness=words.Witness.WIRE, address=address, backend=f"{pod.namespace}/{pod.name}", port=port, detail="staged"
    )


def telling_of(moment: world.Moment) -> world.Telling:
    """What is told of a sample in a healthy world. Pure."""
    logged = moment.saw is not None and moment.protocol is words.Protocol.HTTP
    return world.Telling(
        event=_event(moment),
        lines=access_line(str(moment.saw), moment.token) if logged else b"",
        asked=asking_line(world.CUSTOMER.address) if logged else b"",
        wire=moment.saw,
        wire_backend=moment.backend,
    )


def access_line(address: str, token: str, *, before: str = "", after: str = "") -> bytes:
    """One line of customer's log, with something around its request. Pure."""
    request = f"{before}GET /?probe={token} HTTP/1.1{after}"
    return f'{address} - - [23/Nov/2026 05:29:13] "{request}" 200 -\n'.encode()


def asking_line(address: facts.Address) -> bytes:
    """One line of summary's log, asked from that address. Pure."""
    return f'{address} - - [23/Nov/2026 05:29:13] "GET /519940 HTTP/1.1" 200 -\n'.encode()


def _event(moment: world.Moment) -> world.Event:
    event: world.Event = {"token": moment.token, "latency_ms": _LATENCY_MS}
    if moment.silence is not None:
        return {**event, "silence": moment.silence.value, "error": moment.silence.value}
    unconnected = moment.protocol is words.Protocol.UDP_UNCONNECTED
    event["local"] = ["0.0.0.0" if unconnected else str(moment.client.address), moment.port]
    event["reply_from" if unconnected else "peer"] = [str(moment.dialled[0]), moment.dialled[1]]
    if moment.protocol is words.Protocol.HTTP:
        return {**event, "status": 200}
    echoed = {"seen_token": moment.token, "seen": str(moment.saw), "seen_port": moment.port}
    return {**event, **echoed, "server": moment.backend.name}


@dataclass(frozen=True, kw_only=True)
class Wire:
    """The witness on the wire of such a world; it watches every backend."""

    happened: Happened
    kind: words.Witness = words.Witness.WIRE

    @contextlib.contextmanager
    def watching(self, known: facts.Facts, planned: Sequence[cells.Cell]) -> Iterator[Wire]:
        """It is always in place."""
        del known, planned
        yield self

    def covers(self, cell: cells.Cell) -> bool:
        """It watches every backend."""
        del cell
        return True

    def accounts(self, asked: Sequence[witnesses.Question]) -> witnesses.Told:
        """What it saw."""
        seen = self.happened.wire
        return {item.token: (seen[item.token],) for item in asked if item.token in seen}

    def rewrites(self, asked: Sequence[witnesses.Question]) -> Mapping[str, tuple[cells.Rewrite, ...]]:
        """It sees one place only."""
        del asked
        return {}


@dataclass(frozen=True, kw_only=True)
class Scene(scene.Scene):
    """A scene whose facts are the world's."""

    of: world.World

    def facts(self) -> facts.Facts:
        """The world's facts, which are the same at every moment."""
        return self.of.known


def set_up(of: world.World, phase: words.Phase, clock: Clock) -> Scene:
    """The scene of a world in which a phase is to be in force."""
    happened = Happened()
    api = Api(of, phase, happened)

    def start(who: facts.Client) -> tuple[Dialler, Callable[[], object]]:
        return Dialler(of=of, phase=phase, who=who, happened=happened), lambda: None

    return Scene(
        of=of,
        api=api,
        probe=start(world.external(of.known))[0],
        who=world.external(of.known),
        witnesses=(application.Application(api=api, clock=clock), Wire(happened=happened)),
        clients=clients.Clients(start),
        gateway=of.known.gateway,
        patience=_PATIENCE,
    )


def observing(of: world.World, phase: words.Phase) -> Callable[[client.Client, facts.Facts], tuple[proof.InForce, ...]]:
    """What the kernels of a world's nodes say is in force on them."""

    def observe(api: client.Client, known: facts.Facts) -> tuple[proof.InForce, ...]:
        del api
        asked = frozenset(item.node_port for item in known.destinations)
        actual = {node.name: of.in_force.get(node.name, phase.dataplane) for node in known.nodes}
        return tuple(_in_force(node, of.proven.get(node, found), asked) for node, found in actual.items())

    return observe


def _in_force(node: str, dataplane: words.Dataplane, asked: frozenset[int]) -> proof.InForce:
    none: frozenset[int] = frozenset()
    return proof.InForce(
        node=node,
        iptables=asked if dataplane is words.Dataplane.IPTABLES else none,
        bpf=asked if dataplane is words.Dataplane.BPF else none,
        asked=asked,
    )


def looked_at(of: world.World, phase: words.Phase) -> seen.Seen:
    """What a look at the environment of such a world reads: the client's way to each node."""
    client_, port = world.external(of.known), 10250
    arrives = frozenset({of.arrives_as or client_.address})
    return seen.Seen(
        client=client_,
        gateway=of.known.gateway,
        declared=phase.dataplane.value,
        nodes=(),
        ways=tuple(seen.Way(node=node.name, port=port, local=client_.address, saw=arrives) for node in of.known.nodes),
        addressing=seen.Addressing(),
    )
