"""What one failing cell means, in sentences: where, who rewrote it, who saw it, and what to look at next. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from harness.model import cells, words
from harness.report.folding import Group

_SHOWN = 3
_BPF, _RULES = "bpf-nat.txt", "iptables-save.txt"
# Where a change is that no node's table tells of.
NOWHERE = "?"
# How the one who follows the kernel's tables names a rule.
_RULE = "nat "


def where(group: Group) -> str:
    """Who dialled what through which nodes, and who stands behind it."""
    path = group.first.cell.path
    who = path.client.pod or path.client.node or str(path.client.address)
    nodes = list(dict.fromkeys(verdict.cell.entry.name for verdict in group.verdicts if verdict.cell.entry))
    address, port = path.dialled
    dialled = (
        f"{_some(nodes)}:{path.destination.node_port}" if nodes else f"{path.destination.target.value} {address}:{port}"
    )
    behind = ", ".join(f"{pod.namespace}/{pod.name} on {pod.node}" for pod in path.destination.backends[:_SHOWN])
    return f"{path.client.kind.value} {who} -> {dialled} -> {behind or 'nobody'}"


def rewrites(verdict: cells.Verdict) -> tuple[str, ...]:
    """Who changed which address, a sentence each; one that says so if nobody is known to have changed it."""
    told = tuple(
        f"{item.node}: {item.field} {item.before} -> {item.after} by {item.by} ({item.samples} of {verdict.total})"
        for item in verdict.rewrites
    )
    told += unexplained(verdict)
    return told or ("nobody: no address was changed that a witness knows of",)


def unexplained(verdict: cells.Verdict) -> tuple[str, ...]:
    """That the source was changed and nobody knows by whom, as a sentence; nothing where that is not so."""
    if any(item.field == "source" for item in verdict.rewrites) or not _changed(verdict):
        return ()
    if words.Witness.KERNEL in verdict.watching:
        return ("no rule or program is known to have changed the source",)
    return ("nobody watched the kernel's table",)


def _changed(verdict: cells.Verdict) -> bool:
    return any(
        account.address != cells.own_address(sample.reply, verdict.cell)
        for sample in verdict.samples
        for account in sample.accounts
    )


def because(expectation: cells.Expectation) -> str:
    """The rules that the expectation follows from."""
    told = expectation.sources if isinstance(expectation, cells.Answer) else (expectation,)
    return "; ".join(dict.fromkeys(item.because for item in told))


def witnesses(verdict: cells.Verdict) -> str:
    """Who saw it, and whether they agree."""
    heard = [witness.value for witness in words.Witness if verdict.witnessed.get(witness)]
    odd = [sample for sample in verdict.samples if sample.disputed]
    if odd:
        told = ", ".join(f"{item.witness.value} says {item.address} at {item.backend}" for item in odd[0].accounts)
        return f"DISAGREE in {len(odd)} of {verdict.total}: {told}"
    if not heard:
        watched = ", ".join(sorted(witness.value for witness in verdict.watching))
        return f"none saw anything arrive (watching: {watched or 'nobody'})"
    if len(heard) == 1:
        missing = sorted(witness.value for witness in verdict.watching if not verdict.witnessed.get(witness))
        return f"one witness only: {heard[0]}" + (f" ({', '.join(missing)} watched and saw nothing)" if missing else "")
    alone = sum(verdict.alone.values())
    doubt = f"; {alone} of {verdict.total} samples have one witness only" if alone else ""
    return f"{', '.join(heard[:-1])} and {heard[-1]} agree{doubt}"


def look_next(group: Group, folder: str) -> tuple[str, ...]:
    """Commands and files for this cause, the most telling first.

    Args:
        group: What failed.
        folder: Where the run's files are, as a person would type it.
    """
    return tuple(dict.fromkeys(_steps(group, folder)))


def _steps(group: Group, folder: str) -> Iterator[str]:
    verdict = group.first
    if verdict.samples:
        yield from _measured(group, folder)
    dataplane = group.phase.dataplane.value
    yield f"sourceip plan --dataplane {dataplane} --cell {verdict.cell.row.name}"


def _measured(group: Group, folder: str) -> Iterator[str]:
    odd = _odd_sample(group.first)
    node = _node(group.first)
    if group.first.outcome is words.Outcome.INVALID:
        yield "the client's own path: routes, proxies and NAT between it and the nodes; it is not what was planned"
    elif node:
        dump = _BPF if _by_program(group) else _RULES
        yield f"{folder}/evidence/{group.phase.value}/nodes/{shlex.quote(node)}/{dump}"
    if odd is not None:
        yield f"grep {shlex.quote(odd.token)} {folder}/run.json"


def _by_program(group: Group) -> bool:
    """Whether a program changed the source, or would have had to."""
    changed = [item.by for item in group.first.rewrites if item.field == "source"]
    if changed:
        return not changed[-1].startswith(_RULE)
    return group.phase.dataplane is words.Dataplane.BPF


def _node(verdict: cells.Verdict) -> str:
    """Where the address was changed, or would have to be: the last to change the source, else the node dialled."""
    changed = [item.node for item in verdict.rewrites if item.field == "source" and item.node != NOWHERE]
    if changed:
        return changed[-1]
    return verdict.cell.entry.name if verdict.cell.entry else verdict.cell.client.node


def _odd_sample(verdict: cells.Verdict) -> cells.Sample | None:
    return next((sample for sample in verdict.samples if not agrees(sample, verdict.expectation)), None)


def agrees(sample: cells.Sample, expectation: cells.Expectation) -> bool:
    """Whether a sample looks like what was expected; the judge alone decides, this only finds an example."""
    if isinstance(expectation, cells.NoAnswer):
        return sample.reply.silence in expectation.how and not sample.accounts
    right = {(source.address, source.backend) for source in expectation.sources}
    told = {(account.address, account.backend) for account in sample.accounts}
    return sample.reply.answered and bool(told) and told <= right


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_SHOWN]) + (f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else "")
