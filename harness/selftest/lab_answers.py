"""Mutations of a lab in which something else than the backend answers, before kube-proxy's rules are asked."""

from __future__ import annotations

from harness.core import cleanup
from harness.model import words
from harness.selftest.lab_bench import Bench, Inflict, OfCluster
from harness.selftest.mutations import By, erring, failing, invalid

_RELAY_PORT = "39180"


def _relay(mode: str, port: int, *, here: bool = False, echo: bool = False) -> Inflict:
    """Something answers on a node before kube-proxy's rules are asked."""

    def inflict(bench: Bench, undo: cleanup.CleanupStack) -> None:
        node = (bench.here if here else bench.far).name
        backend = f"{bench.echo.address}:8080" if echo else f"{bench.backend.address}:80"
        where = ("--port", _RELAY_PORT, "--mode", mode, "--backend", backend, "--claim", str(bench.client))
        bench.program(undo, node, "lab_relay", *where)
        match = ("-i", "eth0", "-p", "tcp", "--dport", str(port))
        bench.rule(undo, node, "PREROUTING", *match, "-j", "REDIRECT", "--to-ports", _RELAY_PORT)

    return inflict


MUTATIONS = (
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
        name="forged-echo",
        does="A relay on the entry node asks echo anew, and its answer claims that the client was seen.",
        origin="hole 9: the body is believed",
        phase=words.Phase.IPTABLES,
        inflict=_relay("proxy", 30200, echo=True),
        catch=failing("application: echo/{echo} saw {client}; wire: echo/{echo} saw", By.DISAGREEMENT),
    ),
    OfCluster(
        name="stranger",
        does="A program on the entry node answers 200 by itself.",
        origin="an answer from something that is not the backend",
        phase=words.Phase.IPTABLES,
        inflict=_relay("stranger", 30180),
        catch=invalid("answered, but no line in the log: not by the backend, or the line is lost"),
    ),
    OfCluster(
        name="garbage",
        does="A program on the entry node answers something that is no HTTP.",
        origin="hole 5: an unparsable body passes",
        phase=words.Phase.IPTABLES,
        inflict=_relay("garbage", 30180),
        catch=erring("an answer without a meaning"),
    ),
    OfCluster(
        name="hung-up",
        does="A program on the entry node closes every connection without a word.",
        origin="hole 5: an empty body passes",
        phase=words.Phase.IPTABLES,
        inflict=_relay("empty", 30180),
        catch=failing("no answer: reset"),
    ),
)
