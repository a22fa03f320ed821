"""Mutations of a lab in iptables mode."""

from __future__ import annotations

from harness.core import cleanup, waiting
from harness.kube import client, conditions
from harness.model import words
from harness.selftest.lab_bench import Bench, Inflict, OfCluster
from harness.selftest.mutations import By, Catch, erring, failing, invalid
from harness.witness import stations

_MARKED = ("-m", "mark", "--mark", "0x4000/0x4000")
_RELAY_PORT = "39180"
_WITNESSES = f"/apis/apps/v1/namespaces/{stations.NAMESPACE}/daemonsets/witness"
_AWAY_S = 30.0
_TWENTY = 20


def _unmasqueraded(bench: Bench, undo: cleanup.CleanupStack) -> None:
    bench.rule(undo, bench.here.name, "POSTROUTING", *_MARKED, "-j", "ACCEPT")


def _flapping(bench: Bench, undo: cleanup.CleanupStack) -> None:
    nth = ("-m", "statistic", "--mode", "nth", "--every", str(_TWENTY), "--packet", "0")
    bench.rule(undo, bench.here.name, "POSTROUTING", *_MARKED, *nth, "-j", "ACCEPT")


def _lying(bench: Bench, undo: cleanup.CleanupStack) -> None:
    words_ = ("--to", str(bench.backend.address), "--truth", str(bench.far.tunnel), "--claim", str(bench.third.tunnel))
    bench.program(undo, bench.here.name, "lab_liar", *words_)


def _relay(mode: str, port: int, *, here: bool) -> Inflict:
    """Something answers on a node before kube-proxy's rules are asked."""

    def inflict(bench: Bench, undo: cleanup.CleanupStack) -> None:
        node = (bench.here if here else bench.far).name
        backend = f"{bench.backend.address}:80"
        where = ("--port", _RELAY_PORT, "--mode", mode, "--backend", backend, "--claim", str(bench.client))
        bench.program(undo, node, "lab_relay", *where)
        match = ("-i", "eth0", "-p", "tcp", "--dport", str(port))
        bench.rule(undo, node, "PREROUTING", *match, "-j", "REDIRECT", "--to-ports", _RELAY_PORT)

    return inflict


def _rewritten_in_the_pod(bench: Bench, undo: cleanup.CleanupStack) -> None:
    uid = bench.run.place.api.get(f"/api/v1/namespaces/{bench.backend.namespace}/pods/{bench.backend.name}")
    namespace = f"pod-{uid['metadata']['uid'][:8]}"
    source = ("-s", str(bench.far.tunnel))
    bench.rule(undo, namespace, "INPUT", *source, "-j", "SNAT", "--to-source", "10.9.9.9")


def _without_witnesses(bench: Bench, undo: cleanup.CleanupStack) -> None:
    api = bench.run.place.api

    def select(value: str | None) -> None:
        patch = {"spec": {"template": {"spec": {"nodeSelector": {"sourceip-selftest": value}}}}}
        api.patch(_WITNESSES, patch, kind=client.STRATEGIC)

    def back() -> None:
        select(None)
        waiting.wait_until(
            lambda: api.get(_WITNESSES),
            conditions.daemon_set_is_available,
            what="every witness back",
            timeout_s=_AWAY_S,
        )

    undo.push("witnesses", back)
    select("nowhere")
    waiting.wait_until(
        lambda: stations.stations(api), lambda found: not found, what="no witness left", timeout_s=_AWAY_S
    )


def _other_rules(bench: Bench, undo: cleanup.CleanupStack) -> None:
    for chain in ("PREROUTING", "POSTROUTING"):
        bench.rule(undo, bench.far.name, chain, "-p", "tcp", "--dport", "30999", "-j", "ACCEPT")


MUTATIONS = (
    OfCluster(
        name="unmasqueraded",
        does="The backend's node does not masquerade any more.",
        origin="hole 2: SNAT is expected and none is needed to pass",
        phase=words.Phase.IPTABLES,
        inflict=_unmasqueraded,
        catch=failing(
            "{here}:30180 (customer, Cluster, HTTP): expected {here_address} entry-node, seen {client} client, 0 of 3"
        ),
    ),
    OfCluster(
        name="flapping-node",
        does="The backend's node leaves out every twentieth masquerade.",
        origin="hole 4: polled until it is right once",
        phase=words.Phase.IPTABLES,
        samples=_TWENTY,
        inflict=_flapping,
        catch=failing("seen 19 x {here_address} entry-node, 1 x {client} client, 19 of 20"),
    ),
    OfCluster(
        name="wrong-tunnel",
        does="A program of BPF turns the entry node's tunnel address into another node's.",
        origin="hole 3: any node's address will do",
        phase=words.Phase.IPTABLES,
        inflict=_lying,
        catch=failing("expected {far_tunnel} entry-tunnel, seen {third_tunnel} other-node, 0 of 3"),
    ),
    OfCluster(
        name="relay",
        does="A relay on the backend's node asks customer anew, with X-Forwarded-For.",
        origin="hole 9: a proxy in front of the backend",
        phase=words.Phase.IPTABLES,
        inflict=_relay("proxy", 30181, here=True),
        catch=invalid(
            "{here}:30181 (customer-local, Local, HTTP): expected {client} client, seen {here_address} entry-node"
        ),
    ),
    OfCluster(
        name="stranger",
        does="A program on the entry node answers 200 by itself.",
        origin="an answer from something that is not the backend",
        phase=words.Phase.IPTABLES,
        inflict=_relay("stranger", 30180, here=False),
        catch=invalid("answered, but no line in the log: not by the backend, or the line is lost"),
    ),
    OfCluster(
        name="garbage",
        does="A program on the entry node answers something that is no HTTP.",
        origin="hole 5: an unparsable body passes",
        phase=words.Phase.IPTABLES,
        inflict=_relay("garbage", 30180, here=False),
        catch=erring("an answer without a meaning: ValueError: no HTTP answer"),
    ),
    OfCluster(
        name="hung-up",
        does="A program on the entry node closes every connection without a word.",
        origin="hole 5: an empty body passes",
        phase=words.Phase.IPTABLES,
        inflict=_relay("empty", 30180, here=False),
        catch=failing("no answer: reset"),
    ),
    OfCluster(
        name="rewritten-in-pod",
        does="The pod's own rules rewrite the source after it has arrived.",
        origin="the application is told otherwise than the wire",
        phase=words.Phase.IPTABLES,
        inflict=_rewritten_in_the_pod,
        catch=failing("saw 10.9.9.9; wire: yaobank-customer/{backend} saw {far_tunnel}", By.DISAGREEMENT),
    ),
    OfCluster(
        name="no-witness",
        does="The witness's pods are gone.",
        origin="a witness that is not there",
        phase=words.Phase.IPTABLES,
        inflict=_without_witnesses,
        catch=Catch(by=By.SINGLE, outcome=words.Outcome.PASS, text="by the application alone"),
    ),
    OfCluster(
        name="other-rules",
        does="A node has rules of somebody else, for another port.",
        origin="other people's rules",
        phase=words.Phase.IPTABLES,
        inflict=_other_rules,
        catch=None,
    ),
)
