"""Small clusters, cells and samples for tests, with the recorded cluster's names and addresses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from ipaddress import ip_address

from harness.model import cells, facts, matrix, paths, records, words
from harness.model.matrix import Dialled, Entry, Place, Row, Standing
from harness.oracle import predictions

CLIENT = ip_address("172.18.0.5")
WHO = facts.Client(kind=words.ClientKind.EXTERNAL, address=CLIENT)
NODES = (
    facts.Node(name="kind-control-plane", address=ip_address("172.18.0.2"), tunnel=ip_address("10.244.82.0")),
    facts.Node(name="kind-worker", address=ip_address("172.18.0.3"), tunnel=ip_address("10.244.162.128")),
    facts.Node(name="kind-worker2", address=ip_address("172.18.0.4"), tunnel=ip_address("10.244.110.128")),
)
CUSTOMER = facts.Pod(
    namespace="yaobank-customer", name="customer-1", address=ip_address("10.244.162.134"), node="kind-worker"
)
SUMMARY = facts.Pod(
    namespace="yaobank-summary", name="summary-1", address=ip_address("10.244.110.130"), node="kind-worker2"
)


def destination(
    policy: words.Policy = words.Policy.CLUSTER, backends: tuple[facts.Pod, ...] = (CUSTOMER,)
) -> facts.Destination:
    """One of customer's two Services."""
    local = policy is words.Policy.LOCAL
    return facts.Destination(
        namespace="yaobank-customer",
        service="customer-local" if local else "customer",
        node_port=30181 if local else 30180,
        policy=policy,
        protocol=words.Protocol.HTTP,
        cluster_ip=ip_address("10.96.35.44" if local else "10.96.64.51"),
        backends=backends,
    )


def known(
    *,
    destinations: tuple[facts.Destination, ...] | None = None,
    client: facts.Address = CLIENT,
    overlay: str = "VXLAN",
) -> facts.Facts:
    """The recorded cluster with customer on kind-worker."""
    both = (destination(), destination(words.Policy.LOCAL))
    return facts.Facts(
        nodes=NODES,
        destinations=both if destinations is None else destinations,
        client=facts.Client(kind=words.ClientKind.EXTERNAL, address=client),
        overlay=overlay,
        other_pods=(SUMMARY,),
        gateway=ip_address("172.18.0.1"),
    )


def cell(
    *,
    phase: words.Phase = words.Phase.IPTABLES,
    entry: str = "kind-control-plane",
    policy: words.Policy = words.Policy.CLUSTER,
    client: words.ClientKind = words.ClientKind.EXTERNAL,
    path: paths.Path | None = None,
) -> cells.Cell:
    """One cell of the recorded cluster: customer's NodePort through a node."""
    where = path or paths.Path(
        client=facts.Client(kind=client, address=CLIENT), entry=known().node(entry), destination=destination(policy)
    )
    behind = {pod.node for pod in where.destination.backends}
    standing = Standing(client=client, place=Place.OUTSIDE, entry=Entry.WITH if entry in behind else Entry.WITHOUT)
    dialled = Dialled(target=words.Target.NODE_PORT, policy=policy)
    row = Row(standing=standing, dialled=dialled, protocol=words.Protocol.HTTP, host_backend=False)
    return cells.Cell(phase=phase, row=row, path=where)


def rows() -> tuple[matrix.Row, ...]:
    """The rows that these cells are of."""
    return matrix.WALKTHROUGH


def with_destination(where: cells.Cell, other: facts.Destination) -> cells.Cell:
    """The same cell with something else behind its Service."""
    return dataclasses.replace(where, path=dataclasses.replace(where.path, destination=other))


def account(
    address: facts.Address, *, status: int = 200, witness: words.Witness = words.Witness.APPLICATION
) -> cells.Account:
    """What one witness says that customer saw."""
    return cells.Account(witness=witness, address=address, backend="yaobank-customer/customer-1", status=status)


def answered(
    token: str, where: cells.Cell, *, saw: str | None, status: int = 200, client: facts.Address = CLIENT, lines: int = 1
) -> cells.Sample:
    """A sample that got an HTTP answer, with that many lines of what customer saw."""
    line = account(ip_address(saw or "0.0.0.0"), status=status)
    return cells.Sample(
        token=token,
        reply=cells.Reply(
            status=status,
            silence=None,
            local=(client, 40000),
            peer=where.path.dialled,
            latency_ms=3.5,
        ),
        accounts=(line,) * lines if saw else (),
    )


def silent(token: str, how: words.Silence) -> cells.Sample:
    """A sample that stayed without an answer."""
    return cells.Sample(token=token, reply=cells.Reply(status=None, silence=how, error=how.value))


def right_samples(where: cells.Cell, expected: cells.Expectation, count: int) -> list[cells.Sample]:
    """Samples that agree with an expectation."""
    if isinstance(expected, cells.NoAnswer):
        return [silent(f"token-{index}", next(iter(expected.how))) for index in range(count)]
    saw = str(expected.sources[0].address)
    return [answered(f"token-{index}", where, saw=saw) for index in range(count)]


def verdict(
    where: cells.Cell, *, outcome: words.Outcome = words.Outcome.PASS, samples: Sequence[cells.Sample] | None = None
) -> cells.Verdict:
    """A verdict on one cell, by default of two samples that agree."""
    expected = predictions.expect(where, known())
    taken = right_samples(where, expected, 2) if samples is None else samples
    good = outcome is words.Outcome.PASS
    return cells.Verdict(
        cell=where,
        expectation=expected,
        outcome=outcome,
        right=len(taken) if good else 0,
        total=len(taken),
        seen={expected.text if good else "172.18.0.9 unknown": len(taken)},
        reasons=() if good else ("customer saw 172.18.0.9 instead",),
        samples=tuple(taken),
    )


def held_controls() -> tuple[records.Control, ...]:
    """Every control, as it must be."""
    return tuple(records.Control(name=name, held=True, text="as it must be") for name in sorted(records.CONTROLS))


def phase_record(
    phase: words.Phase = words.Phase.IPTABLES,
    *,
    trouble: str = "",
    verdicts: tuple[cells.Verdict, ...] | None = None,
) -> records.PhaseRecord:
    """A phase with one verdict for each entry node and policy."""
    every = tuple(
        verdict(cell(phase=phase, entry=node.name, policy=policy)) for policy in words.Policy for node in NODES
    )
    return records.PhaseRecord(
        phase=phase,
        proof={node.name: phase.dataplane.value for node in NODES},
        switched=phase is not words.Phase.IPTABLES,
        proven_s=0.4,
        converged_s=None if trouble else 0.5,
        trouble=trouble,
        verdicts=every if verdicts is None else verdicts,
        controls=held_controls(),
    )


def run_record(*phases: records.PhaseRecord) -> records.RunRecord:
    """A run of the lab with these phases."""
    return records.RunRecord(
        provider="lab",
        description="lab reference dataplane (not Calico)",
        client=facts.Client(kind=words.ClientKind.EXTERNAL, address=CLIENT),
        samples=2,
        started="2026-11-23T05:00:00+00:00",
        phases=phases,
        timings_s={"lab up": 4.2},
        memory_mib=345.6,
    )
