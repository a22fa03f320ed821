"""Whole runs for tests of reports: every cell of the matrix in every phase, every field of the record filled."""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from harness.commands import plan as plan_command
from harness.model import cells, facts, facts_file, matrix, records, words
from harness.oracle import judge, predictions

LAB = "lab reference dataplane (not Calico): kube-proxy's iptables rules and this project's own eBPF programs"
EVERYBODY = frozenset(words.Witness)
_DETAIL = {
    words.Witness.APPLICATION: '{address} - - [23/Nov/2026 05:01:12] "GET /?probe={token} HTTP/1.1" 200 -',
    words.Witness.WIRE: "on eth0 of {backend}: {address}.{port} > {pod}.80, 178 bytes, the token at byte 66",
    words.Witness.KERNEL: "tcp 6 117 TIME_WAIT src={client} dst={dialled} sport={port} dport={dport} src={pod} "
    "dst={address} sport=80 dport={port} [ASSURED]",
}
Spoil = Callable[[cells.Cell, int, cells.Sample], cells.Sample]


@functools.cache
def known() -> facts.Facts:
    """The example cluster, which has a place for every row."""
    return facts_file.parse(plan_command.EXAMPLE.read_text()).facts


def honest(_cell: cells.Cell, _index: int, sample: cells.Sample) -> cells.Sample:
    """Leave a sample as it is."""
    return sample


@functools.cache
def run(
    *,
    samples: int = 20,
    rows: tuple[matrix.Row, ...] = matrix.ROWS,
    spoil: Spoil = honest,
    phases: tuple[words.Phase, ...] = tuple(words.Phase),
    rewritten: bool = True,
) -> records.RunRecord:
    """A run over these rows whose samples are as predicted, but for what is spoiled."""
    done = tuple(_phase(phase, rows, samples, spoil, rewritten=rewritten) for phase in phases)
    return records.RunRecord(
        provider="lab",
        description=LAB,
        client=known().client,
        samples=samples,
        started="2026-11-23T05:00:00+00:00",
        phases=done,
        timings_s={"lab up": 4.21, "yaobank ready": 2.5, "switch to BPF": 1.312, "total": 71.25},
        memory_mib=345.6,
        wanted=tuple(phase.phase for phase in done),
    )


def _phase(
    phase: words.Phase, rows: tuple[matrix.Row, ...], samples: int, spoil: Spoil, *, rewritten: bool
) -> records.PhaseRecord:
    plan = predictions.plan(phase, known(), rows)
    taken = {
        cell.name: [spoil(cell, index, _right(cell, expected, index)) for index in range(samples)]
        for cell, expected in plan.planned
    }
    watching = {cell.name: EVERYBODY for cell, _ in plan.planned}
    verdicts = judge.judge_all(plan, taken, known(), wanted=samples, watching=watching)
    return records.PhaseRecord(
        phase=phase,
        proof={node.name: phase.dataplane.value for node in known().nodes},
        switched=phase is not words.Phase.IPTABLES,
        proven_s=1.9,
        converged_s=1.312,
        trouble="",
        verdicts=tuple(_with_rewrites(verdict) for verdict in verdicts) if rewritten else verdicts,
        skipped=plan.skipped,
        controls=CONTROLS,
    )


CONTROLS = (
    records.Control(name="positive", held=True, text="policy Local through kind-worker shows 172.18.0.5: 20 of 20"),
    records.Control(name="negative", held=True, text="summary logs customer's pod 10.244.162.134: 20 of 20"),
    records.Control(name="unreachable", held=True, text="policy Local through kind-worker2 answers nothing: 20 of 20"),
)


def _right(cell: cells.Cell, expected: cells.Expectation, index: int) -> cells.Sample:
    token = f"{index:08x}-4f6a-4c1e-9d2b-{zlib.crc32(cell.name.encode()):012x}"
    if isinstance(expected, cells.NoAnswer):
        how = sorted(expected.how, key=lambda item: item.value)[0]
        return cells.Sample(token=token, reply=cells.Reply(status=None, silence=how, error=how.value))
    source = expected.sources[0]
    port = 40000 + index
    http = cell.destination.protocol is words.Protocol.HTTP
    reply = cells.Reply(
        status=200 if http else None,
        silence=None,
        local=(cell.client.address, port),
        peer=cell.path.dialled,
        latency_ms=3.5 + index / 8,
        token=token,
    )
    accounts = tuple(account(cell, source.address, source.backend, witness, token, port) for witness in words.Witness)
    return cells.Sample(token=token, reply=reply, accounts=accounts)


def account(
    cell: cells.Cell, address: facts.Address, backend: str, witness: words.Witness, token: str, port: int
) -> cells.Account:
    """What a witness says, in words like the real ones."""
    dialled, dport = cell.path.dialled
    pod = next(pod for pod in cell.destination.backends if f"{pod.namespace}/{pod.name}" == backend)
    detail = _DETAIL[witness].format(
        address=address, token=token, backend=backend, port=port, pod=pod.address, client=cell.client.address,
        dialled=dialled, dport=dport,
    )  # fmt: skip
    application = witness is words.Witness.APPLICATION
    return cells.Account(
        witness=witness,
        address=address,
        backend=backend,
        port=None if application else port,
        status=200 if application else None,
        detail=detail,
    )


def seeing(address: str) -> Spoil:
    """Samples whose witnesses all say that address."""

    def spoil(_cell: cells.Cell, _index: int, sample: cells.Sample) -> cells.Sample:
        told = tuple(dataclasses.replace(item, address=ip_address(address)) for item in sample.accounts)
        return dataclasses.replace(sample, accounts=told)

    return spoil


def _with_rewrites(verdict: cells.Verdict) -> cells.Verdict:
    told = [sample.accounts[0] for sample in verdict.samples if sample.accounts]
    if not told or verdict.cell.destination.target is words.Target.POD_ADDRESS:
        return verdict
    return dataclasses.replace(verdict, rewrites=tuple(_rewrites(verdict.cell, told[0], len(told))))


def _rewrites(cell: cells.Cell, told: cells.Account, count: int) -> Iterable[cells.Rewrite]:
    first = cell.entry.name if cell.entry else cell.client.node
    backend = cell.destination.backends[0]
    dialled, port = cell.path.dialled
    bpf = cell.phase.dataplane is words.Dataplane.BPF
    yield cells.Rewrite(
        node=backend.node if bpf else first,
        field="destination",
        before=f"{dialled}:{port}",
        after=f"{backend.address}:80",
        by="program from_wire on eth0, map v4_nat[172.18.0.2:30180/6] -> backend 0"
        if bpf
        else f'nat KUBE-SEP-HTJTKC3RAZ2SHQ4S rule 2 "{cell.destination.namespace}/{cell.destination.service}" DNAT',
        evidence="counter 0 -> 20; conntrack entry of the first sample",
        samples=count,
    )
    if told.address != cell.client.address:
        yield cells.Rewrite(
            node=first,
            field="source",
            before=str(cell.client.address),
            after=str(told.address),
            by='nat KUBE-POSTROUTING rule 3 "kubernetes service traffic requiring SNAT" MASQUERADE --random-fully',
            evidence="counter 0 -> 20",
            samples=count,
        )


@functools.cache
def red() -> records.RunRecord:
    """A run with wrong addresses, a flapping cell, witnesses that disagree, a cell that never ran and a finding."""

    def spoil(cell: cells.Cell, index: int, sample: cells.Sample) -> cells.Sample:
        if cell.phase is not words.Phase.EBPF or not sample.accounts:
            return sample
        if cell.row.path_name == "external/without/NodePort-Cluster":
            return seeing("172.18.0.2")(cell, index, sample)
        if cell.row.path_name == "gateway/with/NodePort-Cluster" and index == 7:
            return dataclasses.replace(
                sample, reply=cells.Reply(status=None, silence=words.Silence.TIMEOUT, error="timeout"), accounts=()
            )
        if cell.row.path_name == "pod@entry/with/NodePort-Local":
            first, *rest = sample.accounts
            return dataclasses.replace(
                sample, accounts=(dataclasses.replace(first, address=ip_address("10.244.82.0")), *rest)
            )
        if cell.row.path_name == "host@other/-/ClusterIP-Cluster":
            return dataclasses.replace(sample, accounts=sample.accounts[:1])
        return sample

    green = run(spoil=spoil)
    first, *rest = green.phases[0].verdicts
    lost = dataclasses.replace(
        first,
        outcome=words.Outcome.ERROR,
        right=0,
        samples=(),
        seen={},
        reasons=("20 of 20 samples were never taken",),
        witnessed={},
        rewrites=(),
    )
    return dataclasses.replace(
        green,
        phases=(dataclasses.replace(green.phases[0], verdicts=(lost, *rest)), *green.phases[1:]),
        environment=(FINDING,),
        skipped={"dual-stack": "the lab has IPv4 only"},
    )


FINDING = records.Environment(
    cause="rp_filter",
    where="kind-worker",
    text="net.ipv4.conf.all.rp_filter is 1, so a reply that takes another way is dropped",
    remedy="sysctl -w net.ipv4.conf.all.rp_filter=0",
)


@functools.cache
def invalid() -> records.RunRecord:
    """A run in which a control misbehaved and the environment blocks."""
    green = run(samples=2)
    broken = dataclasses.replace(
        CONTROLS[0], held=False, text="policy Local through kind-worker shows 172.18.0.1, not 172.18.0.5: 0 of 20"
    )
    blocking = records.Environment(
        cause="docker masquerade",
        where="the client's path",
        text="a POSTROUTING rule of Docker masquerades 172.18.0.5 before it reaches a node",
        remedy="run the client on the kind network: --client-cmd 'docker exec -i client'",
        blocking=True,
    )
    return dataclasses.replace(
        green,
        phases=(dataclasses.replace(green.phases[0], controls=(broken, *CONTROLS[1:])), *green.phases[1:]),
        environment=(blocking, FINDING),
    )


@functools.cache
def interrupted() -> records.RunRecord:
    """A run that was ended in its second phase."""
    green = run(samples=2, phases=(words.Phase.IPTABLES,))
    return dataclasses.replace(green, wanted=tuple(words.Phase), interrupted="SIGINT during ebpf")
