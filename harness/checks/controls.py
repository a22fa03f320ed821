"""What must hold in every phase, whatever the dataplane, or the run proves nothing.

*Positive*: under policy Local through the backend's node the application sees the client's own address, so the whole
way from the client to the log's parser can show a client. *Unreachable*: under policy Local through a node without a
backend nothing answers, so an answer is not something that comes whatever is dialled. *Negative*: summary's access log
shows customer's pod and nobody else, so the log is not one that shows the client whatever happens.

Where there is no client outside the cluster, a pod takes its place, and the Service's own address that of the NodePort:
a pod on another node is seen as itself, and internal policy Local keeps it from being answered.

The controls look at samples and logs and not at verdicts: they must not lean on the judge that they vouch for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks import sampling, scene, source_ip
from harness.core import errors, timeouts, waiting
from harness.kube import client, conditions, logs
from harness.model import cells, facts, laying, matrix, records, words
from harness.witness import access_log

CUSTOMER, SUMMARY = "yaobank-customer", "yaobank-summary"
POSITIVE = matrix.row("external/with/NodePort-Local/HTTP/pod")
UNREACHABLE = matrix.row("external/without/NodePort-Local/HTTP/pod")
ROWS = (POSITIVE, UNREACHABLE)
POSITIVE_INSIDE = matrix.row("pod@other/-/ClusterIP-Cluster/HTTP/pod")
UNREACHABLE_INSIDE = matrix.row("pod@other/-/ClusterIP-Local/HTTP/pod")
ROWS_INSIDE = (POSITIVE_INSIDE, UNREACHABLE_INSIDE)

# As for customer's log: what takes time is a line's way into the log.
_LOG_S = timeouts.DEFAULT.log_s
_DELAY_S = 0.1

Logs = Mapping[str, bytes]
"""summary's logs by pod."""


@dataclass(frozen=True, kw_only=True)
class Grown:
    """What came into summary's logs.

    Attributes:
        lines: The requests that came, from all pods.
        broken: The pods whose log no longer begins with what it was, as after a rotation or a restart.
    """

    lines: tuple[access_log.Line, ...]
    broken: tuple[str, ...] = ()


def with_controls(rows: Iterable[matrix.Row], *, outside: bool = True) -> tuple[matrix.Row, ...]:
    """These rows and those of the controls that are not among them. Pure."""
    return tuple(dict.fromkeys((*rows, *(ROWS if outside else ROWS_INSIDE))))


def check(
    place: scene.Scene,
    phase: words.Phase,
    known: facts.Facts,
    *,
    samples: int,
    rows: Sequence[matrix.Row],
    tell: sampling.Tell = lambda _done, _all: None,
    clock: waiting.Clock = waiting.REAL,
    datagrams_at: float = 0.0,
) -> tuple[source_ip.Checked, tuple[records.Control, ...]]:
    """Sample these rows and the controls' own, and say of every control whether it held.

    ``tell``, ``clock`` and ``datagrams_at`` are as for ``source_ip.check``.

    Raises:
        CapabilityMissing: Nothing of it can be expected here.
        ApiError: A log could not be read.
        ProbeError: A probe failed.
    """
    before = read(place.api)
    outside = known.client is not None
    wanted = with_controls(rows, outside=outside)
    checked = source_ip.check(
        place, phase, known, samples=samples, rows=wanted, tell=tell, clock=clock, datagrams_at=datagrams_at
    )
    require_any(rows, checked)
    asked = answered_by_customer(checked.verdicts)
    grown = _await(place.api, before, asked)
    held = (
        positive(checked.verdicts, checked.skipped, outside=outside),
        negative(grown, customers(known), asked),
        unreachable(checked.verdicts, checked.skipped, outside=outside),
    )
    return checked, held


def require_any(rows: Sequence[matrix.Row], checked: source_ip.Checked) -> None:
    """Refuse a phase in which nothing that was asked for was sampled: green controls are no verdict. Pure.

    Raises:
        CapabilityMissing: None of these rows has a verdict.
    """
    if not {verdict.cell.row for verdict in checked.verdicts} & set(rows):
        reasons = dict.fromkeys(item.detail for item in checked.skipped if item.row in rows)
        why = "; ".join(reasons) or "no row was asked for"
        raise errors.CapabilityMissing("prediction", f"a plan without a cell would pass whatever happens: {why}")


def read(api: client.Client) -> Logs:
    """What each of summary's pods has logged so far; raises ApiError."""
    namespace = api.shape.namespace(SUMMARY)
    pods = api.items(f"/api/v1/namespaces/{namespace}/pods")
    names = [pod["metadata"]["name"] for pod in pods if conditions.pod_is_ready(pod)]
    return {name: logs.read(api, namespace=namespace, pod=name) for name in names}


def _await(api: client.Client, before: Logs, asked: int) -> Grown:
    def observe() -> Grown:
        return grown_between(before, read(api))

    def complete(found: Grown) -> bool:
        return bool(found.broken) or len(found.lines) >= asked

    try:
        return waiting.wait_until(observe, complete, what="summary's log", timeout_s=_LOG_S, delay_s=_DELAY_S)
    except errors.WaitTimeout:
        # A line that is missing even now makes the control misbehave.
        return observe()


def grown_between(before: Logs, after: Logs) -> Grown:
    """What came into the logs from one reading to the other; a pod that is new has an empty log before. Pure."""
    broken = tuple(name for name, text in before.items() if not after.get(name, b"").startswith(_whole_lines(text)))
    new = (text[len(_whole_lines(before.get(name, b""))) :] for name, text in after.items() if name not in broken)
    return Grown(lines=tuple(line for text in new for line in access_log.parse(text)), broken=broken)


def _whole_lines(text: bytes) -> bytes:
    return text[: text.rfind(b"\n") + 1]


def answered_by_customer(verdicts: Iterable[cells.Verdict]) -> int:
    """How many samples customer answered with 200, each of which has asked summary once. Pure."""
    return sum(
        sample.reply.status == 200
        for verdict in verdicts
        if verdict.cell.destination.namespace.endswith(CUSTOMER)
        for sample in verdict.samples
    )


def customers(known: facts.Facts) -> frozenset[facts.Address]:
    """The addresses of customer's pods. Pure."""
    backends = (pod for item in known.destinations if item.namespace.endswith(CUSTOMER) for pod in item.backends)
    return frozenset(pod.address for pod in backends)


def positive(
    verdicts: Iterable[cells.Verdict], skipped: Iterable[cells.Skipped] = (), *, outside: bool = True
) -> records.Control:
    """The client's own address is seen where nothing may change it. Pure."""
    row = POSITIVE if outside else POSITIVE_INSIDE
    found = [verdict for verdict in verdicts if verdict.cell.row == row]
    seen = Counter(_sight(sample, verdict.cell) for verdict in found for sample in verdict.samples)
    way = "through the backend's node under policy Local" if outside else "by the Service's own address"
    return _control("positive", f"the client's own address {way}", seen, {"the client"}, _missing(row, skipped))


def unreachable(
    verdicts: Iterable[cells.Verdict], skipped: Iterable[cells.Skipped] = (), *, outside: bool = True
) -> records.Control:
    """Nothing answers through a node without a backend; which silence it is, is the cell's business. Pure.

    In a cluster of which every node has a backend there is no such node, so there is nothing to control.
    """
    row = UNREACHABLE if outside else UNREACHABLE_INSIDE
    reason = next((item.detail for item in skipped if item.row == row), "")
    if reason == laying.NO_NODE_WITHOUT:
        return records.Control(name="unreachable", held=True, text=f"not applicable: {reason}")
    found = [verdict for verdict in verdicts if verdict.cell.row == row]
    seen = Counter(_silence(sample.reply) for verdict in found for sample in verdict.samples)
    wanted = f"no answer {'through' if outside else 'from'} a node without a backend under policy Local"
    return _control("unreachable", wanted, seen, {how.value for how in words.Silence}, _missing(row, skipped))


def negative(grown: Grown, pods: Collection[facts.Address], asked: int) -> records.Control:
    """summary was asked by customer's pods and nobody else, at least once for every answer of customer. Pure."""
    seen = Counter("customer's pod" if line.address in pods else str(line.address) for line in grown.lines)
    wanted = f"{asked} or more requests in summary's log, all of them from customer's pod"
    if grown.broken:
        return _broken("negative", wanted, f"the log of {', '.join(grown.broken)} was rotated or begun anew")
    if sum(seen.values()) < asked:
        return _broken("negative", wanted, f"{sum(seen.values())} requests")
    return _control("negative", wanted, seen, {"customer's pod"}, "customer answered nothing")


def failures(held: Iterable[records.Control]) -> tuple[str, ...]:
    """One sentence for each control that misbehaved. Pure."""
    return tuple(f"INVALID: control {control.name} misbehaved: {control.text}" for control in held if not control.held)


def _control(name: str, wanted: str, seen: Counter[str], right: Collection[str], nothing: str) -> records.Control:
    if not seen:
        return _broken(name, wanted, nothing)
    text = ", ".join(f"{count} x {what}" for what, count in seen.most_common())
    return records.Control(name=name, held=set(seen) <= set(right), text=f"expected {wanted}; seen {text}")


def _broken(name: str, wanted: str, seen: str) -> records.Control:
    return records.Control(name=name, held=False, text=f"expected {wanted}; seen {seen}")


def _sight(sample: cells.Sample, cell: cells.Cell) -> str:
    if not sample.reply.answered:
        return _silence(sample.reply)
    addresses = {account.address for account in sample.of(words.Witness.APPLICATION)}
    if addresses == {cell.client.address}:
        return "the client"
    return " and ".join(sorted(str(address) for address in addresses)) or "no line in the log"


def _silence(reply: cells.Reply) -> str:
    if reply.silence is not None:
        return reply.silence.value
    return reply.error or "an answer"


def _missing(row: matrix.Row, skipped: Iterable[cells.Skipped]) -> str:
    reasons = [item.detail for item in skipped if item.row == row]
    return f"nothing: {reasons[0]}" if reasons else "nothing: it was never run"
