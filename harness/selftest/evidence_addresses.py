"""Mutations of whom the backends see, and of what the nodes say is in force."""

from __future__ import annotations

import dataclasses

from harness.model import words
from harness.selftest import changes, world
from harness.selftest.mutations import By, OfEvidence, failing

_IPTABLES, _BPF = words.Dataplane.IPTABLES, words.Dataplane.BPF
_CONTROL_PLANE = "172.18.0.2:30180"
_EVERY = tuple(node.name for node in world.NODES)


def _in_force(*nodes: str, dataplane: words.Dataplane, proven: words.Dataplane | None = None) -> changes.Change:
    claims = dict.fromkeys(nodes, proven) if proven is not None else {}
    actual = dict.fromkeys(nodes, dataplane)
    return lambda of: dataclasses.replace(
        of, in_force=actual, proven={node: claim for node, claim in claims.items() if claim is not None}
    )


def _forged_body(moment: world.Moment, telling: world.Telling) -> world.Telling:
    return dataclasses.replace(telling, event={**(telling.event or {}), "seen": str(moment.client.address)})


def _at_another_pod(_moment: world.Moment, telling: world.Telling) -> world.Telling:
    return dataclasses.replace(telling, wire_backend=world.ASKING)


MUTATIONS = (
    OfEvidence(
        name="prefix",
        does="The backend sees 172.18.0.50, which begins like the client's 172.18.0.5.",
        origin="hole 1: a prefix is compared",
        phase=words.Phase.EBPF,
        change=changes.seeing("172.18.0.50", changes.through(_CONTROL_PLANE)),
        catch=failing("saw 172.18.0.50 instead of 172.18.0.5 client"),
    ),
    OfEvidence(
        name="no-snat",
        does="The backend sees the client where it must see the entry node.",
        origin="hole 2: SNAT is expected and none is needed to pass",
        phase=words.Phase.IPTABLES,
        change=changes.seeing("172.18.0.5", changes.through(_CONTROL_PLANE)),
        catch=failing("saw 172.18.0.5 instead of 10.244.82.0 entry-tunnel"),
    ),
    OfEvidence(
        name="wrong-node",
        does="The backend sees another node's tunnel address.",
        origin="hole 3: any node's address will do",
        phase=words.Phase.IPTABLES,
        change=changes.seeing("10.244.110.128", changes.through(_CONTROL_PLANE)),
        catch=failing("saw 10.244.110.128 instead of 10.244.82.0 entry-tunnel"),
    ),
    OfEvidence(
        name="one-of-twenty",
        does="One sample of twenty is masqueraded.",
        origin="hole 4: polled until it is right once",
        phase=words.Phase.EBPF,
        change=changes.seeing("172.18.0.2", changes.both(changes.through(_CONTROL_PLANE), changes.last)),
        catch=failing("seen 19 x 172.18.0.5 client, 1 x 172.18.0.2 entry-node, 19 of 20"),
    ),
    OfEvidence(
        name="host-client",
        does="A host-network client is seen with another node's address.",
        origin="hole 8: host-network clients are skipped",
        phase=words.Phase.EBPF,
        change=changes.seeing("172.18.0.4", lambda moment: moment.client.kind is words.ClientKind.HOST),
        catch=failing("(echo, Cluster, TCP): expected 10.244.82.0 client-tunnel, seen 172.18.0.4 other-node"),
    ),
    OfEvidence(
        name="forged-body",
        does="A proxy answers in the backend's name, and its body claims that the client was seen.",
        origin="hole 9: the body is believed",
        phase=words.Phase.EBPF,
        change=changes.in_turn(
            changes.seeing("10.244.82.0", changes.through("172.18.0.2:30200", words.Protocol.TCP)),
            changes.telling(_forged_body, changes.through("172.18.0.2:30200", words.Protocol.TCP)),
        ),
        catch=failing("application: echo/echo-1 saw 172.18.0.5; wire: echo/echo-1 saw 10.244.82.0", By.DISAGREEMENT),
    ),
    OfEvidence(
        name="stale-conntrack",
        does="After the way back, one connection is decided by an entry of the dataplane before.",
        origin="hole 12: a former scenario's conntrack decides",
        phase=words.Phase.REVERTED,
        change=changes.seeing("172.18.0.5", changes.both(changes.through("172.18.0.3:30180"), changes.last)),
        catch=failing("1 x 172.18.0.5 client, 19 of 20"),
    ),
    OfEvidence(
        name="swapped-iptables",
        does="All nodes do what eBPF does and say that it is iptables.",
        origin="the expectation of the other phase",
        phase=words.Phase.IPTABLES,
        change=_in_force(*_EVERY, dataplane=_BPF, proven=_IPTABLES),
        catch=failing("expected 10.244.82.0 entry-tunnel, seen 172.18.0.5 client, 0 of 20"),
    ),
    OfEvidence(
        name="swapped-ebpf",
        does="All nodes do what iptables does and say that it is eBPF.",
        origin="the expectation of the other phase",
        phase=words.Phase.EBPF,
        change=_in_force(*_EVERY, dataplane=_IPTABLES, proven=_BPF),
        catch=failing("expected 172.18.0.5 client, seen 10.244.82.0 entry-tunnel, 0 of 20"),
    ),
    OfEvidence(
        name="one-node-behind",
        does="The API says BPF, and one node is in iptables mode and says that it is not.",
        origin="felix falls back silently",
        phase=words.Phase.EBPF,
        change=_in_force("kind-worker2", dataplane=_IPTABLES, proven=_BPF),
        catch=failing("kind-worker2:30180 (customer, Cluster, HTTP): expected 172.18.0.5 client, seen 10.244.110.128"),
    ),
    OfEvidence(
        name="proof-alone",
        does="Every address is right, and one node's kernel has the other dataplane.",
        origin="the right address by luck",
        phase=words.Phase.EBPF,
        change=lambda of: dataclasses.replace(of, proven={"kind-worker2": _IPTABLES}),
        catch=failing("kind-worker2: Iptables", By.PROOF),
    ),
    OfEvidence(
        name="another-pod",
        does="The wire has the packet at another pod than the one that logged it.",
        origin="an answer from something that is not the backend",
        phase=words.Phase.EBPF,
        change=changes.telling(_at_another_pod, changes.through(_CONTROL_PLANE)),
        catch=failing("wire: echo/pod-cp-1 saw 172.18.0.5", By.DISAGREEMENT),
    ),
)
