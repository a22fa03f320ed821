"""Mutations of a lab in iptables mode."""

from __future__ import annotations

from harness.core import cleanup, waiting
from harness.kube import client, conditions
from harness.model import words
from harness.selftest.lab_bench import Bench, OfCluster
from harness.selftest.mutations import By, Catch, failing, invalid
from harness.witness import stations

_MARKED = ("-m", "mark", "--mark", "0x4000/0x4000")
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


def _rewritten_in_the_pod(bench: Bench, undo: cleanup.CleanupStack) -> None:
    uid = bench.run.place.api.get(f"/api/v1/namespaces/{bench.backend.namespace}/pods/{bench.backend.name}")
    namespace = f"pod-{uid['metadata']['uid'][:8]}"
    source = ("-s", str(bench.far.tunnel))
    bench.rule(undo, namespace, "INPUT", *source, "-j", "SNAT", "--to-source", "10.9.9.9")


def _without_witnesses(bench: Bench, undo: cleanup.CleanupStack) -> None:
    api = bench.run.place.api

    def select(value: str | None) -> None:
        patch = {"spec": {"template": {"spec": {"nodeSelector": {"sourceip-selftest": value}}}}}
        api.patch(stations.daemon_set(api), patch, kind=client.STRATEGIC)

    def back() -> None:
        select(None)
        waiting.wait_until(
            lambda: api.get(stations.daemon_set(api)),
            conditions.daemon_set_is_available,
            what="every witness back",
            timeout_s=_AWAY_S,
        )

    undo.push("witnesses", back)
    select("nowhere")
    waiting.wait_until(
        lambda: stations.stations(api), lambda found: not found, what="no witness left", timeout_s=_AWAY_S
    )


def _stale(bench: Bench, undo: cleanup.CleanupStack) -> None:
    """Entries that nobody masqueraded are left for a few source ports, and a new client has no others."""
    with cleanup.CleanupStack() as while_planting:
        bench.rule(while_planting, bench.there.name, "POSTROUTING", *_MARKED, "-j", "ACCEPT")
        target = f"{bench.there.address}:30200"
        bench.program(undo, "client", "lab_planter", "--to", target, "--first", "20000", "--count", "64")


def _masqueraded(bench: Bench, undo: cleanup.CleanupStack) -> None:
    """What a bridge of Docker's does: everything comes from one address that is not the client's."""
    other = "172.18.0.99"
    address = (f"{other}/16", "dev", "eth0")
    bench.inside("client", "ip", "addr", "add", *address)
    undo.push("address", lambda: bench.inside("client", "ip", "addr", "del", *address))
    bench.rule(undo, "client", "POSTROUTING", "-o", "eth0", "-j", "SNAT", "--to-source", other)


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
        catch=failing(
            "wire: yaobank-customer/{backend} saw {third_tunnel}; kernel: yaobank-customer/{backend} saw {far_tunnel}",
            By.DISAGREEMENT,
        ),
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
        name="stale-entries",
        does="A new run's probe uses source ports for which the nodes' conntrack still has old translations.",
        origin="hole 12: a former scenario's conntrack decides",
        phase=words.Phase.IPTABLES,
        inflict=_stale,
        fresh=True,
        catch=failing("{there}:30200 (echo, Cluster, UDP): expected {there_address} entry-node, seen {client} client"),
    ),
    OfCluster(
        name="masqueraded-client",
        does="The client's way to every node is masqueraded, as Docker's bridges do.",
        origin="hole 11: an environment is blamed on the dataplane",
        phase=words.Phase.IPTABLES,
        inflict=_masqueraded,
        catch=invalid("was seen as 172.18.0.99", By.ENVIRONMENT),
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
