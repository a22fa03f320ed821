"""A cluster that is there already: looked at, refused or used as far as its user's rights go, and left as it was found.

Nothing is made or changed before the user's rights have been asked for and all that will be made has been said.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.clusters import cluster
from harness.clusters.existing import bare_proof, changes, contexts, intent, namespaces, rights, sampling
from harness.clusters.existing.options import ExistingOptions, require_kubeconfig, require_usable
from harness.core import cleanup, errors, process, timeouts
from harness.kube import client, inventory, shaping
from harness.model import facts, words
from harness.probing import runners

log = logging.getLogger("harness.existing")

Say = Callable[[str], None]
_PATIENCE = replace(timeouts.DEFAULT, rollout_s=300.0, switch_s=600.0, unanswered_s=2.0, look_s=2.0)
_CLIENT_S = timeouts.DEFAULT.agent_s
# A datagram socket that is connected has the address that the kernel would send from; nothing is sent.
_OWN_ADDRESS = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9))
print(s.getsockname()[0])
"""


def require_possible(options: ExistingOptions) -> None:
    """Refuse what can be refused without asking anybody; raises UsageError."""
    contexts.require(require_kubeconfig(options), options.context)
    require_usable(options)


@contextlib.contextmanager
def running(
    options: ExistingOptions, *, say: Say, patience: timeouts.Timeouts = _PATIENCE
) -> Iterator[cluster.Cluster]:
    """The user's cluster, with nothing in it yet; what the run has made by the block's end is removed.

    Raises:
        UsageError: Something was not said, can't be, or is not allowed; nothing was made.
        CapabilityMissing: It may only be looked at, and what the look has shown was said.
        HarnessError: The API, the client or the cleanup failed.
    """
    require_possible(options)
    with cleanup.CleanupStack() as undo:
        plan = _planned(options, undo, say)
        for line in intent.lines(
            plan.shape, switching=options.allow_switch, nodes=len(plan.nodes), used=plan.sample.nodes
        ):
            say(line)
        undo.push("the run's namespaces", lambda: _removed(plan, say))
        if options.allow_switch:
            before = changes.found(plan.api)
            undo.push("what a switch has changed", lambda: changes.put_back(plan.api, before, say))
        yield _cluster(options, plan, patience)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """All that is known before anything is made."""

    kubeconfig: Path
    api: client.Client
    shape: shaping.Shape
    nodes: tuple[facts.Node, ...]
    sample: sampling.Sample
    version: str
    who: facts.Client | None


def _planned(options: ExistingOptions, undo: cleanup.CleanupStack, say: Say) -> _Plan:
    kubeconfig = require_kubeconfig(options)
    shape = shaping.Shape(prefix=options.prefix, image=options.image)
    api = client.connect(kubeconfig, options.context, shape, confined=not options.allow_switch)
    undo.push("the API client", api.close)
    lacking = rights.missing(api, rights.wanted(switching=options.allow_switch))
    makeable = all(right.purpose is rights.Purpose.MAKE for right in lacking)
    if lacking and not (options.read_only and makeable):
        say(f"rights that are missing:\n{rights.table(lacking)}")
        raise rights.refusal(lacking, options.context)
    objects, installation = api.items(inventory.NODES), api.get(inventory.INSTALLATION)
    nodes = inventory.nodes_from(objects, api.items(inventory.PODS), installation)
    sample = sampling.chosen(objects, nodes)
    if lacking:
        _only_proven(api, nodes, sample, lacking, say)
    _require_free(api, shape, say)
    return _Plan(
        kubeconfig=kubeconfig,
        api=api,
        shape=replace(shape, nodes=sample.hosts, backend=sample.backend),
        nodes=nodes,
        sample=sample,
        version=str((installation.get("status") or {}).get("calicoVersion") or "of unknown version"),
        who=_client(options.client_cmd, nodes[0].address) if options.client_cmd else None,
    )


def _only_proven(
    api: client.Client,
    nodes: Sequence[facts.Node],
    sample: sampling.Sample,
    lacking: Sequence[rights.Right],
    say: Say,
) -> None:
    """Show what can be shown without a workload, and end there."""
    say(f"rights that are missing:\n{rights.table(lacking)}")
    used = [node for node in nodes if not sample.nodes or node.name in sample.nodes]
    say(f"by evidence\n{bare_proof.show(api, used)}")
    raise errors.CapabilityMissing(
        "workloads", f"{len(lacking)} rights are missing, so that nothing was measured; the dataplane is shown above"
    )


def _require_free(api: client.Client, shape: shaping.Shape, say: Say) -> None:
    namespaces.tell_left(namespaces.left(api), say)
    taken = namespaces.taken(api, shape.namespaces())
    if taken:
        raise errors.UsageError(
            f"--namespace-prefix {shape.prefix}: {', '.join(taken)} is there already, and this run did not make it"
        )


def _client(argv: Sequence[str], node: facts.Address) -> facts.Client:
    """The client outside the cluster, with the address that it reaches the nodes from.

    Raises:
        UsageError: The command does not run a Python 3 there.
    """
    try:
        done = process.run([*argv, "python3", "-c", _OWN_ADDRESS, str(node)], timeout_s=_CLIENT_S)
        address = ipaddress.ip_address(done.text.strip())
    except (errors.CommandError, OSError, ValueError) as error:
        said = error.stderr if isinstance(error, errors.CommandError) else str(error)
        why = (said.strip() or str(error)).splitlines()[-1]
        raise errors.UsageError(f"--client-cmd {' '.join(argv)}: it runs no python3 there: {why}") from error
    return facts.Client(kind=words.ClientKind.EXTERNAL, address=address)


def _removed(plan: _Plan, say: Say) -> None:
    namespaces.remove(plan.api, plan.shape.namespaces())
    say(f"removed: namespaces {plan.shape.prefix}*")


def _cluster(options: ExistingOptions, plan: _Plan, patience: timeouts.Timeouts) -> cluster.Cluster:
    return cluster.Cluster(
        provider="existing",
        description=f"context {options.context}: {len(plan.nodes)} nodes; the Installation says Calico {plan.version}",
        kubeconfig=plan.kubeconfig,
        context=options.context,
        shape=plan.shape,
        runner=runners.Runner(prefix=options.client_cmd) if options.client_cmd else None,
        who=plan.who,
        missing={} if plan.who is not None else {"external client": "no --client-cmd; only clients inside the cluster"},
        patience=patience,
        confined=not options.allow_switch,
        sampled=plan.sample.nodes,
        pairs=plan.sample.pairs,
    )
